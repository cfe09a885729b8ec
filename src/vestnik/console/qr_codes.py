"""QR codes as pictures that a page draws itself."""

import segno
from markupsafe import Markup

_SIDE = 5
"""Pixels of a module."""
_BORDER = 4
"""Modules around the code; without them cameras do not find it."""


def draw_qr(text: str, title: str) -> Markup:
    """An SVG of dark on light, whatever the page's colours are: cameras want it so. It holds no text of `text`."""
    matrix = segno.make(text, error="l", micro=False).matrix
    size = (len(matrix) + 2 * _BORDER) * _SIDE
    cells = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}"/>').format(
            (column + _BORDER) * _SIDE, (row + _BORDER) * _SIDE, _SIDE, _SIDE
        )
        for row, line in enumerate(matrix)
        for column, is_dark in enumerate(line)
        if is_dark
    )
    return Markup(
        '<svg class="qr" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}"'
        ' shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/><g fill="#000">{}</g></svg>'
    ).format(title, size, size, size, size, cells)
