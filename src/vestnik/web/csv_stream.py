"""CSV files of any length: made page by page, so that memory stays flat."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

from vestnik.domain.csv_cells import guard_cell
from vestnik.web.streams import ClosingStream


def stream_csv(
    name: str, header: Sequence[str], pages: AsyncIterator[Iterable[Sequence[object]]]
) -> ClosingStream:
    """An attachment; `pages` yields rows, a page at a time. UTF-8 with the mark that Excel needs."""

    async def write() -> AsyncGenerator[bytes, None]:
        yield "\ufeff".encode() + _format([header])
        async for page in pages:
            yield _format(page)

    return ClosingStream(
        write(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _format(rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([guard_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()
