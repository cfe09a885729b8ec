"""The sections of the console, each open to a role."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vestnik.console.marking import mark

if TYPE_CHECKING:
    from vestnik.console.visitors import Visitor


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """An entry of the menu; `title` is in the language of the sources. `group` says where in the menu."""

    path: str
    title: str
    role: str = "VIEWER"
    group: str = "work"

    def is_current(self, path: str) -> bool:
        """Whether a page is in this section."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


SECTIONS: Final = (
    Section(path="/", title=mark("Overview")),
    Section(path="/campaigns", title=mark("Campaigns")),
    Section(path="/channels", title=mark("Channels")),
    Section(path="/batches", title=mark("Batches")),
    Section(path="/templates", title=mark("Templates")),
    Section(path="/send", title=mark("Test send"), role="OPERATOR"),
    Section(path="/accounts", title=mark("Accounts"), group="system"),
    Section(path="/alerts", title=mark("Alerts"), group="system"),
    Section(path="/users", title=mark("Users"), role="ADMIN", group="system"),
    Section(path="/tokens", title=mark("API tokens"), group="system"),
    Section(path="/audit", title=mark("Audit log"), group="system"),
    Section(path="/settings", title=mark("Settings"), role="ADMIN", group="system"),
    Section(path="/system", title=mark("System"), group="system"),
)


def list_sections(visitor: "Visitor") -> tuple[Section, ...]:
    """Those that the visitor may open."""
    return tuple(section for section in SECTIONS if visitor.may(section.role))
