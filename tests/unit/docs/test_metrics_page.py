"""The page of metrics is the one that the catalogue makes."""

import sys
from pathlib import Path

from vestnik.metrics.page import render_metrics_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_page_is_the_one_that_the_catalogue_makes() -> None:
    """Anew: python -m tests.unit.docs.test_metrics_page."""
    assert PAGE.read_text(encoding="utf-8") == render_metrics_page()


if __name__ == "__main__":
    PAGE.write_text(render_metrics_page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
