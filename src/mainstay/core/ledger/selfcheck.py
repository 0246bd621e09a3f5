"""The hourly self-check of every log: roots from leaf bytes, leaf bytes from entry columns, one body in 24 (rule 30).

Owns: whose turn it is, the slices in which a log is read, the record of the last check, closing a log that does not agree.
Does not own: what is compared (`verification`), the news of it (core.jobs.ledger_watch), the check of the newest leaves (`sequencer`).
Invariant: a check reads at most one page per call and holds no transaction between two calls; what it records, only the ledger's
own role can write.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from mainstay.core.ledger.verification import Report, Slices
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.clock import Clock

logger = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=1)
BODY_SHARES = 24
# One page each second reads seven million leaves an hour, and a log of ten thousand in five seconds.
SLICE_EVERY_S = 1.0

_DUE = """
SELECT l.tenant, l.id FROM ledger_log l LEFT JOIN ledger_selfcheck c ON c.log_id = l.id
WHERE l.state = 'open' AND (c.ended_at IS NULL OR c.ended_at <= %s) ORDER BY c.ended_at NULLS FIRST, l.id LIMIT 1
"""
_KEEP = """
INSERT INTO ledger_selfcheck (tenant, log_id, begun_at, ended_at, size, leaves, bodies, fault) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (log_id) DO UPDATE SET (begun_at, ended_at, size, leaves, bodies, fault)
    = (EXCLUDED.begun_at, EXCLUDED.ended_at, EXCLUDED.size, EXCLUDED.leaves, EXCLUDED.bodies, EXCLUDED.fault)
"""
_CLOSE = "UPDATE ledger_log SET state = 'read_only', state_reason = %s WHERE id = %s AND state = 'open'"


@dataclass
class _Turn:
    """One log that is being read."""

    tenant: UUID
    log_id: int
    begun_at: datetime
    slices: Slices


class SelfCheck:
    """Reads through the runtime role like everybody, and records and closes through the role `mainstay_ledger`."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._turn: _Turn | None = None
        self._asked_at: datetime | None = None

    def tick(self, clock: Clock) -> None:
        """Read one page of the log whose turn it is; begin with the next one when the last has been read."""
        turn = self._turn or self._next_turn(clock)
        if turn is None:
            return
        self._turn = turn
        with tenant_transaction(turn.tenant, readable=[turn.tenant], read_only=True):
            report = turn.slices.read_one()
        if report is not None:
            self._turn = None
            self._conclude(turn, report, clock)

    def _next_turn(self, clock: Clock) -> _Turn | None:
        now = clock.now()
        if self._asked_at is not None and now - self._asked_at < timedelta(minutes=1):
            return None
        with psycopg.connect(self._conninfo, autocommit=True) as database:
            row = database.execute(_DUE, [now - CHECK_EVERY]).fetchone()
        if row is None:
            self._asked_at = now
            return None
        self._asked_at = None
        share = int(now.timestamp() // CHECK_EVERY.total_seconds()) % BODY_SHARES
        return _Turn(row[0], row[1], now, Slices(row[0], lambda entry_id: entry_id % BODY_SHARES == share))

    def _conclude(self, turn: _Turn, report: Report, clock: Clock) -> None:
        first = report.findings[0] if report.findings else None
        fault = f"{first.fault} at {first.index}: {first.detail}" if first else ""
        with self._bound(turn.tenant) as cursor:
            counted = (report.size, report.checked_leaves, report.checked_bodies)
            cursor.execute(_KEEP, [turn.tenant, turn.log_id, turn.begun_at, clock.now(), *counted, fault])
            if fault:
                cursor.execute(_CLOSE, [fault, turn.log_id])
        if fault:
            logger.critical("the ledger of tenant %s is read-only: %s", turn.tenant, fault)

    @contextmanager
    def _bound(self, tenant: UUID) -> "Iterator[psycopg.Cursor[tuple[Any, ...]]]":
        with psycopg.connect(self._conninfo) as database, database.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant', %s, true)", [str(tenant)])
            yield cursor
