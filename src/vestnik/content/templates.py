"""Templates that are read once and filled for each channel.

The markup is read before the variables are filled in, so a channel's title can never become formatting.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from vestnik.content.entities import EntityType, FormattedText, MessageEntity
from vestnik.content.limits import TEXT, Limit, check_entities, check_length, check_units, count_units
from vestnik.content.normalising import normalise
from vestnik.content.variables import Values, Variable, split_variables
from vestnik.domain.errors import InvalidInputError

_STAND_IN = "\ufffc"


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """Text and variables in their order, and entities over them.

    The entities' offsets count UTF-16 units of text and one for each variable; their addresses keep variables as
    `{name}` and braces doubled. Blanks at the ends and styles that touch are as written: rendering settles them.
    """

    parts: tuple[str | Variable, ...]
    entities: tuple[MessageEntity, ...] = ()

    @property
    def variables(self) -> frozenset[Variable]:
        """Those that the text or a link needs; empty when all channels get the same."""
        found = {part for part in self.parts if isinstance(part, Variable)}
        for entity in self.entities:
            found.update(part for part in split_variables(entity.url or "") if isinstance(part, Variable))
        return frozenset(found)


def render(template: Template, values: Values | None = None) -> FormattedText:
    """What is posted in one channel; without values for a template without variables.

    Raises InvalidInputError where a link needs a username that the channel does not have. The length is not
    checked here: see `check_length`.
    """
    if values is None:
        return _fill(template, _refuse_variable, _refuse_variable)
    return _fill(template, values.fill_text, values.fill_url)


def measure(template: Template, values: Values | None = None) -> int:
    """The UTF-16 units of the rendered text."""
    return count_units(render(template, values).text)


def measure_least(template: Template) -> int:
    """The UTF-16 units in any channel: as if the variables were empty."""
    return count_units(_fill(template, _leave_empty, _leave_empty).text)


def check_template(template: Template, limit: Limit = TEXT, *, field: str = "content") -> None:
    """Raises InvalidInputError for what is wrong in every channel.

    Mentions of people by their number are refused: Telegram takes them only from an account that has met the
    person, and posts the bare text otherwise. Variables count as empty for the length: what overflows then
    overflows everywhere. Whether it fits in one channel is known only with its values (`render`, then
    `check_length`).
    """
    if any(entity.type is EntityType.TEXT_MENTION for entity in template.entities):
        raise InvalidInputError(
            "tg://user?id=… mentions a person by number, which works only for accounts that have met that person; "
            "write @username instead",
            field=field,
        )
    shortest = _fill(template, _leave_empty, _leave_empty)
    if not any(isinstance(part, Variable) for part in template.parts):
        check_length(shortest, limit, field=field)
        return
    check_units(count_units(shortest.text), limit, field=field)
    filled = _fill(template, partial(_put, _STAND_IN), _leave_empty)
    check_entities(len(filled.entities), field=field)


def _fill(
    template: Template, fill_text: Callable[[Variable], str], fill_url: Callable[[Variable], str]
) -> FormattedText:
    texts: list[str] = []
    before: list[int] = []  # where each part begins in the template's units, and in the text's
    after: list[int] = []
    source = target = 0
    for part in template.parts:
        is_variable = isinstance(part, Variable)
        text = fill_text(part) if isinstance(part, Variable) else part
        units = count_units(text)
        before.append(source)
        after.append(target)
        texts.append(text)
        source += 1 if is_variable else units
        target += units
    before.append(source)
    after.append(target)

    def move(offset: int) -> int:
        index = bisect_right(before, offset) - 1
        return after[index] + offset - before[index]

    entities = []
    for entity in template.entities:
        start, end = move(entity.offset), move(entity.end)
        url = None if entity.url is None else _fill_url(entity.url, fill_url)
        entities.append(replace(entity, offset=start, length=end - start, url=url))
    return normalise("".join(texts), entities)


def _fill_url(url: str, fill: Callable[[Variable], str]) -> str:
    return "".join(fill(part) if isinstance(part, Variable) else part for part in split_variables(url))


def _refuse_variable(variable: Variable) -> str:
    raise ValueError(f"{{{variable}}} has no value: a template with variables is rendered for a channel")


def _leave_empty(_variable: Variable) -> str:
    return ""


def _put(text: str, _variable: Variable) -> str:
    return text
