"""Pages of the console as a test reads them: parsed HTML with forms, tables, problems and links."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

import httpx

VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
SILENT: Final = frozenset({"script", "style", "template", "head"})
"""What nobody sees the text of."""


@dataclass(eq=False)
class Node:
    """An element; its attributes without a value are ""."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    parent: "Node | None" = field(default=None, repr=False)
    children: list["Node | str"] = field(default_factory=list, repr=False)

    def get(self, name: str) -> str:
        """An attribute; "" without it."""
        return self.attributes.get(name, "")

    @property
    def classes(self) -> Sequence[str]:
        return self.get("class").split()

    @property
    def raw_text(self) -> str:
        """All text within, as it stands."""
        return "".join(child if isinstance(child, str) else child.raw_text for child in self.children)

    @property
    def text(self) -> str:
        """What is read on the screen, each run of blanks as one."""
        return " ".join("".join(self._spoken()).split())

    def _spoken(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in SILENT and "hidden" not in child.attributes:
                yield from child._spoken()
                if child.tag not in {"a", "b", "strong", "em", "i", "span", "code", "time", "abbr"}:
                    yield " "

    def walk(self) -> Iterator["Node"]:
        """All elements within, in the order of the page."""
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.walk()

    def find_all(self, tag: str = "", /, **attributes: str) -> list["Node"]:
        """Those of a tag and with these attributes; `_` stands for "-", a last "_" for nothing (class_)."""
        wanted = {name.removesuffix("_").replace("_", "-"): value for name, value in attributes.items()}
        return [node for node in self.walk() if tag in ("", node.tag) and _fits(node, wanted)]

    def find(self, tag: str = "", /, **attributes: str) -> "Node":
        """The first of them; AssertionError without one."""
        found = self.find_all(tag, **attributes)
        assert found, f"no <{tag} {attributes}> in: {self.text}"
        return found[0]


def _fits(node: Node, wanted: Mapping[str, str]) -> bool:
    return all(
        value in node.classes if name == "class" else node.attributes.get(name) == value
        for name, value in wanted.items()
    )


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(node)
        if tag not in VOID:
            self._open = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.children.append(Node(tag, {name: value or "" for name, value in attrs}, self._open))

    def handle_endtag(self, tag: str) -> None:
        place: Node | None = self._open
        while place is not None and place.tag != tag:
            place = place.parent
        # An end without a start is passed over, as browsers do.
        if place is not None and place.parent is not None:
            self._open = place.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


def parse(html: str) -> Node:
    """The tree of a page or of a part of one."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


def read_question(form: Node) -> str:
    """What a form asks before anything is done; "" without a question."""
    return next((node.get("value") for node in form.find_all("input", name="question")), "")


class Page:
    """An answer of the console."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        is_html = response.headers.get("content-type", "").startswith("text/html")
        self.root = parse(response.text if is_html else "")

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def html(self) -> str:
        return self.response.text

    @property
    def location(self) -> str:
        """Where a redirect leads to; "" for other answers."""
        return str(self.response.headers.get("location", ""))

    @property
    def text(self) -> str:
        """All that is read on it."""
        return self.root.text

    @property
    def title(self) -> str:
        """The only main heading."""
        (heading,) = self.root.find_all("h1")
        return heading.text

    @property
    def notice(self) -> str:
        """What is said once after something was done."""
        found = [node for node in self.root.find_all(role="status", class_="good") if node.tag == "p"]
        return found[0].text if found else ""

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by the field that it stands at; "" is what the form says of itself."""
        found = {
            node.get("id").removesuffix("-problem"): node.text
            for node in self.root.find_all(class_="problem")
        }
        for alert in self.root.find_all(role="alert", class_="bad"):
            entries = alert.find_all("li") or alert.find_all("p")
            general = [entry.text for entry in entries if not entry.find_all("a")]
            if general:
                found[""] = " ".join(general)
        return found

    @property
    def rows(self) -> list[list[str]]:
        """The texts of all tables' cells, without their headings."""
        return [
            [cell.text for cell in row.walk() if cell.tag in ("td", "th")]
            for body in self.root.find_all("tbody")
            for row in body.find_all("tr")
        ]

    @property
    def links(self) -> dict[str, str]:
        """Addresses by the text of their links; the last of those that read alike."""
        return {node.text: node.get("href") for node in self.root.find_all("a") if "href" in node.attributes}

    def forms(self, action: str = "") -> list[Node]:
        """The forms that lead to a path."""
        return [
            node
            for node in self.root.find_all("form")
            if not action or urlsplit(node.get("action")).path == urlsplit(action).path
        ]

    def offers(self, action: str) -> bool:
        """Whether there is a form that leads to a path."""
        return bool(self.forms(action))

    def value(self, name: str) -> str:
        """What stands in a field: typed, chosen, or ""."""
        return (self.values(name) or [""])[-1]

    def values(self, name: str) -> list[str]:
        """All that a browser would send of the fields of a name."""
        found = []
        for node in self.root.find_all(name=name):
            if node.tag == "textarea":
                found.append(node.raw_text.removeprefix("\n"))
            elif node.tag == "select":
                options = node.find_all("option")
                chosen = [option for option in options if "selected" in option.attributes] or options[:1]
                found += [option.attributes.get("value", option.text) for option in chosen]
            elif node.tag == "input" and (
                node.get("type") not in ("checkbox", "radio") or "checked" in node.attributes
            ):
                found.append(node.attributes.get("value", "on" if node.get("type") == "checkbox" else ""))
        return found

    def question(self, action: str, place: int = 0) -> str:
        """What the form that is sent to a path asks before anything is done; "" without a question."""
        return read_question(self.forms(action)[place])

    def hidden_fields(self, action: str) -> dict[str, list[str]]:
        """The hidden fields of the first form that is sent to a path."""
        found: dict[str, list[str]] = {}
        for form in [form for form in self.forms(action) if form.get("method") == "post"][:1]:
            for node in form.find_all("input", type="hidden"):
                found.setdefault(node.get("name"), []).append(node.get("value"))
        return found

    def forbidden_markup(self) -> list[Node]:
        """Elements that our pages never have: inline scripts and styles, handlers, files of others.

        Stored text that gets into a page as markup shows here.
        """
        return [node for node in self.root.walk() if _is_forbidden(node)]


def _is_forbidden(node: Node) -> bool:
    source = node.get("src")
    return (
        (node.tag == "script" and (not source.startswith("/static/") or bool(node.raw_text.strip())))
        or node.tag in ("style", "iframe", "object", "embed", "base")
        or any(name.startswith("on") or name == "style" for name in node.attributes)
        or (bool(source) and not source.startswith("/"))
        or node.get("href").strip().lower().startswith(("javascript:", "data:"))
    )
