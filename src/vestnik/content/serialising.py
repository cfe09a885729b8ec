"""Formatted texts and templates as JSON, for what is frozen with a campaign.

`version` rises when a reader of today could not read what is written; older versions stay readable. Custom emoji
are named by text, because their numbers exceed what JSON's readers keep exactly.
"""

from collections.abc import Mapping
from typing import Any, Final

from vestnik.content.entities import EntityType, FormattedText, MessageEntity
from vestnik.content.limits import count_units
from vestnik.content.normalising import Units
from vestnik.content.templates import Template
from vestnik.content.urls import find_url_problem, read_id
from vestnik.content.variables import Variable, split_variables
from vestnik.domain.errors import InvalidInputError

VERSION: Final = 1
_EXTRAS: Final = {
    EntityType.TEXT_LINK: "url",
    EntityType.PRE: "language",
    EntityType.TEXT_MENTION: "user_id",
    EntityType.CUSTOM_EMOJI: "custom_emoji_id",
}
_KEYS: Final = {"type", "offset", "length"}


def formatted_to_json(formatted: FormattedText) -> dict[str, Any]:
    """For storing; `formatted_from_json` gives the same back."""
    return {
        "version": VERSION,
        "text": formatted.text,
        "entities": [entity_to_json(entity) for entity in formatted.entities],
    }


def formatted_from_json(data: object) -> FormattedText:
    """Raises InvalidInputError for anything that `formatted_to_json` does not make."""
    fields = _read_object(data, {"version", "text", "entities"})
    text = _read_text(fields["text"])
    units = Units(text)
    entities = _read_entities(fields["entities"], len(units))
    if any(units.is_inside_character(at) for entity in entities for at in (entity.offset, entity.end)):
        raise _damaged("formatting that begins or ends within a character")
    return FormattedText(text=text, entities=entities)


def template_to_json(template: Template) -> dict[str, Any]:
    """For storing; `template_from_json` gives the same back."""
    return {
        "version": VERSION,
        "parts": [
            {"variable": part.value} if isinstance(part, Variable) else part for part in template.parts
        ],
        "entities": [entity_to_json(entity) for entity in template.entities],
    }


def template_from_json(data: object) -> Template:
    """Raises InvalidInputError for anything that `template_to_json` does not make."""
    fields = _read_object(data, {"version", "parts", "entities"})
    if not isinstance(fields["parts"], list):
        raise _damaged("parts that are no list")
    parts = tuple(_read_part(part) for part in fields["parts"])
    size = sum(1 if isinstance(part, Variable) else count_units(part) for part in parts)
    entities = _read_entities(fields["entities"], size)
    for entity in entities:
        split_variables(entity.url or "")
    return Template(parts=parts, entities=entities)


def entity_to_json(entity: MessageEntity) -> dict[str, Any]:
    """As the Bot API writes one, for the preview; the one who is mentioned is named by `user_id`."""
    result: dict[str, Any] = {"type": entity.type.value, "offset": entity.offset, "length": entity.length}
    name = _EXTRAS.get(entity.type)
    value = None if name is None else getattr(entity, name)
    if name is not None and value is not None:
        result[name] = str(value) if entity.type is EntityType.CUSTOM_EMOJI else value
    return result


def _read_object(data: object, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise _damaged("another version than this program writes")
    if set(data) != keys:
        raise _damaged("other fields than it should have")
    return data


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise _damaged("a text that is none")
    return value


def _read_part(value: object) -> str | Variable:
    if isinstance(value, dict) and set(value) == {"variable"}:
        try:
            return Variable(value["variable"])
        except ValueError:
            raise _damaged("an unknown variable") from None
    return _read_text(value)


def _read_entities(value: object, size: int) -> tuple[MessageEntity, ...]:
    if not isinstance(value, list):
        raise _damaged("entities that are no list")
    return tuple(_read_entity(each, size) for each in value)


def _read_entity(value: object, size: int) -> MessageEntity:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or value["type"] not in _TYPES:
        raise _damaged("formatting of an unknown kind")
    kind = EntityType(value["type"])
    offset, length = value.get("offset"), value.get("length")
    if (
        type(offset) is not int
        or type(length) is not int
        or offset < 0
        or length <= 0
        or offset + length > size
    ):
        raise _damaged("formatting beyond the text")
    name = _EXTRAS.get(kind)
    if set(value) - _KEYS - {name}:
        raise _damaged(f"fields that {kind} does not have")
    extra = value.get(name) if name is not None else None
    if extra is None and (name is None or kind is EntityType.PRE):
        return MessageEntity(type=kind, offset=offset, length=length)
    return _add_extra(kind, offset, length, extra)


def _add_extra(kind: EntityType, offset: int, length: int, extra: object) -> MessageEntity:
    match kind, extra:
        case EntityType.TEXT_LINK, str() if find_url_problem(extra) is None:
            return MessageEntity(type=kind, offset=offset, length=length, url=extra)
        case EntityType.PRE, str():
            return MessageEntity(type=kind, offset=offset, length=length, language=extra)
        case EntityType.TEXT_MENTION, int() if not isinstance(extra, bool) and extra > 0:
            return MessageEntity(type=kind, offset=offset, length=length, user_id=extra)
        case EntityType.CUSTOM_EMOJI, str() if (number := read_id(extra)) is not None:
            return MessageEntity(type=kind, offset=offset, length=length, custom_emoji_id=number)
    raise _damaged(f"{kind} without what it needs")


def _damaged(what: str) -> InvalidInputError:
    return InvalidInputError(f"the stored content holds {what}; save the template again", field="content")


_TYPES: Final = frozenset(EntityType)
