"""What text has to look like, and how that is said to people: nobody should have to read an expression."""

from collections.abc import Mapping
from typing import Final

NO_NUL: Final = r"^[^\x00]*$"
"""PostgreSQL cannot hold a NUL character."""
EMAIL: Final = r"^[!-?A-~]+@[!-?A-~]+$"
KEY: Final = r"^[\x21-\x7e]+$"
CHANNEL_USERNAME: Final = r"^@?[A-Za-z][A-Za-z0-9_]{3,31}$"

COMPLAINTS: Final[Mapping[str, str]] = {
    NO_NUL: "holds a NUL character",
    EMAIL: "is no e-mail address, which is like editor@news.example",
    KEY: "may hold only printable ASCII characters and no space; a UUID will do",
    CHANNEL_USERNAME: "is no username: those have 4 to 32 Latin letters, digits and underscores and begin with a "
    "letter",
}
"""By pattern; every pattern of the API is here."""
