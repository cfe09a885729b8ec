"""The methods that the server knows, by request class."""

from typing import Final

from vestnik.simulator.calls import Method
from vestnik.simulator.methods import directory, history, login, media, posting, session

METHODS: Final[dict[type, Method]] = (
    session.METHODS | login.METHODS | directory.METHODS | posting.METHODS | history.METHODS | media.METHODS
)
