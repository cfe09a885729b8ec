"""What all JSON of the API has in common."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Self, TypeVar

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from vestnik.web.cursors import Key, encode_cursor
from vestnik.web.patterns import NO_NUL

Item = TypeVar("Item")
Row = TypeVar("Row")


Text = Annotated[str, Field(pattern=NO_NUL)]
"""Text that PostgreSQL can hold; halves of surrogate pairs are refused by Pydantic itself."""
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def _require_text(value: object) -> object:
    """Numbers would be taken for seconds, or for milliseconds if they are large."""
    if isinstance(value, datetime) or (isinstance(value, str) and not _is_number(value)):
        return value
    raise ValueError("is no time; write it like 2026-01-31T09:00:00Z")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_span(value: datetime) -> datetime:
    if not _EARLIEST <= value <= _LATEST:
        raise ValueError("is beyond the years 1970 to 9000")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_require_text), AfterValidator(_check_span)]
"""A time with its zone, as ISO 8601 has it."""
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""A decimal that goes out as a JSON number."""


class ApiModel(BaseModel):
    """camelCase out; camelCase or snake_case in; unknown fields are refused by name."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        from_attributes=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    @classmethod
    def show(cls, view: object) -> Self:
        """The model of something that has attributes of the same names."""
        return cls.model_validate(view, by_name=True)


class Page(ApiModel, Generic[Item]):
    """A part of a list; `nextCursor` leads to the next one and is null at the end."""

    items: Sequence[Item]
    next_cursor: str | None = None


class Patch(ApiModel):
    """What is to be changed; what is left out stays, so null would say nothing and is refused."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("cannot be null; leave it out to keep what is there")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Without the null that stands for a field that is left out."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            options = [option for option in field.pop("anyOf", ()) if option != {"type": "null"}]
            if options:
                field.pop("default", None)
                field.update(options[0] if len(options) == 1 else {"anyOf": options})
        return schema


def _require_digits(value: object) -> object:
    """Pydantic takes `1_0` and ` +5` as well."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("is no whole number; write it in digits, such as 50")
    return value


Limit = Annotated[int, BeforeValidator(_require_digits), Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=500, description="nextCursor of the page before; leave it out for the first."),
]


def make_page(
    rows: Sequence[Row], limit: int, show: Callable[[Row], Any], key: Callable[[Row], Key]
) -> dict[str, Any]:
    """The fields of a `Page` from up to `limit` + 1 rows: one more than asked for tells of a next page."""
    shown: Iterable[Row] = rows[:limit]
    return {
        "items": [show(row) for row in shown],
        "next_cursor": encode_cursor(key(rows[limit - 1])) if len(rows) > limit else None,
    }
