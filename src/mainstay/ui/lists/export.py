"""A list as a file: every page of it, the columns and filters of the screen.

Owns: the CSV (UTF-8 with BOM, RFC 4180) and JSON forms. Does not own: the spelling of one value (`cells`).
Invariant: nothing is loaded whole and no connection is held while the file travels: each chunk is a short read of its own.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence

from asgiref.sync import sync_to_async

from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.actors import Actor
from mainstay.kernel.json import Json
from mainstay.ui.lists.cells import as_csv, item
from mainstay.ui.lists.grammar import Query
from mainstay.ui.lists.reading import Page, matching, window
from mainstay.ui.lists.spec import Column, ListSpec, Row

CHUNK_ROWS = 1_000
BOM = "\ufeff"


async def csv_chunks(spec: ListSpec, actor: Actor, query: Query, *, labels: bool = False) -> AsyncIterator[str]:
    """Yield the file piece by piece: BOM and header, then rows. The header has keys; labels are for people, import refuses them."""
    yield BOM + csv_text([csv_header(query.columns, labels=labels)])
    after = query.after
    while True:
        text, after = await sync_to_async(_csv_chunk)(spec, actor, query, after)
        yield text
        if not after:
            return


def _csv_chunk(spec: ListSpec, actor: Actor, query: Query, after: str) -> tuple[str, str]:
    with tenant_transaction(actor.tenant, readable=actor.readable, read_only=True):
        rows, further = window(matching(spec, actor, query), query, after, CHUNK_ROWS)
        return csv_text(csv_row(query.columns, row) for row in rows), further


def csv_header(columns: Sequence[Column], *, labels: bool = False) -> list[str]:
    return ["Id" if labels else "id", *(column.label if labels else column.key for column in columns)]


def csv_row(columns: Sequence[Column], row: Row) -> list[str]:
    return [str(row.pk), *(as_csv(column, row) for column in columns)]


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as RFC 4180 text: CRLF, quotes where needed."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def page_json(spec: ListSpec, page: Page) -> dict[str, Json]:
    """Return a page as API and `.json` spell it."""
    return {
        "items": [item(spec, row) for row in page.rows],
        "next": page.next or None,
        "total": page.total,
        "total_is_exact": page.total_is_exact,
    }
