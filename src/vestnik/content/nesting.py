"""Formatting as properly nested ranges, whatever overlaps."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from vestnik.content.entities import ATOMS, QUOTES, FormattedText, MessageEntity, sort_entities
from vestnik.content.normalising import Units


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """First these end, innermost first; then these begin, outermost first; then comes the text."""

    closed: tuple[MessageEntity, ...]
    opened: tuple[MessageEntity, ...]
    text: str


def walk_nested(formatted: FormattedText) -> Iterator[Step]:
    """The text in steps between which formatting changes; everything is closed at the end.

    Quotes are outermost and links, code and the like come next, so those are never split; styles are inside, and
    are ended and begun again where they overlap something.
    """
    units = Units(formatted.text)
    size = len(units)
    entities = sort_entities(
        entity for entity in formatted.entities if 0 <= entity.offset < entity.end <= size
    )
    cuts = sorted({0, size} | {at for entity in entities for at in (entity.offset, entity.end)})
    stack: list[MessageEntity] = []
    active: list[MessageEntity] = []
    following = iter([*entities, None])
    coming = next(following)
    for start, end in zip(cuts, [*cuts[1:], size], strict=True):
        active = [entity for entity in active if entity.end > start]
        while coming is not None and coming.offset <= start:
            active.append(coming)
            coming = next(following)
        wanted = sorted(active, key=_depth)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(stack, wanted, strict=False)))
        yield Step(
            closed=tuple(reversed(stack[same:])), opened=tuple(wanted[same:]), text=units.cut(start, end)
        )
        stack = wanted


def _depth(entity: MessageEntity) -> int:
    """Sorting is stable, so styles stay in their order: the one that began first is outside."""
    if entity.type in QUOTES:
        return 0
    return 1 if entity.type in ATOMS else 2
