"""The description of the API shows by example what goes in and what comes out."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import pytest

from tests.unit.docs.test_api_page import make_app
from vestnik.api.examples import STAND_IN
from vestnik.web.patterns import COMPLAINTS

DESCRIPTION: Mapping[str, Any] = make_app().openapi()
OPERATIONS = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]


def resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def list_examples(content: Mapping[str, Any]) -> list[Any]:
    """Those of the whole, or one put together from those of the properties that have to be given."""
    if "example" in content:
        return [content["example"]]
    schema = next(
        option for option in content["schema"].get("anyOf", [content["schema"]]) if option != {"type": "null"}
    )
    schema = resolve(schema)
    if "examples" in schema:
        return list(schema["examples"])
    properties = {name: resolve(what) for name, what in schema["properties"].items()}
    shown = {
        name: what["examples"][-1] if "examples" in what else what["enum"][0]
        for name, what in properties.items()
        if "examples" in what or (name in schema.get("required", ()) and "enum" in what)
    }
    missing = set(schema.get("required", ())) - set(shown)
    assert not missing, f"neither the schema nor these properties have an example: {missing}"
    return [shown] if shown else []


def check(example: object, content: Mapping[str, Any]) -> None:
    schema = {**content["schema"], "components": DESCRIPTION["components"]}
    jsonschema_rs.validator_for(schema).validate(example)
    assert STAND_IN not in list_texts(example), example


def list_texts(example: object) -> Iterator[str]:
    if isinstance(example, str):
        yield example
    elif isinstance(example, Mapping):
        for part in example.values():
            yield from list_texts(part)
    elif isinstance(example, list):
        for part in example:
            yield from list_texts(part)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_body_has_an_example_that_fits(operation: Mapping[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        examples = list_examples(content)
        assert examples
        for example in examples:
            check(example, content)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_has_an_example_that_fits(operation: Mapping[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None:
            check(content["example"], content)


def list_patterns(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for inner in part.values():
            yield from list_patterns(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from list_patterns(inner)


def test_of_every_pattern_it_is_known_how_to_say_it() -> None:
    found = set(list_patterns(DESCRIPTION))
    assert len(found) > 2
    assert found <= set(COMPLAINTS)
