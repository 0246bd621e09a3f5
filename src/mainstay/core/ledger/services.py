"""Every write to the ledger that is not the sequencer's.

Owns: the entry in the caller's transaction, and the keeping of witnesses' cosignatures.
Does not own: sequence numbers, leaves, checkpoints (`sequencer`), reading (`queries`).
Invariant: if the entry cannot be written, the caller's change does not happen; there is no switch for it.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from mainstay.core.ledger import acts, queries
from mainstay.core.ledger.entries import PLATFORM, BodyIn, Erasable, LedgerEntry, Part, parts_of
from mainstay.core.ledger.models import Cosignature, Witness
from mainstay.core.ledger.sealing import current_sealer, place_of
from mainstay.core.ledger.signing import verify_ed25519
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, NotFound, Unavailable
from mainstay_trust.canonical import INTEGER_MAX, JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.ledger_leaf import SALT_BYTES, Leaf
from mainstay_trust.notes import Vkey, parse_note, parse_signature, verify_note

__all__ = ["PLATFORM", "erasable", "keep_cosignature", "record", "wake_sequencer"]

WAKE_CHANNEL = "mainstay_ledger"
_LONGEST_ORIGIN = "mainstay." + "a" * 16 + "/t/" + str(UUID(int=0)) + "/9999999"

# One statement in one round trip. Scalars and not arrays: nearly every body is one piece, and arrays cost more than all else.
_INSERT = """
WITH entry AS (
    INSERT INTO ledger_entry (tenant, act, actor, at, obj, out, via, extra, body)
    SELECT $1::uuid, $2::text, $3::text, $4::timestamptz, $5::text, $6::text, $7::text, $8::jsonb, $9::text
    WHERE NOT EXISTS (SELECT FROM ledger_log WHERE tenant = $1::uuid AND state = 'read_only')
    RETURNING id
), queued AS (
    INSERT INTO ledger_pending (entry_id, tenant) SELECT id, $1::uuid FROM entry
), kept AS (
    INSERT INTO ledger_body (entry_id, tenant, part, commitment, salt, sealed, retention, state)
    SELECT id, $1::uuid, '', $9::text, $10::bytea, $11::bytea, 'standard', 'present' FROM entry WHERE $9::text <> ''
)
SELECT id FROM entry
"""
_INSERT_MEMBER = """
INSERT INTO ledger_body (entry_id, tenant, part, commitment, salt, sealed, retention, state)
VALUES ($1, $2, $3, $4, $5, $6, 'standard', 'present')
"""


def record(
    actor: Actor,
    act: str,
    object_id: UUID | str | int,
    *,
    clock: Clock,
    out: str = "ok",
    body: BodyIn | None = None,
    ref: int | None = None,
    range: tuple[int, int] | None = None,
    size: int | None = None,
    root: str | None = None,
    prev: str | None = None,
) -> LedgerEntry:
    """Write an act into the log of `actor.tenant`, in the caller's transaction, in one round trip.

    The last write of a service. `body` is JSON with integers only; personal data belongs in it and nowhere else.
    Errors: Invalid("ledger.entry_invalid"); Unavailable("ledger.read_only") while the log's integrity is in question.
    """
    optional: dict[str, JSON | tuple[int, int]] = {"ref": ref, "range": range, "size": size, "root": root, "prev": prev}
    extra = {name: value for name, value in optional.items() if value is not None}
    at = _milliseconds(clock.now())
    obj = acts.object_of(act, object_id)
    acts.check_extra(act, frozenset(extra))
    parts = _parts(body)
    commitment = parts[0].commitment if parts else ""
    _check_leaf(actor, act, out, extra)
    entry_id = _insert(actor, act, obj, out, at, commitment, extra, parts)
    return LedgerEntry(entry_id, actor.tenant, act, obj, at, commitment)


def erasable(value: JSON) -> Erasable:
    """Mark a member of a body as one that may be erased alone later."""
    return Erasable(value)


def wake_sequencer() -> None:
    """Ask the sequencer, when this transaction commits, to sign a checkpoint at once instead of at its next round."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [WAKE_CHANNEL])


def keep_cosignature(*, tenant: UUID, line: str, vkey: Vkey, checkpoint_size: int, clock: Clock, operator: str = "") -> bool:
    """Keep a witness's cosignature over the signed checkpoint of a size, after verifying it. False when it was kept before.

    `vkey` is the witness's registered key (kind 04), whose name is the witness. It sees the size rise, never fall.
    Errors: Invalid("ledger.bad_cosignature"); NotFound("ledger.no_such_checkpoint").
    """
    log = queries.live_log(tenant)
    signed = queries.signed_at_size(log.id, checkpoint_size) if log else None
    if log is None or signed is None:
        raise NotFound("ledger.no_such_checkpoint", f"No signed checkpoint of size {checkpoint_size} is known.")
    cosigned_at = _cosigned_at(line, vkey, signed[1])
    _, is_new = Cosignature.objects.get_or_create(
        tenant=tenant, log_id=log.id, size=checkpoint_size, witness=vkey.name, defaults={"line": line, "cosigned_at": cosigned_at}
    )
    _advance_witness(tenant, vkey, operator, checkpoint_size, cosigned_at)
    return is_new


