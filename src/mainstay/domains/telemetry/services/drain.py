"""The drainer: from the spool into the engine, each batch once.

Owns: when a batch is cut, how it is split, the cursor. Invariant: what one cut contains is on disk before its first insert,
so a retry after any crash sends the same rows under the same tokens, and the engine drops what it has.
Source: control page, section 3.1 rules 3 to 5 and 13.
"""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np
import pyarrow as pa

from mainstay.domains.telemetry.models.columns import SHAPES, Table
from mainstay.domains.telemetry.rules.windows import DAY_MS
from mainstay.domains.telemetry.services.spool import Position, Spool, Stored
from mainstay.kernel.errors import Unavailable

ROWS_EAGER = 20_000
ROWS_FEW = 1_000
ROWS_MAX = 500_000
AGE_S = 1.0
AGE_FEW_S = 2.0
PARTITIONS_MAX = 8
RETRY_S_MAX = 10.0

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where batches go."""

    def insert(self, table: str, arrow: bytes, *, token: str) -> None: ...


@dataclass(frozen=True)
class Batch:
    """One insert."""

    table: str
    token: str
    rows: int
    arrow: bytes


class Drainer:
    """Empties one spool. One instance per spool, in one thread."""

    def __init__(self, spool: Spool, sink: Sink) -> None:
        self._spool = spool
        self._sink = sink
        self._cursor = _Cursor(spool.folder / "cursor.json")
        self._since: float | None = None
        self._seen_rows = 0
        self._seen_to = self._cursor.start

    def run(self, stop: threading.Event) -> None:
        """Drain until told to stop, and once more then. An engine that is away only makes the spool grow."""
        wait_s = 0.25
        while not stop.is_set():
            self._spool.wait_written(wait_s)
            wait_s = self._attempt(wait_s)
        self._attempt(wait_s, at_once=True)

    def step(self, *, at_once: bool = False) -> int:
        """Insert one cut if one is due; return its rows. Errors: Unavailable, and then the same cut is tried again."""
        if self._cursor.end is None and not self._is_due(at_once):
            return 0
        if self._cursor.end is None:
            self._cursor.cut(self._cut_end())
        end = self._cursor.end
        assert end is not None  # noqa: S101 - cut() has just set it
        done = 0
        for batch in batches(self._spool.read(self._cursor.start, end), self._spool.id):
            self._sink.insert(batch.table, batch.arrow, token=batch.token)
            done += batch.rows
        self._cursor.confirm()
        self._spool.forget_before(self._cursor.start)
        self._since, self._seen_rows, self._seen_to = None, 0, self._cursor.start
        return done

    def lag_rows(self) -> int:
        """Return how many rows wait (as of the last look)."""
        return self._seen_rows

    def _attempt(self, wait_s: float, *, at_once: bool = False) -> float:
        try:
            while self.step(at_once=at_once):
                pass
        except Unavailable as error:
            if wait_s < 1:
                log.warning("telemetry engine is away, intake goes on into the spool: %s", error.message)
            return min(max(wait_s, 0.5) * 2, RETRY_S_MAX)
        return 0.25

    def _is_due(self, at_once: bool) -> bool:
        end = self._spool.durable
        if end == self._cursor.start:
            return False
        self._look(end)
        if at_once or self._seen_rows >= ROWS_EAGER:
            return self._seen_rows > 0
        age_s = monotonic() - (self._since or monotonic())
        return self._seen_rows > 0 and age_s >= (AGE_FEW_S if self._seen_rows < ROWS_FEW else AGE_S)

    def _look(self, end: Position) -> None:
        for stored in self._spool.read(self._seen_to, end):
            self._seen_rows += stored.record.rows
            self._since = self._since or monotonic()
        self._seen_to = end

    def _cut_end(self) -> Position:
        rows, end = 0, self._cursor.start
        for stored in self._spool.read(self._cursor.start, self._spool.durable):
            if rows and rows + stored.record.rows > ROWS_MAX:
                break
            rows, end = rows + stored.record.rows, stored.end
        return end


class _Cursor:
    """Where the next cut begins, and where the cut under way ends. Each change is on disk before it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        stored = json.loads(path.read_text()) if path.exists() else {}
        self.start = _position(stored["start"]) if stored else Position(0, 0)
        self.end = _position(stored["end"]) if stored.get("end") else None

    def cut(self, end: Position) -> None:
        self._save(self.start, end)

    def confirm(self) -> None:
        self._save(self.end or self.start, None)

    def _save(self, start: Position, end: Position | None) -> None:
        value = {"start": [start.segment, start.offset], "end": [end.segment, end.offset] if end else None}
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self.start, self.end = start, end


def _position(value: Sequence[int]) -> Position:
    segment, offset = value
    return Position(segment, offset)


def batches(stored: Iterator[Stored], spool_id: str) -> Iterator[Batch]:
    """Group records by table and few partitions; a pure function of the records, so that a retry is byte for byte the same."""
    by_table: dict[Table, list[Stored]] = {}
    for one in stored:
        by_table.setdefault(one.record.table, []).append(one)
    for table, records in sorted(by_table.items()):
        shape = SHAPES[table]
        rows = _rows(shape.schema, records)
        for number, part in enumerate(_parts(rows, shape.day)):
            token = f"{spool_id}-{records[0].batch_id}-{table:d}-{number}"
            yield Batch(shape.name, token, part.num_rows, _file_bytes(part))


def _rows(schema: pa.Schema, records: Sequence[Stored]) -> pa.Table:
    read = [pa.ipc.read_record_batch(pa.py_buffer(one.record.payload), schema) for one in records]
    return pa.Table.from_batches(read, schema).combine_chunks()


def _parts(rows: pa.Table, day: str | None) -> Iterator[pa.Table]:
    if day is None:
        yield rows
        return
    unit_per_day = DAY_MS if rows.schema.field(day).type.unit == "ms" else DAY_MS * 1_000_000
    days = rows.column(day).combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False) // unit_per_day
    distinct = np.unique(days)
    if len(distinct) <= PARTITIONS_MAX:
        yield rows
        return
    for at in range(0, len(distinct), PARTITIONS_MAX):
        yield rows.filter(pa.array(np.isin(days, distinct[at : at + PARTITIONS_MAX])))


def _file_bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()
