"""Reading the ledger: heads, proofs, entries, bodies.

Owns: proofs made of stored hashes, the disclosed form of a body, the figures of a health page.
Does not own: who may read (callers ask access; row security holds in any case), lists and pages.
Invariant: every proof leads to a checkpoint that is signed; what is not under one is not shown as proven.
Each function takes the tenant first and runs in a transaction that may read it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, Count, OuterRef, QuerySet, Subquery

from mainstay.core.ledger import nodes
from mainstay.core.ledger.entries import PLATFORM, WHOLE
from mainstay.core.ledger.models import Body, Checkpoint, Cosignature, Entry, Leaf, Log, Pending, SelfCheck
from mainstay.core.ledger.sealing import current_sealer, place_of
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay_trust import canonical, merkle
from mainstay_trust.canonical import JSON
from mainstay_trust.merkle import Read
from mainstay_trust.notes import Vkey
from mainstay_trust.tlog_proof import TlogProof

__all__ = ["PLATFORM", "checkpoint", "entries", "heartbeat_answer", "log_vkeys", "status", "tlog_proof", "witnessed"]

LAG_WARNS = timedelta(hours=1)
UNSEQUENCED_AFTER = timedelta(seconds=60)
CHECK_OVERDUE = timedelta(hours=3)
_POLL_S = 0.05


@dataclass(frozen=True)
class SignedCheckpoint:
    """A signed head of a log; `note` is the text as it was signed."""

    log_id: int
    origin: str
    size: int
    root: bytes
    note: bytes
    signed_at: datetime


@dataclass(frozen=True)
class LogKey:
    origin: str
    vkey: str


@dataclass(frozen=True)
class ProvenLeaf:
    """A leaf with its proof file, and its body with the salt that opens the commitment (None when there is no body to show)."""

    seq: int
    leaf: bytes
    text: str
    salt_hex: str
    body: dict[str, JSON] | None


@dataclass(frozen=True)
class HeartbeatAnswer:
    """What an agent needs to follow the log: the newest note and the proof that it continues what the agent holds."""

    note: str
    consistency: list[str]


@dataclass(frozen=True)
class WitnessedAnswer:
    """A checkpoint with the cosignatures on it, and the proof that the log's newest one continues it."""

    note: str
    consistency: list[str]


@dataclass(frozen=True)
class LogStatus:
    """A log as a health page shows it. `level` is the witness level of security page rule 21."""

    origin: str
    state: str
    state_reason: str
    size: int
    root_hex: str
    signed_at: datetime | None
    pending: int
    witnesses: int
    cosigned_size: int
    cosigned_at: datetime | None
    level: str


# --- heads -------------------------------------------------------------------------------------------------------------


def live_log(tenant: UUID) -> Log | None:
    """Return the tenant's present log, or None before the sequencer has opened it."""
    return Log.objects.filter(tenant=tenant).exclude(state=Log.State.CLOSED).first()


def log_vkeys(tenant: UUID) -> list[LogKey]:
    """Return origin and verifier key of every epoch of the tenant's log, oldest first."""
    return [LogKey(log.origin, log.vkey) for log in Log.objects.filter(tenant=tenant).order_by("epoch")]


def checkpoint(tenant: UUID) -> SignedCheckpoint | None:
    """Return the newest signed checkpoint of the tenant's log."""
    log = live_log(tenant)
    return None if log is None else _newest(log)


def _newest(log: Log) -> SignedCheckpoint | None:
    row = Checkpoint.objects.filter(log_id=log.id, note__isnull=False).order_by("-size").first()
    if row is None or row.note is None or row.signed_at is None:
        return None
    return SignedCheckpoint(log.id, log.origin, row.size, bytes(row.root), row.note.encode(), row.signed_at)


def signed_at_size(log_id: int, size: int) -> tuple[bytes, bytes] | None:
    """Return root and note of a signed checkpoint of exactly this size."""
    row = Checkpoint.objects.filter(log_id=log_id, size=size, note__isnull=False).first()
    return None if row is None or row.note is None else (bytes(row.root), row.note.encode())


# --- proofs ------------------------------------------------------------------------------------------------------------


def reader(log_id: int, size: int) -> Read:
    """Return a reader of the perfect subtrees of the first `size` leaves of a log."""
    return nodes.reader(size, lambda level, begin, end: _stored(log_id, level, begin, end))


def _stored(log_id: int, level: int, begin: int, end: int) -> Sequence[bytes]:
    with connection.cursor() as cursor:
        return nodes.stored_nodes(cursor, log_id, level, begin, end)


