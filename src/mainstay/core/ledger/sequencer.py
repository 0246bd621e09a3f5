"""The sequencer: gives committed entries their place, and signs what it has committed.

Owns: the order of leaves, tiles, checkpoints and their signatures, the anchors in the platform log.
Does not own: entries (`services.record`), proofs (`queries`), the process in which the loop runs (core.jobs).
Invariant: numbers have no gap; nothing is signed before its row is committed; one (log, size) has one root. Two
sequencers may run: the advisory lock lets one work on a log, and the primary key (log, seq) would let only one win.

The queue is the table of pending entries and not a watermark: transactions commit out of the order of their ids, so an
entry with a lower id may appear after its successors have their leaves. It then gets the next place, like any other.
Source: security page, section 1 rules 3 and 10 to 13.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import psycopg

from mainstay.core.ledger import services
from mainstay.core.ledger.entries import PLATFORM
from mainstay.core.ledger.heads import HeadFile
from mainstay.core.ledger.leaves import COLUMNS, EntryRow, leaf_bytes
from mainstay.core.ledger.nodes import completed_tiles, stored_nodes
from mainstay.core.ledger.signing import LogSigner, installation_id, origin_of
from mainstay.core.ledger.verification import START_CHECK_LEAVES, verify_log
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock, SystemClock
from mainstay_trust.errors import Rejected
from mainstay_trust.merkle import Frontier, leaf_hash
from mainstay_trust.notes import Checkpoint, parse_vkey

logger = logging.getLogger(__name__)

BATCH_MAX = 4096
POLL_S = 0.2
# Entries that come in a stream are taken a tenth of a second's worth at a time: a round costs the same for one as for many,
# and a round for every few entries took more of the machine than the entries themselves.
GATHER_S = 0.1
ANCHOR_EVERY = timedelta(seconds=60)
CHECK_EVERY = timedelta(hours=1)
LOOK_EVERY = timedelta(seconds=10)
UNSEQUENCED_AFTER = timedelta(seconds=60)
_LOCK_SPACE = 0x6D73  # "ms": advisory locks of the ledger, apart from anybody else's
_HASH_BYTES = 32


@dataclass(frozen=True)
class LogRow:
    id: int
    tenant: UUID
    epoch: int
    origin: str
    state: str


class Sequencer:
    """One sequencer over a connection of the role `mainstay_ledger`; anchors go through the runtime role like any entry."""

    def __init__(self, conninfo: str, seed: bytes, heads: Path | None = None, *, clock: Clock | None = None) -> None:
        self._conninfo = conninfo
        self._signer = LogSigner(seed)
        self._clock = clock or SystemClock()
        self._heads = HeadFile(heads) if heads else None
        self._iid = ""
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None  # rows of many shapes
        self._anchored: dict[int, int] = {}
        self._anchors_due = self._clock.now()
        self._checks_due = self._clock.now()
        self._unchecked: list[UUID] = []
        self._refused: set[int] = set()
        self._looks_due = self._clock.now()
        self._first_in_queue: dict[UUID, tuple[int, datetime]] = {}

    # --- the loop ------------------------------------------------------------------------------------------------------

    def run(self, stop: Event) -> None:
        """Work until told to stop. Errors of the database end the loop; the supervisor starts a new one."""
        with self:
            self._database.execute(f"LISTEN {services.WAKE_CHANNEL}")
            while not stop.is_set():
                count = self.once()
                if count >= BATCH_MAX:
                    continue  # more may be waiting than one batch holds
                if not count:
                    self.check_next()
                # A NOTIFY ends the wait, also one that came while a batch was written.
                for _ in self._database.notifies(timeout=GATHER_S if count else POLL_S, stop_after=1):
                    pass

    def __enter__(self) -> "Sequencer":
        self._connection = psycopg.connect(self._conninfo, autocommit=True)
        self._iid = self._installation_id()
        self._anchored = self._last_anchors()
        self._refuse_older_than_heads()
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()
        self._connection = None

    @property
    def _database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        if self._connection is None:
            raise RuntimeError("the sequencer is not open")
        return self._connection

    def once(self) -> int:
        """Sequence one batch of every log that has entries waiting, sign, anchor when due. Returns the number of new leaves."""
        count = sum(self.commit_batch(tenant) for tenant in self._waiting_tenants())
        self.sign_committed()
        if self._clock.now() >= self._looks_due:
            self._looks_due = self._clock.now() + LOOK_EVERY
            self.close_stuck()
        if self._clock.now() >= self._anchors_due:
            self._anchors_due = self._clock.now() + ANCHOR_EVERY
            self._write_anchors()
        return count

    def check_next(self) -> None:
        """Check the last leaves of one log against its entries and tiles; every log has its turn at start and each hour."""
        if not self._unchecked and self._clock.now() >= self._checks_due:
            self._checks_due = self._clock.now() + CHECK_EVERY
            self._unchecked = [tenant for (tenant,) in self._database.execute("SELECT tenant FROM ledger_log WHERE state = 'open'")]
        if not self._unchecked:
            return
        tenant = self._unchecked.pop()
        with tenant_transaction(tenant, readable=[tenant], read_only=True):
            report = verify_log(tenant, last=START_CHECK_LEAVES, with_bodies=False)
        if report.findings:
            first = report.findings[0]
            self.close_for_writing(tenant, f"{first.fault} at {first.index}: {first.detail}")

    # --- places --------------------------------------------------------------------------------------------------------

    def commit_batch(self, tenant: UUID) -> int:
        """Give up to 4,096 waiting entries of a tenant their places, in one transaction. Returns the number of leaves."""
        with self._bound(tenant) as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, str(tenant)])
            (is_mine,) = cursor.fetchone() or (False,)
            log = self._live_log(cursor, tenant) if is_mine else None
            if log is None or log.state != "open":
                return 0
            edge = self._edge(cursor, log)
            leaves = self._encode(log, edge.size, self._waiting_entries(cursor, tenant))
            if leaves:
                self._append(cursor, log, edge, leaves)
            return len(leaves)

    def _waiting_tenants(self) -> list[UUID]:
        return [tenant for (tenant,) in self._database.execute("SELECT DISTINCT tenant FROM ledger_pending").fetchall()]

    def _waiting_entries(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", tenant: UUID) -> list[EntryRow]:
        columns = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))
        cursor.execute(
            f"SELECT {columns} FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id AND e.tenant = p.tenant"  # noqa: S608 - our own column list
            " WHERE p.tenant = %s AND NOT EXISTS (SELECT FROM ledger_leaf l WHERE l.entry_id = p.entry_id) ORDER BY p.entry_id LIMIT %s",
            [tenant, BATCH_MAX],
        )
        entries = [EntryRow.of(row) for row in cursor.fetchall()]
        if not entries:
            # A queue row of an entry that already has its leaf can only have been planted; it must not call us for ever.
            cursor.execute("DELETE FROM ledger_pending p USING ledger_leaf l WHERE l.entry_id = p.entry_id AND p.tenant = %s", [tenant])
        return entries

    def _encode(self, log: LogRow, size: int, entries: Sequence[EntryRow]) -> list[tuple[int, bytes]]:
        leaves: list[tuple[int, bytes]] = []
        for entry in entries:
            try:
                leaves.append((entry.id, leaf_bytes(entry, log.origin, size + len(leaves))))
            except Rejected:
                # record() lets no such entry through, so it was planted by raw SQL. It stays waiting, where the
                # self-check reports it, and does not keep honest entries from their place.
                if entry.id not in self._refused:
                    logger.exception("entry %s of %s has no valid leaf and stays unsequenced", entry.id, log.origin)
                    self._refused.add(entry.id)
        return leaves

    def _append(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", log: LogRow, edge: Frontier, leaves: list[tuple[int, bytes]]) -> None:
        start, hashes = edge.size, [leaf_hash(data) for _, data in leaves]
        entry_ids = [entry_id for entry_id, _ in leaves]
        cursor.execute(
            "INSERT INTO ledger_leaf (tenant, log_id, seq, entry_id, leaf, hash)"
            " SELECT %s, %s, %s + place - 1, entry_id, decode(leaf, 'hex'), decode(hash, 'hex')"
            " FROM unnest(%s::bigint[], string_to_array(%s, ' '), string_to_array(%s, ' '))"
            " WITH ORDINALITY AS new (entry_id, leaf, hash, place)",
            [log.tenant, log.id, start, entry_ids, _hex(data for _, data in leaves), _hex(hashes)],
        )
        tiles = completed_tiles(start, hashes, lambda level, begin, end: stored_nodes(cursor, log.id, level, begin, end))
        cursor.executemany(
            "INSERT INTO ledger_tile (tenant, log_id, level, n, hashes, root) VALUES (%s, %s, %s, %s, %s, %s)",
            [(log.tenant, log.id, tile.level, tile.n, tile.hashes, tile.root) for tile in tiles],
        )
        for hashed in hashes:
            edge.append(hashed)
        cursor.execute(
            "INSERT INTO ledger_checkpoint (tenant, log_id, size, root, frontier, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
            [log.tenant, log.id, edge.size, edge.root(), b"".join(edge.hashes), self._clock.now()],
        )
        cursor.execute("DELETE FROM ledger_pending WHERE tenant = %s AND entry_id = ANY(%s)", [log.tenant, entry_ids])

    @staticmethod
    def _edge(cursor: "psycopg.Cursor[tuple[Any, ...]]", log: LogRow) -> Frontier:
        cursor.execute("SELECT size, frontier FROM ledger_checkpoint WHERE log_id = %s ORDER BY size DESC LIMIT 1", [log.id])
        size, packed = cursor.fetchone() or (0, b"")
        return Frontier(size, [packed[at : at + _HASH_BYTES] for at in range(0, len(packed), _HASH_BYTES)])

    # --- logs ----------------------------------------------------------------------------------------------------------

    def _installation_id(self) -> str:
        """Return the id in every origin, from the first key of the platform log, which this opens where there is none."""
        first = self._database.execute("SELECT vkey FROM ledger_log WHERE tenant = %s ORDER BY epoch LIMIT 1", [PLATFORM]).fetchone()
        if first is not None:
            return installation_id(parse_vkey(first[0]).public)
        self._iid = installation_id(self._signer.public)
        with self._bound(PLATFORM) as cursor:
            self._live_log(cursor, PLATFORM)
        return self._iid

    def _live_log(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", tenant: UUID) -> LogRow | None:
        found = self._find_log(cursor, tenant)
        return found or self._open_log(cursor, tenant)

    @staticmethod
    def _find_log(cursor: "psycopg.Cursor[tuple[Any, ...]]", tenant: UUID) -> LogRow | None:
        cursor.execute("SELECT id, tenant, epoch, origin, state FROM ledger_log WHERE tenant = %s AND state <> 'closed'", [tenant])
        row = cursor.fetchone()
        return LogRow(*row) if row else None

    def _open_log(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", tenant: UUID) -> LogRow | None:
        origin = origin_of(self._iid, tenant, 1)
        cursor.execute(
            "INSERT INTO ledger_log (tenant, epoch, origin, vkey, state, state_reason, previous_origin, opened_at)"
            " SELECT %s, 1, %s, %s, 'open', '', '', %s WHERE NOT EXISTS (SELECT FROM ledger_log WHERE tenant = %s)"
            " ON CONFLICT DO NOTHING",
            [tenant, origin, str(self._signer.vkey(origin)), self._clock.now(), tenant],
        )
        return self._find_log(cursor, tenant)

    def close_for_writing(self, tenant: UUID, reason: str) -> None:
        """Make a log read-only because its integrity is in question; from then on nothing is written for its tenant."""
        with self._bound(tenant) as cursor:
            cursor.execute(
                "UPDATE ledger_log SET state = 'read_only', state_reason = %s WHERE tenant = %s AND state = 'open'", [reason, tenant]
            )
        logger.critical("the ledger of tenant %s is read-only: %s", tenant, reason)

    def close_stuck(self) -> None:
        """Close the logs whose first waiting entry has been passed over for a minute: it cannot have come through `record`.

        The time counts from when this sequencer first saw it at the head of the queue: a minute in which none ran is no fault.
        """
        now = self._clock.now()
        heads = self._database.execute(
            "SELECT p.tenant, min(p.entry_id) FROM ledger_pending p JOIN ledger_log l ON l.tenant = p.tenant AND l.state = 'open'"
            " GROUP BY p.tenant"
        ).fetchall()
        held, self._first_in_queue = self._first_in_queue, {}
        for tenant, entry_id in heads:
            seen, since = held.get(tenant, (entry_id, now))
            self._first_in_queue[tenant] = (entry_id, since if seen == entry_id else now)
            if seen == entry_id and now - since > UNSEQUENCED_AFTER:
                self.close_for_writing(tenant, f"unsequenced at entry {entry_id}: it has no leaf after {UNSEQUENCED_AFTER.seconds} s")

    # --- signatures ----------------------------------------------------------------------------------------------------

    def sign_committed(self) -> int:
        """Sign every committed checkpoint that has no signature yet. A crash before this is made good by the next round."""
        rows = self._database.execute(
            "SELECT c.tenant, c.log_id, c.size, c.root, l.origin FROM ledger_checkpoint c JOIN ledger_log l ON l.id = c.log_id"
            " WHERE c.note IS NULL AND l.state = 'open' ORDER BY c.log_id, c.size"
        ).fetchall()
        for tenant, log_id, size, root, origin in rows:
            self._sign(tenant, log_id, Checkpoint(origin, size, bytes(root)))
        if rows and self._heads is not None:
            self._heads.advance({origin: (size, bytes(root)) for _, _, size, root, origin in rows})
        return len(rows)

    def _sign(self, tenant: UUID, log_id: int, checkpoint: Checkpoint) -> None:
        note = self._signer.sign(checkpoint).encode().decode()
        with self._bound(tenant) as cursor:
            cursor.execute(
                "UPDATE ledger_checkpoint SET note = %s, signed_at = %s WHERE log_id = %s AND size = %s AND note IS NULL",
                [note, self._clock.now(), log_id, checkpoint.size],
            )

    def _refuse_older_than_heads(self) -> None:
        """Compare the database with the file of heads kept outside it: a restored or rewritten log is never signed on."""
        for origin, (size, root) in (self._heads.read() if self._heads else {}).items():
            row = self._database.execute(
                "SELECT l.tenant, (SELECT c.root FROM ledger_checkpoint c WHERE c.log_id = l.id AND c.size = %s)"
                " FROM ledger_log l WHERE l.origin = %s AND l.state = 'open'",
                [size, origin],
            ).fetchone()
            if row is not None and (row[1] is None or bytes(row[1]) != root):
                self.close_for_writing(row[0], "older_than_head" if row[1] is None else "rewritten_before_head")

    # --- anchors -------------------------------------------------------------------------------------------------------

    def _write_anchors(self) -> None:
        """Write size and root of every tenant log that has grown since its last anchor into the platform log."""
        for log, size, root in self._signed_heads():
            if self._anchored.get(log.id, 0) < size:
                self._write_anchor(log, size, root)
                self._anchored[log.id] = size

    def _write_anchor(self, log: LogRow, size: int, root: bytes) -> None:
        actor = actors.system("sequencer", PLATFORM, via=actors.Via.SYSTEM)
        with tenant_transaction(PLATFORM):
            services.record(actor, "ledger.checkpoint.anchored", f"{log.tenant}.{log.epoch}", clock=self._clock, size=size, root=root.hex())

    def _signed_heads(self) -> list[tuple[LogRow, int, bytes]]:
        rows = self._database.execute(
            "SELECT l.id, l.tenant, l.epoch, l.origin, l.state, head.size, head.root FROM ledger_log l CROSS JOIN LATERAL"
            " (SELECT size, root FROM ledger_checkpoint WHERE log_id = l.id AND note IS NOT NULL ORDER BY size DESC LIMIT 1) head"
            " WHERE l.tenant <> %s AND l.state = 'open'",
            [PLATFORM],
        ).fetchall()
        return [(LogRow(*row[:5]), row[5], bytes(row[6])) for row in rows]

    def _last_anchors(self) -> dict[int, int]:
        with self._bound(PLATFORM) as cursor:
            cursor.execute(
                "SELECT l.id, (e.extra->>'size')::bigint FROM ledger_log l CROSS JOIN LATERAL (SELECT extra FROM ledger_entry"
                " WHERE tenant = %s AND obj = 'ledger.checkpoint:' || l.tenant || '.' || l.epoch ORDER BY id DESC LIMIT 1) e",
                [PLATFORM],
            )
            return dict(cursor.fetchall())

    @contextmanager
    def _bound(self, tenant: UUID) -> "Iterator[psycopg.Cursor[tuple[Any, ...]]]":
        with self._database.transaction(), self._database.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant', %s, true)", [str(tenant)])
            yield cursor


def _hex(values: Iterable[bytes]) -> str:
    # One text instead of an array of bytes, which the driver would write element by element.
    return " ".join(value.hex() for value in values)
