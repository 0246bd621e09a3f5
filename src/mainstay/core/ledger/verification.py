"""The ledger checks itself: nothing that is stored is believed because it is stored.

Owns: recomputing roots from leaf bytes, leaves from entry columns, commitments from bodies, tiles from leaves, signatures.
Does not own: what follows from a finding (`sequencer` makes the log read-only), the auditor's check (mainstay_verify).
Invariant: a finding names the first index that is wrong and why. Source: security page, section 1 rules 26 and 30.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import connection

from mainstay.core.ledger import queries
from mainstay.core.ledger.entries import WHOLE
from mainstay.core.ledger.leaves import COLUMNS, EntryRow, leaf_bytes
from mainstay.core.ledger.models import Body, Log, Tile
from mainstay.core.ledger.sealing import current_sealer, place_of
from mainstay.core.ledger.signing import verify_ed25519
from mainstay.kernel.errors import MainstayError
from mainstay_trust.errors import Rejected
from mainstay_trust.merkle import EMPTY_ROOT, Frontier, frontier_hashes, leaf_hash
from mainstay_trust.notes import open_checkpoint, parse_vkey
from mainstay_trust.tiles import TILE_WIDTH

PAGE = 2000
START_CHECK_LEAVES = 10_000
_COMMITMENT_PREFIX = {True: b"\x02", False: b"\x03"}


class Fault(StrEnum):
    """What can be wrong with a log."""

    LEAF_MISSING = "leaf_missing"
    LEAF_HASH = "leaf_hash"
    LEAF_DIFFERS_FROM_ENTRY = "leaf_differs_from_entry"
    ENTRY_MISSING = "entry_missing"
    BODY_MISSING = "body_missing"
    BODY_DIFFERS = "body_differs"
    TILE_DIFFERS = "tile_differs"
    ROOT_DIFFERS = "root_differs"
    SIGNATURE = "signature"


@dataclass(frozen=True)
class Finding:
    """One fault, with the number of the leaf (or the size of the checkpoint) that it concerns."""

    fault: Fault
    index: int
    detail: str


@dataclass(frozen=True)
class Report:
    """What a check of a log has shown. `ok` only if everything that was looked at agrees."""

    origin: str
    size: int
    root_hex: str
    checked_leaves: int
    checked_bodies: int
    erased_bodies: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify_log(tenant: UUID, *, last: int | None = None, with_bodies: bool = True) -> Report:
    """Check the tenant's live log up to its newest signed checkpoint: all of it, or its last leaves only.

    Runs in a transaction that may read the tenant. A partial check starts from stored tiles, a full one trusts no stored hash.
    """
    log, head = queries.live_log(tenant), queries.checkpoint(tenant)
    if log is None or head is None:
        return Report(log.origin if log else "", 0, EMPTY_ROOT.hex(), 0, 0, 0, ())
    begin = 0 if last is None else max(0, head.size - last) // TILE_WIDTH * TILE_WIDTH
    return _Check(log, head, _every if with_bodies else _none).run(begin)


class Slices:
    """A check of a whole log, one page at a time, so that it never keeps the database or anybody else for long.

    `chosen(entry id)` says which bodies are opened. Each call runs in a transaction that may read the tenant.
    """

    def __init__(self, tenant: UUID, chosen: Callable[[int], bool]) -> None:
        self._tenant = tenant
        self._chosen = chosen
        self._steps: Iterator[Report | None] | None = None

    def read_one(self) -> Report | None:
        """Read the next page; return the report after the last one, else None."""
        if self._steps is None:
            log, head = queries.live_log(self._tenant), queries.checkpoint(self._tenant)
            if log is None or head is None:
                return Report(log.origin if log else "", 0, EMPTY_ROOT.hex(), 0, 0, 0, ())
            self._steps = _Check(log, head, self._chosen).steps(0)
        return next(self._steps)


def _every(_entry_id: int) -> bool:
    return True


def _none(_entry_id: int) -> bool:
    return False


@dataclass(frozen=True)
class _Stored:
    """A leaf with the entry it was made of."""

    seq: int
    leaf: bytes
    hash: bytes
    entry: EntryRow | None


class _Check:
    """One pass over a log, leaf by leaf, with the frontier grown from what was read."""

    def __init__(self, log: Log, head: queries.SignedCheckpoint, chosen: Callable[[int], bool]) -> None:
        self._log = log
        self._head = head
        self._chosen = chosen
        self._findings: list[Finding] = []
        self._leaves = self._bodies = self._erased = 0

    def run(self, begin: int) -> Report:
        return next(report for report in self.steps(begin) if report is not None)

    def steps(self, begin: int) -> Iterator[Report | None]:
        """Check page after page, yielding None between two of them and the report at the end."""
        edge = self._edge_at(begin)
        tile: list[bytes] = []
        for first in range(begin, self._head.size, PAGE):
            if first > begin:
                yield None
            for stored in self._page(first, min(first + PAGE, self._head.size)):
                if stored.seq != edge.size:
                    self._find(Fault.LEAF_MISSING, edge.size, f"the next stored leaf is number {stored.seq}")
                    break
                hashed = self._checked_hash(stored)
                edge.append(hashed)
                tile = self._check_tile(stored.seq, [*tile, hashed])
            else:
                continue
            break
        self._check_head(edge)
        yield self._report(edge)

    def _report(self, edge: Frontier) -> Report:
        return Report(self._log.origin, self._head.size, edge.root().hex(), self._leaves, self._bodies, self._erased, tuple(self._findings))

    def _find(self, fault: Fault, index: int, detail: str) -> None:
        self._findings.append(Finding(fault, index, detail))

    def _edge_at(self, begin: int) -> Frontier:
        read = queries.reader(self._log.id, begin)
        # `begin` is a whole number of tiles, so its frontier consists of stored tiles alone.
        return Frontier(begin, frontier_hashes(begin, read))

    def _page(self, begin: int, end: int) -> list[_Stored]:
        columns = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT l.seq, l.leaf, l.hash, {columns} FROM ledger_leaf l"  # noqa: S608 - our own column list
                " LEFT JOIN ledger_entry e ON e.id = l.entry_id AND e.tenant = l.tenant"
                " WHERE l.log_id = %s AND l.seq >= %s AND l.seq < %s ORDER BY l.seq",
                [self._log.id, begin, end],
            )
            rows = cursor.fetchall()
        page = [_Stored(row[0], bytes(row[1]), bytes(row[2]), EntryRow.of(row[3:]) if row[3] else None) for row in rows]
        self._check_bodies(page)
        return page

    def _checked_hash(self, stored: _Stored) -> bytes:
        self._leaves += 1
        hashed = leaf_hash(stored.leaf)
        if hashed != stored.hash:
            self._find(Fault.LEAF_HASH, stored.seq, "the stored hash is not the hash of the stored leaf")
        if stored.entry is None:
            self._find(Fault.ENTRY_MISSING, stored.seq, "the entry of this leaf is gone")
        elif self._regenerated(stored.entry, stored.seq) != stored.leaf:
            self._find(Fault.LEAF_DIFFERS_FROM_ENTRY, stored.seq, "the entry's columns no longer give this leaf")
        return hashed

    def _regenerated(self, entry: EntryRow, seq: int) -> bytes:
        try:
            return leaf_bytes(entry, self._log.origin, seq)
        except Rejected:
            return b""

    def _check_tile(self, seq: int, hashes: list[bytes]) -> list[bytes]:
        """Compare a stored full tile with the leaves read for it; returns the hashes of the tile still growing."""
        if len(hashes) < TILE_WIDTH:
            return hashes
        n = seq // TILE_WIDTH
        whole = Frontier()
        for node in hashes:
            whole.append(node)
        stored = Tile.objects.filter(log_id=self._log.id, level=0, n=n).first()
        if stored is None or bytes(stored.hashes) != b"".join(hashes) or bytes(stored.root) != whole.root():
            self._find(Fault.TILE_DIFFERS, n * TILE_WIDTH, f"tile 0/{n} is missing or not made of these leaves")
        return []

    def _check_bodies(self, page: list[_Stored]) -> None:
        wanted = {
            stored.entry.id: stored for stored in page if stored.entry is not None and stored.entry.body and self._chosen(stored.entry.id)
        }
        if not wanted:
            return
        wholes = set()
        for body in Body.objects.filter(tenant=self._log.tenant, entry_id__in=wanted).order_by("entry_id", "part"):
            self._check_body(body, wanted[body.entry_id])
            if body.part == WHOLE:
                wholes.add(body.entry_id)
        for entry_id in sorted(wanted.keys() - wholes):
            self._find(Fault.BODY_MISSING, wanted[entry_id].seq, "the body is gone and no leaf authorises it")

    def _check_body(self, body: Body, stored: _Stored) -> None:
        if body.state != Body.State.PRESENT:
            self._erased += 1
            if body.covering_seq is None:
                self._find(Fault.BODY_MISSING, stored.seq, f"the body is {body.state} and names no leaf that authorises it")
            return
        self._bodies += 1
        committed = stored.entry.body if stored.entry and body.part == WHOLE else body.commitment
        if not _opens(body, committed):
            self._find(Fault.BODY_DIFFERS, stored.seq, "the body does not open its commitment")

    def _check_head(self, edge: Frontier) -> None:
        head = self._head
        if edge.size != head.size:
            self._find(Fault.LEAF_MISSING, edge.size, f"the signed checkpoint covers {head.size} leaves")
        elif edge.root() != head.root:
            self._find(Fault.ROOT_DIFFERS, head.size, "the leaves do not give the root of the checkpoint")
        try:
            signed, _ = open_checkpoint(head.note, [parse_vkey(self._log.vkey)], verify_ed25519)
        except Rejected as error:
            self._find(Fault.SIGNATURE, head.size, error.detail)
            return
        if (signed.origin, signed.size, signed.root) != (head.origin, head.size, head.root):
            self._find(Fault.SIGNATURE, head.size, "the signed note says something else than the checkpoint's row")


def _opens(body: Body, committed: str) -> bool:
    if body.salt is None or body.sealed is None:
        return False
    try:
        plain = current_sealer().open(body.tenant, place_of(body.commitment), bytes(body.sealed))
    except MainstayError:
        return False
    prefix = _COMMITMENT_PREFIX[body.part == WHOLE]
    return hashlib.sha256(prefix + bytes(body.salt) + plain).hexdigest() == committed == body.commitment
