"""Templates to HTML: always escaped, with the functions that every page may use."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette

from vestnik import __version__
from vestnik.console import charts, labels
from vestnik.console.languages import NAMES, Language
from vestnik.console.navigation import list_sections
from vestnik.console.notices import describe_notice

if TYPE_CHECKING:
    from vestnik.console.visitors import Reader

STATIC_PATH: Final = "/static"


class Renderer:
    """All templates of the console, one environment for each language."""

    def __init__(self) -> None:
        self._environments: dict[str, Environment] = {}

    def render(self, template: str, reader: "Reader", context: Mapping[str, Any]) -> str:
        """The text of a template; `context` are its own variables."""
        environment = self._find_environment(reader.language)
        from vestnik.console.visitors import Visitor

        visitor = reader if isinstance(reader, Visitor) else None
        return environment.get_template(template).render(
            reader=reader,
            visitor=visitor,
            fmt=reader.formats,
            path=reader.request.url.path,
            notice=describe_notice(reader),
            sections=list_sections(visitor) if visitor is not None else (),
            label=labels.Labels(reader.language),
            now=datetime.now(UTC),
            **context,
        )

    def _find_environment(self, language: Language) -> Environment:
        if language.code not in self._environments:
            self._environments[language.code] = make_environment(language)
        return self._environments[language.code]


def make_environment(language: Language) -> Environment:
    """The templates in a language, with what each of them may use."""
    from vestnik.console.forms import make_request_key

    environment = Environment(
        loader=PackageLoader("vestnik.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    environment.globals.update(
        language=language,
        language_names=NAMES,
        version=__version__,
        static=name_static,
        make_request_key=make_request_key,
        charts=charts,
    )
    return environment


@cache
def name_static(name: str) -> str:
    """The address of a static file of ours; it changes with the content, so browsers may keep it for ever."""
    content = (files("vestnik.console") / "static" / name).read_bytes()
    return f"{STATIC_PATH}/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


def read_renderer(app: Starlette) -> Renderer:
    """The renderer, as `create_console` put it there."""
    renderer: Renderer = app.state.renderer
    return renderer
