"""The console's languages: catalogues, and the choice between them.

English is the language of the sources, so it has no catalogue; every other one is complete, which a test checks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol
from babel.support import NullTranslations, Translations
from starlette.requests import Request

from vestnik.console.error_texts import ErrorTexts

LANGUAGE_COOKIE: Final = "vestnik_language"
SOURCE_LANGUAGE: Final = "en"
ERRORS: Final = "errors.po"
"""Messages of errors; the other catalogues are of one noun each, as the pages are."""
_LONGEST_HEADER: Final = 200
_WEIGHT: Final = re.compile(r"q=([01](?:\.\d{0,3})?)")
NAMES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский"}
"""Every language there is, as it calls itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language: its texts and its way to write times and numbers."""

    code: str
    locale: Locale
    translations: NullTranslations
    errors: ErrorTexts

    def gettext(self, message: str) -> str:
        """The text in this language."""
        return self.translations.gettext(message)

    def say(self, message: str) -> str:
        """An error's message, as a sentence."""
        said = self.errors.translate(message)
        return said[:1].upper() + said[1:]

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """The text in the form that a number needs."""
        return self.translations.ngettext(singular, plural, count)


@cache
def load_language(code: str) -> Language:
    """The language of this code, one of NAMES."""
    if code == SOURCE_LANGUAGE:
        return Language(
            code=code, locale=Locale.parse(code), translations=NullTranslations(), errors=ErrorTexts({})
        )
    texts, errors = Catalog(locale=code), {}
    for source in sorted(
        (files("vestnik.console") / "locale" / code).iterdir(), key=lambda entry: entry.name
    ):
        if not source.name.endswith(".po"):
            continue
        with source.open("rb") as stream:
            part = read_po(stream, locale=code)
        if source.name == ERRORS:
            errors = {str(entry.id): str(entry.string) for entry in part if entry.id}
            continue
        for entry in part:
            if entry.id:
                texts[entry.id] = entry
    compiled = BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    locale = Locale.parse(code)
    return Language(
        code=code,
        locale=locale,
        translations=Translations(compiled),
        errors=ErrorTexts(errors, group=get_group_symbol(locale), point=get_decimal_symbol(locale)),
    )


def choose_language(request: Request) -> Language:
    """What the person chose, else what the browser prefers, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in NAMES:
        return load_language(chosen)
    preferred = _read_preferences(request.headers.get("accept-language", ""))
    return load_language(next((code for code in preferred if code in NAMES), SOURCE_LANGUAGE))


def _read_preferences(header: str) -> list[str]:
    """The languages of an Accept-Language header without their regions, the most wanted first.

    q=0 is one that is not wanted.
    """
    weights: dict[str, float] = {}
    for part in header[:_LONGEST_HEADER].split(","):
        code, _, weight = part.partition(";")
        found = _WEIGHT.fullmatch(weight.strip())
        language = code.strip().lower().partition("-")[0]
        weights.setdefault(language, float(found[1]) if found else 1.0)
    return sorted((code for code, weight in weights.items() if weight > 0), key=lambda code: -weights[code])