def inclusion_proof(tenant: UUID, seq: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `seq` in the first `size` leaves. Errors: ValueError when it is not among them."""
    log = live_log(tenant)
    return merkle.inclusion_proof(seq, size if log else 0, reader(log.id if log else 0, size))


def consistency_proof(tenant: UUID, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `old` leaves are a prefix of the first `new`. Errors: ValueError for old = 0."""
    head = checkpoint(tenant)
    if head is None or new > head.size:
        raise ValueError("the log is not that large")
    return merkle.consistency_proof(old, new, reader(head.log_id, new))


def leaf_of(tenant: UUID, entry_id: int) -> Leaf | None:
    return Leaf.objects.filter(tenant=tenant, entry_id=entry_id).first()


def is_covered(tenant: UUID, entry_id: int) -> bool:
    """Tell whether the entry's leaf is under a signed checkpoint."""
    leaf = leaf_of(tenant, entry_id)
    return leaf is not None and Checkpoint.objects.filter(log_id=leaf.log_id, size__gt=leaf.seq, note__isnull=False).exists()


def wait_covered(tenant: UUID, entry_id: int, timeout_s: float) -> bool:
    """Wait, outside any transaction, until the entry is under a signed checkpoint; at most `timeout_s` seconds."""
    until = time.monotonic() + timeout_s
    while True:
        with tenant_transaction(tenant):
            if is_covered(tenant, entry_id):
                return True
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)


def tlog_proof(tenant: UUID, entry_id: int) -> ProvenLeaf | None:
    """Return an entry's leaf with its proof under the newest signed checkpoint, or None while there is none over it."""
    leaf = leaf_of(tenant, entry_id)
    log = Log.objects.filter(id=leaf.log_id).first() if leaf else None
    head = _newest(log) if log else None
    if leaf is None or head is None or head.size <= leaf.seq:
        return None
    path = merkle.inclusion_proof(leaf.seq, head.size, reader(head.log_id, head.size))
    text = TlogProof(leaf.seq, tuple(path), head.note, bytes(leaf.leaf)).encode()
    disclosed = disclosed_body(tenant, entry_id)
    return ProvenLeaf(leaf.seq, bytes(leaf.leaf), text, disclosed[0] if disclosed else "", disclosed[1] if disclosed else None)


def heartbeat_answer(tenant: UUID, size_held: int) -> HeartbeatAnswer | None:
    """Answer an agent that holds a checkpoint of `size_held` leaves (0 = none yet).

    An agent that holds more than the log has gets the note alone: the smaller size is what it must see, and it judges it.
    """
    head = checkpoint(tenant)
    if head is None:
        return None
    may_prove = 0 < size_held <= head.size
    proof = merkle.consistency_proof(size_held, head.size, reader(head.log_id, head.size)) if may_prove else []
    return HeartbeatAnswer(head.note.decode(), [node.hex() for node in proof])


def witnessed(tenant: UUID, witnesses: Sequence[Vkey], quorum: int, *, since: datetime) -> WitnessedAnswer | None:
    """Return the newest checkpoint that `quorum` of the named witnesses have cosigned since a time, or None."""
    head = checkpoint(tenant)
    if head is None or not quorum:
        return None
    named = Cosignature.objects.filter(
        tenant=tenant, log_id=head.log_id, size__lte=head.size, witness__in=[vkey.name for vkey in witnesses], cosigned_at__gte=since
    )
    counted = named.values("size").annotate(number=Count("id")).filter(number__gte=quorum).order_by("-size").first()
    signed = signed_at_size(head.log_id, counted["size"]) if counted else None
    if counted is None or signed is None:
        return None
    lines = named.filter(size=counted["size"]).order_by("witness").values_list("line", flat=True)
    proof = merkle.consistency_proof(counted["size"], head.size, reader(head.log_id, head.size))
    return WitnessedAnswer("\n".join([signed[1].decode().rstrip("\n"), *lines, ""]), [node.hex() for node in proof])


# --- entries and bodies ------------------------------------------------------------------------------------------------


def entries(tenant: UUID) -> "QuerySet[Entry]":
    """Return the entries of a tenant, newest first."""
    return Entry.objects.filter(tenant=tenant).order_by("-id")


def numbered_entries(tenant: UUID) -> "QuerySet[Entry]":
    """Return the entries of a tenant with `seq`, the number of their leaf, which is None while the sequencer has not reached them."""
    number = Leaf.objects.filter(entry_id=OuterRef("id")).values("seq")[:1]
    return Entry.objects.filter(tenant=tenant).annotate(seq=Subquery(number, output_field=BigIntegerField(null=True)))


def entries_of(tenant: UUID, obj: str) -> "QuerySet[Entry]":
    """Return what the log says about one object, such as `desk.incident:<id>`, oldest first."""
    return Entry.objects.filter(tenant=tenant, obj=obj).order_by("id")


