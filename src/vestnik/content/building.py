"""What both parsers build: text, variables and entities, with the rules of nesting."""

from collections import Counter
from dataclasses import dataclass, field

from vestnik.content.entities import LITERALS, EntityType, MessageEntity, may_contain, sort_entities
from vestnik.content.limits import count_units
from vestnik.content.source import Source, clean_text
from vestnik.content.templates import Template
from vestnik.content.urls import find_url_problem, find_user_id
from vestnik.content.variables import Variable, read_brace

_MUST_SHOW = {EntityType.TEXT_LINK, EntityType.TEXT_MENTION, EntityType.CUSTOM_EMOJI}


@dataclass(kw_only=True, slots=True)
class OpenEntity:
    """Formatting whose end is still to come.

    `mark` is how it was written and `at` where; without a type it has no effect of its own.
    """

    type: EntityType | None
    mark: str
    at: int
    start: int = 0
    url: str | None = None
    language: str | None = None
    user_id: int | None = None
    custom_emoji_id: int | None = None
    counted: EntityType | None = None
    """Under which type it was opened: a link may turn out a mention, a quote an expandable one."""


@dataclass(kw_only=True, slots=True)
class Builder:
    """Collects a template. Offsets count UTF-16 units of text and one for each variable."""

    source: Source
    units: int = 0
    stack: list[OpenEntity] = field(default_factory=list)
    _parts: list[str | Variable] = field(default_factory=list)
    _run: list[str] = field(default_factory=list)
    _entities: list[MessageEntity] = field(default_factory=list)
    _open: Counter[EntityType] = field(default_factory=Counter)
    _shown_until: int = 0

    @property
    def top(self) -> OpenEntity | None:
        """What was opened last."""
        return self.stack[-1] if self.stack else None

    def add(self, text: str) -> None:
        """Text as it is."""
        text = clean_text(text)
        self._run.append(text)
        self.units += count_units(text)
        if text and not text.isspace():
            self._shown_until = self.units

    def read_brace(self) -> None:
        """Take the variable or doubled brace that comes next. Raises MarkupError where it is neither."""
        start = self.source.position
        part = read_brace(self.source)
        if not isinstance(part, Variable):
            self.add(part)
            return
        if self._open[EntityType.CUSTOM_EMOJI]:
            raise self.source.error("a custom emoji stands for one emoji, not for a variable", at=start)
        self._flush()
        self._parts.append(part)
        self.units += 1
        self._shown_until = self.units

    def open(self, entity: OpenEntity) -> None:
        """Raises MarkupError where Telegram would drop one of the two that are nested."""
        entity.start = self.units
        kind = entity.type
        if kind is not None:
            outer = next(
                (each for each in self._open if self._open[each] and not may_contain(each, kind)), None
            )
            if outer is not None:
                raise self._nesting_error(entity, kind, outer)
            self._open[kind] += 1
            entity.counted = kind
        self.stack.append(entity)

    def _nesting_error(self, entity: OpenEntity, kind: EntityType, outer: EntityType) -> Exception:
        mark = next(each.mark for each in reversed(self.stack) if each.counted is outer)
        why = (
            "keeps no other formatting within code"
            if outer in LITERALS or kind in LITERALS
            else "keeps only one of them"
        )
        return self.source.error(
            f"{entity.mark} cannot stand within {mark}: Telegram {why}; close {mark} before it", at=entity.at
        )

    def close(self) -> OpenEntity:
        """End what was opened last. Raises MarkupError for a link or emoji without anything that can be seen."""
        entity = self.stack.pop()
        kind = entity.type
        if kind is None or entity.counted is None:
            return entity
        self._open[entity.counted] -= 1
        if kind in _MUST_SHOW and self._shown_until <= entity.start:
            raise self.source.error(
                f"{entity.mark} has no text that can be seen; write some or take it out", at=entity.at
            )
        if self.units > entity.start:
            self._entities.append(
                MessageEntity(
                    type=kind,
                    offset=entity.start,
                    length=self.units - entity.start,
                    url=entity.url,
                    language=entity.language,
                    user_id=entity.user_id,
                    custom_emoji_id=entity.custom_emoji_id,
                )
            )
        return entity

    def point(self, entity: OpenEntity, url: str, *, at: int) -> None:
        """Where a link leads, or whom it mentions. Raises MarkupError for an address that cannot be used."""
        url = clean_text(url)
        user_id = find_user_id(url)
        if user_id is not None:
            entity.type, entity.user_id = EntityType.TEXT_MENTION, user_id
            return
        problem = find_url_problem(url)
        if problem is not None:
            raise self.source.error(problem, at=at)
        entity.url = url

    def finish(self) -> Template:
        """The template; nothing may be open any more."""
        assert not self.stack
        self._flush()
        return Template(parts=tuple(self._parts), entities=tuple(sort_entities(self._entities)))

    def _flush(self) -> None:
        text = "".join(self._run)
        self._run.clear()
        if text:
            self._parts.append(text)
