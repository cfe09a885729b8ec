"""Examples of answers for the description, put together from those of their fields."""

from collections.abc import Mapping
from typing import Any, Final

Schemas = Mapping[str, Mapping[str, Any]]

STAND_IN: Final = "string"
"""For text of which no field says what it may look like; a test finds it."""
_BY_FORMAT: Final = {
    "uuid": "0b6c1f0e-6a0f-4b5e-9d5a-6f1f5f1c9a01",
    "date-time": "2030-05-01T09:00:00Z",
}


def make_example(part: Mapping[str, Any], schemas: Schemas) -> object:
    """Something that fits a schema of the description; what may be null and has no example is null."""
    if "$ref" in part:
        return make_example(schemas[part["$ref"].rpartition("/")[2]], schemas)
    for given in part.get("examples", ()):
        if given is not None:
            return given
    if "const" in part:
        return part["const"]
    if "enum" in part:
        return part["enum"][0]
    if "anyOf" in part:
        return None if {"type": "null"} in part["anyOf"] else make_example(part["anyOf"][0], schemas)
    return _make_plain(part, schemas)


def _make_plain(part: Mapping[str, Any], schemas: Schemas) -> object:
    kind = part.get("type")
    if kind == "object":
        return {name: make_example(what, schemas) for name, what in part.get("properties", {}).items()}
    if kind == "array":
        return [make_example(part["items"], schemas)]
    if kind == "string":
        return _BY_FORMAT.get(part.get("format", ""), STAND_IN)
    return {"integer": 1, "number": 0.5, "boolean": True}.get(str(kind))
