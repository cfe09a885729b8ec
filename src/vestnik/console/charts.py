"""Charts as SVG, drawn here: they need neither script nor inline style, and colours come from the stylesheet."""

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup


class Counters(Protocol):
    """What a bar shows."""

    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def sending(self) -> int: ...  # noqa: D102
    @property
    def sent(self) -> int: ...  # noqa: D102
    @property
    def failed(self) -> int: ...  # noqa: D102
    @property
    def cancelled(self) -> int: ...  # noqa: D102


def draw_bar(counters: Counters, description: str) -> Markup:
    """How far a campaign is: posted, failed and cancelled parts of the whole, beside each other."""
    total = max(counters.total, 1)
    parts, start = [], 0.0
    for name in ("sent", "failed", "cancelled", "sending"):
        share = 100 * getattr(counters, name) / total
        if share > 0:
            parts.append(
                Markup('<rect class="part-{}" x="{:.3f}%" y="0" width="{:.3f}%" height="100%"/>').format(
                    name, start, share
                )
            )
        start += share
    return Markup('<svg class="bar" role="img" aria-label="{}" width="100%" height="12">{}</svg>').format(
        description, Markup().join(parts)
    )


def draw_columns(
    columns: Sequence[tuple[str, float]], description: str, *, width: int = 720, height: int = 120
) -> Markup:
    """One column for each (what to say of it, value), side by side, the largest as high as the picture."""
    if not columns:
        return Markup("")
    largest = max(1, *(value for _, value in columns))
    step = width / len(columns)
    drawn = [
        Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>').format(
            place * step, height * (1 - value / largest), max(step - 1, 0.5), height * value / largest, said
        )
        for place, (said, value) in enumerate(columns)
        if value > 0
    ]
    return Markup(
        '<svg class="columns" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg>'
    ).format(description, width, height, Markup().join(drawn))
