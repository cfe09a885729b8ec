"""Query parameters that a route does not know: refused by name instead of ignored."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


async def refuse_unknown_query(request: Request) -> None:
    """Raise RequestValidationError for parameters that the route does not declare, in either spelling."""
    if not request.query_params:
        return
    declared = list_declared(request.scope["route"])
    unknown = [name for name in request.query_params if name not in declared]
    if unknown:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": "unknown", "input": None}
                for name in unknown
            ]
        )


def list_declared(route: APIRoute) -> set[str]:
    """What its query may hold; those of a model also by the names that they have in Python."""
    names: set[str] = set()
    dependants = [route.dependant]
    while dependants:
        dependant = dependants.pop()
        dependants += dependant.dependencies
        for field in dependant.query_params:
            model = field.field_info.annotation
            if isinstance(model, type) and issubclass(model, BaseModel):
                names |= {
                    name for key, item in model.model_fields.items() for name in (key, item.alias or key)
                }
            else:
                names.add(field.alias)
    return names