def body_of(tenant: UUID, entry_id: int) -> dict[str, JSON] | None:
    """Return an entry's body as a reader wants it, erasable members opened; None when it has none or it is gone."""
    parts = {part.part: part for part in Body.objects.filter(tenant=tenant, entry_id=entry_id)}
    whole = parts.pop(WHOLE, None)
    body = _opened(whole) if whole else None
    if not isinstance(body, dict):
        return None
    return body | {name: _opened(part) for name, part in parts.items() if part.state == Body.State.PRESENT}


def disclosed_body(tenant: UUID, entry_id: int) -> tuple[str, dict[str, JSON]] | None:
    """Return salt (hex) and body as committed, erasable members as `{"$c": hex}`: what an auditor hashes."""
    row = Body.objects.filter(tenant=tenant, entry_id=entry_id, part=WHOLE, state=Body.State.PRESENT).first()
    body = _opened(row) if row else None
    if row is None or row.salt is None or not isinstance(body, dict):
        return None
    return bytes(row.salt).hex(), body


def _opened(part: Body) -> JSON:
    if part.sealed is None:
        return None
    return canonical.parse(current_sealer().open(part.tenant, place_of(part.commitment), bytes(part.sealed)))


# --- health ------------------------------------------------------------------------------------------------------------


def unsequenced(tenant: UUID, older_than_s: int, now: datetime) -> int:
    """Count entries that have waited for their leaf longer than they should."""
    waiting = Pending.objects.filter(tenant=tenant).values_list("entry_id", flat=True)
    return Entry.objects.filter(tenant=tenant, id__in=waiting, at__lt=now - timedelta(seconds=older_than_s)).count()


def status(tenant: UUID) -> LogStatus | None:
    """Return how a tenant's log is doing."""
    log = live_log(tenant)
    if log is None:
        return None
    head = _newest(log)
    latest = Cosignature.objects.filter(tenant=tenant, log_id=log.id).order_by("-size", "-cosigned_at").first()
    witnesses = Cosignature.objects.filter(tenant=tenant, log_id=log.id).values("witness").distinct().count()
    return LogStatus(
        origin=log.origin,
        state=log.state,
        state_reason=log.state_reason,
        size=head.size if head else 0,
        root_hex=head.root.hex() if head else merkle.EMPTY_ROOT.hex(),
        signed_at=head.signed_at if head else None,
        pending=Pending.objects.filter(tenant=tenant).count(),
        witnesses=witnesses,
        cosigned_size=latest.size if latest else 0,
        cosigned_at=latest.cosigned_at if latest else None,
        level="W1" if witnesses else "W0",  # witnesses of other organisations (W2, W3) are not served yet
    )


@dataclass(frozen=True)
class ClosedLog:
    """A log into which nothing can be written; `reason` begins with the fault and the first index that is wrong."""

    tenant: UUID
    origin: str
    reason: str


@dataclass(frozen=True)
class Estate:
    """All logs that may be read, together. `unsequenced`: entries of each tenant that have waited too long for their leaf."""

    logs: int
    closed: tuple[ClosedLog, ...]
    unsequenced: dict[UUID, int]
    checked: int
    check_overdue: int
    leaves: int
    bodies: int
    oldest_check_at: datetime | None


def estate_of_logs(now: datetime) -> Estate:
    """Count over every log in the scope of the transaction: what lies outside it is not seen and not counted."""
    live = list(Log.objects.exclude(state=Log.State.CLOSED).order_by("id"))
    checks = {one.log_id: one for one in SelfCheck.objects.filter(log_id__in=[log.id for log in live])}
    overdue = [log for log in live if log.state == Log.State.OPEN and _checked_at(log, checks) < now - CHECK_OVERDUE]
    return Estate(
        logs=len(live),
        closed=tuple(ClosedLog(log.tenant, log.origin, log.state_reason) for log in live if log.state == Log.State.READ_ONLY),
        unsequenced=_unsequenced_by_tenant(now),
        checked=len(checks),
        check_overdue=len(overdue),
        leaves=sum(one.leaves for one in checks.values()),
        bodies=sum(one.bodies for one in checks.values()),
        oldest_check_at=min((one.ended_at for one in checks.values()), default=None),
    )


def _checked_at(log: Log, checks: Mapping[int, SelfCheck]) -> datetime:
    # A log that is new has until then to be checked for the first time.
    return checks[log.id].ended_at if log.id in checks else log.opened_at


def _unsequenced_by_tenant(now: datetime) -> dict[UUID, int]:
    late = Entry.objects.filter(id__in=Pending.objects.values("entry_id"), at__lt=now - UNSEQUENCED_AFTER)
    return {row["tenant"]: row["number"] for row in late.values("tenant").annotate(number=Count("id")).order_by("tenant")}


def cosignature_lines(log_id: int, size: int) -> list[str]:
    """Return the witnesses' lines over the checkpoint of one size."""
    rows = Cosignature.objects.filter(log_id=log_id, size=size).order_by("witness")
    return cast("list[str]", list(rows.values_list("line", flat=True)))
