"""The methods that the server knows, by request class."""

from typing import Final

from vestnik.simulator.calls import Method
from vestnik.simulator.methods import directory, history, media, posting, session

METHODS: Final[dict[type, Method]] = (
    session.METHODS | directory.METHODS | posting.METHODS | history.METHODS | media.METHODS
)
