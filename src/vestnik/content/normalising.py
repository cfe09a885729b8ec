"""One form for each formatted text: the one that readers see.

Telegram cuts blanks at both ends of a message, moves entities off the blanks they begin with and drops those that
hold nothing else (TDLib, fix_formatted_text and remove_invalid_entities). Doing the same before sending keeps the
preview true and no offset can slip. All that Python calls a space counts as one, so that a server that cuts more
than TDLib finds nothing to cut.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from vestnik.content.entities import STYLES, EntityType, FormattedText, MessageEntity, sort_entities


class Units:
    """A text that is addressed by UTF-16 units."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-16-le", "surrogatepass")

    def __len__(self) -> int:
        return len(self._data) // 2

    def cut(self, start: int, end: int) -> str:
        """The text from one unit to another."""
        return self._data[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")

    def is_space(self, unit: int) -> bool:
        """Whether the character here is a blank; all blanks are one unit wide."""
        return chr(self._data[2 * unit] | self._data[2 * unit + 1] << 8).isspace()

    def is_inside_character(self, unit: int) -> bool:
        """Whether a cut here would part the halves of one character."""
        return 0 < unit < len(self) and 0xDC <= self._data[2 * unit + 1] <= 0xDF and self._is_high(unit - 1)

    def _is_high(self, unit: int) -> bool:
        return 0xD8 <= self._data[2 * unit + 1] <= 0xDB


def normalise(text: str, entities: Iterable[MessageEntity]) -> FormattedText:
    """The same for readers: no blanks at the ends, styles that touch made one, nothing empty, in a fixed order."""
    stripped = text.lstrip()
    lead = len(text) - len(stripped)  # blanks are one unit wide each
    stripped = stripped.rstrip()
    units = Units(stripped)
    kept = []
    for entity in _merge_styles(entities):
        start, end = _clip(
            units, entity.type, max(entity.offset - lead, 0), min(entity.end - lead, len(units))
        )
        if (start, end) == (entity.offset, entity.end) and start < end:
            kept.append(entity)
        elif start < end:
            kept.append(replace(entity, offset=start, length=end - start))
    return FormattedText(text=stripped, entities=tuple(sort_entities(kept)))


def _merge_styles(entities: Iterable[MessageEntity]) -> list[MessageEntity]:
    """Bold beside or within bold is one bold; everything else stays."""
    merged: list[MessageEntity] = []
    by_type = sorted(entities, key=attrgetter("type", "offset"))
    for kind, group in groupby(by_type, key=attrgetter("type")):
        for entity in group:
            last = merged[-1] if merged else None
            if kind in STYLES and last is not None and last.type is kind and entity.offset <= last.end:
                merged[-1] = replace(last, length=max(last.end, entity.end) - last.offset)
            else:
                merged.append(entity)
    return merged


def _clip(units: Units, kind: EntityType, start: int, end: int) -> tuple[int, int]:
    while start < end and units.is_space(end - 1):
        end -= 1
    while start < end and units.is_space(start):
        if kind is EntityType.PRE and units.cut(start, start + 1) != "\n":
            break  # the first line of a program keeps its indentation
        start += 1
    return start, end
