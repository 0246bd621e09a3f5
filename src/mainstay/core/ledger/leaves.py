"""The leaf of an entry: the same bytes from the same columns, today and at every later check.

Owns: the way from columns to leaf bytes. Does not own: the form of a leaf (mainstay_trust.ledger_leaf).
Invariant: a leaf holds nothing that its entry's columns, the log's origin and its place do not determine.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from mainstay.kernel.json import Json
from mainstay_trust.ledger_leaf import Leaf, timestamp

COLUMNS = "id, act, actor, at, obj, out, via, extra, body"


@dataclass(frozen=True)
class EntryRow:
    """An entry as its columns hold it, in the order of `COLUMNS`."""

    id: int
    act: str
    actor: str
    at: datetime
    obj: str
    out: str
    via: str
    extra: Mapping[str, Json] | None
    body: str

    @classmethod
    def of(cls, columns: Sequence[Any]) -> "EntryRow":
        """Read a row of `COLUMNS`. Django's cursor leaves JSON as text, psycopg's own parses it."""
        row = cls(*columns)
        return replace(row, extra=json.loads(row.extra)) if isinstance(row.extra, str) else row


def leaf_bytes(entry: EntryRow, origin: str, seq: int) -> bytes:
    """Return the leaf of an entry at a place of a log. Errors: Rejected("bad_leaf")."""
    extra = entry.extra or {}
    span = cast("list[int] | None", extra.get("range"))
    return Leaf(
        log=origin,
        seq=seq,
        at=timestamp(entry.at),
        act=entry.act,
        actor=entry.actor,
        obj=entry.obj,
        out=entry.out,
        via=entry.via,
        body=entry.body,
        ref=cast("int | None", extra.get("ref")),
        range=(span[0], span[1]) if span else None,
        size=cast("int | None", extra.get("size")),
        root=cast("str | None", extra.get("root")),
        prev=cast("str | None", extra.get("prev")),
    ).encode()
