"""What no template may hold, because the Content-Security-Policy refuses it or because it opens a door.

A browser under that policy ignores inline styles, scripts and handlers in silence; here they are noticed.
"""

import re
from pathlib import Path

import pytest

from tests.support.catalogues import CONSOLE
from vestnik.console.languages import load_language
from vestnik.console.rendering import make_environment

TEMPLATES = CONSOLE / "templates"
NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_EVENTS = (
    "abort|animation\\w*|blur|change|click|close|copy|cut|dblclick|drag\\w*|drop|error|focus\\w*|hashchange|input|"
    "invalid|key\\w*|load\\w*|message|mouse\\w*|page\\w*|paste|pointer\\w*|popstate|reset|resize|scroll|select|"
    "submit|toggle|touch\\w*|transition\\w*|unload|wheel"
)
_INLINE = re.compile(rf"(?<![\w-])(?:style|on(?:{_EVENTS}))\s*=", re.IGNORECASE)
_FORM = re.compile(r"<form\b(?P<attributes>.*?)>(?P<content>.*?)</form>", re.DOTALL | re.IGNORECASE)
_MACRO = re.compile(r"\{% macro (?P<name>\w+)(?P<content>.*?)endmacro %\}", re.DOTALL)
_TOKEN = re.compile(r"parts/csrf\.html|name=\"csrf_token\"")
_SAFE_HTML = re.compile(r"(?P<what>[\w.]+)\s*\|\s*safe\b")

SAFE = {"shown.html"}
"""The preview that services/previews.py documents as safe HTML; everything else is escaped."""
WITHOUT_SESSION = {"sign_in.html", "parts/preferences.html"}
"""Their forms are sent by visitors who have no session; the origin of the request is checked instead."""
OWN_HTML = {"charts.py", "formats.py", "overview.py", "qr_codes.py"}
"""Modules that write HTML of their own, with Markup.format, or take it from a template that was rendered."""


NAMES_OF_THINGS = {"Vestnik", "PostgreSQL", "Python", "Telegram", "HTML", "Markdown", "nbsp"}


@pytest.fixture(params=NAMES)
def template(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name of a template and its text without comments."""
    text = (TEMPLATES / request.param).read_text(encoding="utf-8")
    return request.param, _COMMENT.sub("", text)


def test_there_are_templates() -> None:
    assert {"base.html", "sign_in.html", "batches/list.html"} <= set(NAMES)


def test_nothing_is_inline(template: tuple[str, str]) -> None:
    _, text = template
    assert _INLINE.findall(text) == []
    assert re.findall(r"<style\b|javascript:|\bhx-on\b|\bhx-on:|[\"']js:", text, re.IGNORECASE) == []


def test_scripts_are_files_of_ours(template: tuple[str, str]) -> None:
    _, text = template
    for attributes, content in re.findall(r"<script\b(.*?)>(.*?)</script>", text, re.DOTALL | re.IGNORECASE):
        assert "src=\"{{ static('" in attributes
        assert content == ""


def test_nothing_is_loaded_from_elsewhere(template: tuple[str, str]) -> None:
    _, text = template
    assert (
        re.findall(
            r"<(?:img|video|audio|source|link|script|iframe|object|embed)\b[^>]*=\"(?:https?:)?//", text
        )
        == []
    )


def test_everything_is_escaped(template: tuple[str, str]) -> None:
    _, text = template
    assert {found["what"] for found in _SAFE_HTML.finditer(text)} <= SAFE
    assert "autoescape" not in text
    assert "Markup" not in text


def test_forms_that_change_something_carry_the_token(template: tuple[str, str]) -> None:
    name, text = template
    macros = [found["name"] for found in _MACRO.finditer(text) if _TOKEN.search(found["content"])]
    for form in _FORM.finditer(text):
        is_post = re.search(r"method=\"post\"|hx-post=", form["attributes"]) is not None
        has_token = _TOKEN.search(form["content"]) or any(
            f"{{{{ {macro}(" in form["content"] for macro in macros
        )
        assert bool(has_token) == (is_post and name not in WITHOUT_SESSION), form["attributes"]


def test_forms_are_sent_with_a_method_and_to_a_place(template: tuple[str, str]) -> None:
    _, text = template
    for form in _FORM.finditer(text):
        assert "method=" in form["attributes"]
        assert "action=" in form["attributes"]


def test_attributes_are_quoted(template: tuple[str, str]) -> None:
    # Escaping protects within quotes only: in href={{ name }} a blank begins another attribute.
    _, text = template
    assert re.findall(r"\s[\w:-]+=\{\{", _STATEMENT.sub("", text)) == []


def test_links_that_open_another_window_tell_it_nothing(template: tuple[str, str]) -> None:
    _, text = template
    for tag in re.findall(r"<a\b[^>]*target=[^>]*>", text):
        assert "noopener" in tag


def test_texts_are_marked_for_translation(template: tuple[str, str]) -> None:
    """Words between tags that stand in no `trans` are English for everybody."""
    _, text = template
    text = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"<span class=\"mono\">.*?</span>", "", text, flags=re.DOTALL)
    text = re.sub(r"<(code|kbd|samp|pre)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^<>]*>|[\w-]+=\"[^\"]*\"", " ", _JINJA.sub(" ", text))
    assert [word for word in re.findall(r"[^\W\d_]{3,}", text) if word not in NAMES_OF_THINGS] == []


def test_every_template_can_be_compiled() -> None:
    environment = make_environment(load_language("en"))
    for name in NAMES:
        environment.get_template(name)


def test_what_templates_load_is_there() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"static\('([^']+)'\)", text):
            assert (CONSOLE / "static" / name).is_file(), (path, name)
        for name in re.findall(r"\{%-?\s*(?:extends|include|from|import)\s+[\"']([^\"']+)[\"']", text):
            assert name in NAMES, (path, name)


def test_html_is_written_by_few_modules() -> None:
    writers = {path.name for path in CONSOLE.glob("*.py") if "Markup(" in _read_code(path)}
    assert writers <= OWN_HTML


def test_html_of_ours_is_never_put_together_from_strings() -> None:
    for name in OWN_HTML:
        code = _read_code(CONSOLE / name)
        assert re.findall(r"Markup\(\s*f[\"']", code) == []
        assert re.findall(r"Markup\([^)]*\)\s*%", code) == []


def _read_code(path: Path) -> str:
    return path.read_text(encoding="utf-8")
