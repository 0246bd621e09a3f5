"""The drainer: from the spool into the engine, each batch once.

Owns: when a batch is cut, how it is split, the cursor. Invariant: what one cut contains is on disk before its first insert,
so a retry after any crash sends the same rows under the same tokens, and the engine drops what it has. A record that the
engine refuses for its bytes goes into quarantine, alone, and the others go on.
Source: control page, section 3.1 rules 3 to 5 and 13.
"""

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstay.domains.telemetry.models.columns import SHAPES, Table
from mainstay.domains.telemetry.rules.tiers import FIVE_S
from mainstay.domains.telemetry.rules.windows import DAY_MS
from mainstay.domains.telemetry.services.spool import Position, Spool, Stored, quarantine
from mainstay.kernel.errors import Invalid, Unavailable

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
    records: tuple[Stored, ...] = ()
    days: tuple[int, ...] | None = None
    windows: tuple[int, ...] = ()

    def alone(self, spool_id: str) -> Iterator["tuple[Stored, Batch]"]:
        """Yield each record with an insert of its own, limited to the same days."""
        for one in self.records:
            shape = SHAPES[one.record.table]
            rows = _rows(shape.schema, [one])
            part = rows if self.days is None or shape.day is None else rows.filter(pa.array(np.isin(_days(rows, shape.day), self.days)))
            if part.num_rows:
                yield one, Batch(self.table, f"{self.token}-r{one.batch_id}-{spool_id[:8]}", part.num_rows, _file_bytes(part))


@dataclass(frozen=True)
class State:
    """How draining goes: `away` is the engine's last error, empty when it took the last batch; `refused` counts quarantined records."""

    away: str = ""
    refused: int = 0
    reason: str = ""


class Drainer:
    """Empties one spool. One instance per spool, in one thread.

    `report` hears the state after every attempt; `stored` hears the five-minute windows (Unix seconds) whose samples
    were stored, before the cut is confirmed, and may raise Unavailable to have it tried again.
    """

    def __init__(
        self,
        spool: Spool,
        sink: Sink,
        report: Callable[[State], None] = lambda _state: None,
        stored: Callable[[Sequence[int]], None] = lambda _windows: None,
    ) -> None:
        self._spool = spool
        self._sink = sink
        self._report = report
        self._stored = stored
        self._state = State()
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
        for batch in batches(self._readable(end), self._spool.id):
            self._insert(batch)
            self._stored(batch.windows)
            done += batch.rows
        self._cursor.confirm()
        self._spool.forget_before(self._cursor.start)
        self._since, self._seen_rows, self._seen_to = None, 0, self._cursor.start
        return done

    def lag_rows(self) -> int:
        """Return how many rows wait (as of the last look)."""
        return self._seen_rows

    def _attempt(self, wait_s: float, *, at_once: bool = False) -> float:
        trouble = ""
        try:
            while self.step(at_once=at_once):
                pass
        except Unavailable as error:
            trouble = error.message
        except OSError as error:
            # A full disk: the cursor or the quarantine could not be written, so the same cut is tried again.
            trouble = f"{error.filename or self._spool.folder}: {error.strerror}"
        if trouble and not self._state.away:
            log.warning("the spool cannot be emptied, intake goes on into it: %s", trouble)
        self._state = replace(self._state, away=trouble)
        self._report(self._state)
        return min(max(wait_s, 0.5) * 2, RETRY_S_MAX) if trouble else 0.25

    def _readable(self, end: Position) -> Iterator[Stored]:
        for one in self._spool.read(self._cursor.start, end):
            try:
                _rows(SHAPES[one.record.table].schema, [one])
            except (pa.ArrowException, OSError) as error:
                self._set_aside(one, f"it cannot be read: {error}")
            else:
                yield one

    def _insert(self, batch: Batch) -> None:
        try:
            self._sink.insert(batch.table, batch.arrow, token=batch.token)
        except Invalid:
            # One of the records is wrong; the others must not share its fate.
            for one, single in batch.alone(self._spool.id):
                self._insert_alone(one, single)

    def _insert_alone(self, one: Stored, batch: Batch) -> None:
        try:
            self._sink.insert(batch.table, batch.arrow, token=batch.token)
        except Invalid as error:
            self._set_aside(one, error.message)

    def _set_aside(self, one: Stored, reason: str) -> None:
        quarantine(self._spool.folder, one, self._spool.id, reason)
        log.error("a record of %d rows for %s was refused and set aside: %s", one.record.rows, one.record.table.name, reason)
        self._state = replace(self._state, refused=self._state.refused + 1, reason=reason)

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
        for number, (part, days) in enumerate(_parts(rows, shape.day)):
            token = f"{spool_id}-{records[0].batch_id}-{table:d}-{number}"
            yield Batch(shape.name, token, part.num_rows, _file_bytes(part), tuple(records), days, _windows(part, table))


def _rows(schema: pa.Schema, records: Sequence[Stored]) -> pa.Table:
    read = [pa.ipc.read_record_batch(pa.py_buffer(one.record.payload), schema) for one in records]
    return pa.Table.from_batches(read, schema).combine_chunks()


def _parts(rows: pa.Table, day: str | None) -> Iterator[tuple[pa.Table, tuple[int, ...] | None]]:
    days = _days(rows, day) if day is not None else np.empty(0, dtype=np.int64)
    distinct = np.unique(days)
    if len(distinct) <= PARTITIONS_MAX:
        yield rows, None
        return
    for at in range(0, len(distinct), PARTITIONS_MAX):
        chosen = distinct[at : at + PARTITIONS_MAX]
        yield rows.filter(pa.array(np.isin(days, chosen))), tuple(int(one) for one in chosen)


def _windows(rows: pa.Table, table: Table) -> tuple[int, ...]:
    if table is not Table.SAMPLES:
        return ()
    stamps = rows.column("ts").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    return tuple(int(window) * FIVE_S for window in np.unique(stamps // (FIVE_S * 1000)))


def _days(rows: pa.Table, day: str) -> "npt.NDArray[np.int64]":
    unit_per_day = DAY_MS if rows.schema.field(day).type.unit == "ms" else DAY_MS * 1_000_000
    found: npt.NDArray[np.int64] = rows.column(day).combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False) // unit_per_day
    return found


def _file_bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()
