"""How a post is announced and shown, beside what it says."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.states import AccountKind

Choice = TypeVar("Choice", bound=StrEnum)


class PreviewPosition(StrEnum):
    """Where the preview of the first link stands."""

    ABOVE = "above"
    BELOW = "below"


class PreviewSize(StrEnum):
    """How large the picture of the preview is; Telegram chooses where nothing is said."""

    LARGE = "large"
    SMALL = "small"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostOptions:
    """What goes with a post. The link's preview concerns posts without a file alone.

    A `silent` post reaches readers without a sound; a protected one cannot be forwarded, saved or copied.
    """

    link_preview: bool = True
    link_preview_position: PreviewPosition = PreviewPosition.BELOW
    link_preview_size: PreviewSize | None = None
    silent: bool = False
    protect_content: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkButton:
    """A button below a post that leads to an address."""

    text: str
    url: str


def require_means(kind: AccountKind, account: str, *, has_buttons: bool, is_protected: bool) -> None:
    """Raises InvalidInputError for an account that cannot post so: Telegram keeps both for bots.

    It takes the protection of a person's post and protects nothing (`noforwards`, "only for bots":
    https://core.telegram.org/method/messages.sendMessage). A rehearsal has both, as it stands for whichever
    account goes live.
    """
    if kind is not AccountKind.USER:
        return
    if has_buttons:
        raise InvalidInputError(
            f"Telegram shows buttons below the posts of bots only, and account '{account}' is a person's; choose a "
            "bot's account, or a template without buttons",
            field="account",
        )
    if is_protected:
        raise InvalidInputError(
            f"Telegram protects the posts of bots only, and account '{account}' is a person's; choose a bot's account, "
            "or leave the protection out and protect the whole channel in Telegram's settings",
            field="account",
        )


USUAL: Final = PostOptions()
OPTION_NAMES: Final = tuple(field.name for field in fields(PostOptions))
LATER_NAMES: Final = tuple(name for name in OPTION_NAMES if name != "link_preview")
"""Those that stored content of before does not have."""


def read_options(given: Mapping[str, Any], base: PostOptions = USUAL) -> PostOptions:
    """The options that are named, over those of `base`. Raises InvalidInputError, which names the field."""
    found = {name: given[name] for name in OPTION_NAMES if name in given}
    if found.get("link_preview_position") is None:
        found.pop("link_preview_position", None)
    else:
        found["link_preview_position"] = _read_choice(
            PreviewPosition, found["link_preview_position"], "link_preview_position"
        )
    if found.get("link_preview_size") is not None:
        found["link_preview_size"] = _read_choice(
            PreviewSize, found["link_preview_size"], "link_preview_size"
        )
    return replace(base, **found)


def pick_options(holder: object) -> PostOptions:
    """The options among the attributes of something. Raises InvalidInputError, which names the field."""
    return read_options({name: getattr(holder, name) for name in OPTION_NAMES})


def write_options(options: PostOptions) -> dict[str, Any]:
    """As they are stored and shown: by name, enumerations as their texts."""
    return {
        name: value.value if isinstance(value, StrEnum) else value for name, value in asdict(options).items()
    }


def _read_choice(kind: type[Choice], value: str, field: str) -> Choice:
    try:
        return kind(value.strip().lower())
    except (ValueError, AttributeError):
        what = "position" if kind is PreviewPosition else "size"
        choices = " or ".join(kind)
        raise InvalidInputError(f"the {what} of the link's preview is {choices}", field=field) from None