def _cosigned_at(line: str, vkey: Vkey, note: bytes) -> datetime:
    try:
        signature = parse_signature(line)
        verified = verify_note(replace(parse_note(note), signatures=(signature,)), [vkey], verify_ed25519)
    except Rejected as error:
        raise Invalid("ledger.bad_cosignature", f"The cosignature does not hold: {error.detail}.") from error
    if not verified or verified[0].timestamp is None:
        raise Invalid("ledger.bad_cosignature", "The line is not a cosignature by the registered key of this witness.")
    return datetime.fromtimestamp(verified[0].timestamp, UTC)


def _advance_witness(tenant: UUID, vkey: Vkey, operator: str, size: int, at: datetime) -> None:
    witness, _ = Witness.objects.get_or_create(
        tenant=tenant, vkey=str(vkey), defaults={"kind": Witness.Kind.AGENT, "operator": operator, "cosigned_size": size, "cosigned_at": at}
    )
    if size > witness.cosigned_size:
        witness.cosigned_size, witness.cosigned_at = size, at
        witness.save(update_fields=["cosigned_size", "cosigned_at"])


def _milliseconds(at: datetime) -> datetime:
    return at - timedelta(microseconds=at.microsecond % 1000)


def _parts(body: BodyIn | None) -> list[Part]:
    if body is None:
        return []
    try:
        return list(parts_of(body, lambda: secrets.token_bytes(SALT_BYTES)))
    except Rejected as error:
        raise Invalid("ledger.entry_invalid", f"The body of the entry cannot be written: {error.detail}.") from error


def _check_leaf(actor: Actor, act: str, out: str, extra: Mapping[str, Any]) -> None:
    """Build a leaf as the sequencer will, with the longest of everything else: what passes here can always be sequenced."""
    try:
        if extra:
            _worst_leaf(actor.ref, act, out, actor.via.value, **extra)
        else:
            _usual_leaf(actor.ref, act, out, actor.via.value)
    except Rejected as error:
        raise Invalid("ledger.entry_invalid", f"The entry has no valid leaf: {error.detail}.") from error


@lru_cache(maxsize=4096)
def _usual_leaf(actor: str, act: str, out: str, via: str) -> bytes:
    # The same few words come again and again; checking them once saves a seventh of the cost of an entry.
    return _worst_leaf(actor, act, out, via)


def _worst_leaf(actor: str, act: str, out: str, via: str, **extra: Any) -> bytes:
    obj = acts.object_of(act, "0" * acts.OBJECT_ID_CHARS_MAX)
    return Leaf(_LONGEST_ORIGIN, INTEGER_MAX, "2026-01-15T12:00:00.000Z", act, actor, obj, out, via, "0" * 64, **extra).encode()


def _insert(
    actor: Actor, act: str, obj: str, out: str, at: datetime, commitment: str, extra: Mapping[str, object], parts: list[Part]
) -> int:
    sealed = [(part.salt, _sealed(actor.tenant, part)) for part in parts]
    columns = (actor.tenant, act, actor.ref, at, obj, out, actor.via.value, json.dumps(extra) if extra else None, commitment)
    cursor = _prepared_cursor()
    with connection.wrap_database_errors:
        row = cursor.execute(_INSERT, (*columns, *(sealed[0] if sealed else (None, None)))).fetchone()
        if row is None:
            raise Unavailable(
                "ledger.read_only", "The ledger of this tenant is read-only until its integrity is established.", retryable=False
            )
        for part, piece in zip(parts[1:], sealed[1:], strict=True):
            cursor.execute(_INSERT_MEMBER, (row[0], actor.tenant, part.name, part.commitment, *piece))
    return int(row[0])


def _sealed(tenant: UUID, part: Part) -> bytes:
    return current_sealer().seal(tenant, place_of(part.commitment), part.plain)


def _prepared_cursor() -> "psycopg.RawCursor[tuple[Any, ...]]":
    # Django's own cursor writes values into the text of a statement, which the server then parses and plans anew each
    # time; that is most of the cost of an entry. A prepared statement on the same connection is planned once.
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = 0  # Django's cursors never prepare, whatever it says here
    return psycopg.RawCursor(raw)
