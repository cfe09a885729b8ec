"""The page of routes tells of every route, and every route says whom it is open to."""

import sys
from pathlib import Path
from typing import Any, cast

from vestnik.api.app import create_app
from vestnik.api.route_list import list_routes, render_route_list
from vestnik.domain.users import Role

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"


def make_app() -> Any:
    return create_app(cast("Any", None), cast("Any", None))


def test_the_page_is_the_one_that_the_routes_make() -> None:
    """Anew: python -m tests.unit.docs.test_api_page."""
    assert PAGE.read_text(encoding="utf-8") == render_route_list(make_app())


def test_every_route_declares_a_role_and_says_what_it_does() -> None:
    for method, path, role, sentence in list_routes(make_app()):
        assert role in {*Role, "ANYONE"}, path
        assert sentence.endswith((".", "?")), (method, path, sentence)


if __name__ == "__main__":
    PAGE.write_text(render_route_list(make_app()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
