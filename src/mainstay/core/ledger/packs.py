"""Evidence packs: a log, or a range of it, with its bodies, for somebody who does not trust this server.

Owns: reading leaves, bodies, checkpoints and cosignatures for a pack. Does not own: the form of a pack
(mainstay_trust.pack), its verification (mainstay_verify), which person may export (callers ask access).
Invariant: a pack holds every leaf of its range; what it leaves out of the bodies is said per body, never silently.
Source: security page, section 1 rules 22 to 24.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from mainstay.core.ledger import queries
from mainstay.core.ledger.entries import WHOLE
from mainstay.core.ledger.models import Body, Checkpoint, Leaf, Log, Witness
from mainstay.core.ledger.sealing import current_sealer, place_of
from mainstay.kernel.errors import Invalid, NotFound
from mainstay_trust import canonical, merkle, pack
from mainstay_trust.errors import Rejected
from mainstay_trust.notes import parse_note, parse_signature, parse_vkey

PAGE = 2000
INNER_CHECKPOINTS_MAX = 100


@dataclass(frozen=True)
class PackSummary:
    """What a pack holds: leaves [begin, end) of the log at checkpoint `size`, and how many bodies are disclosed or gone."""

    origin: str
    begin: int
    end: int
    size: int
    root_hex: str
    bodies: int
    gone: int


def export_pack(
    tenant: UUID,
    file: BinaryIO,
    *,
    begin: int = 0,
    end: int | None = None,
    with_bodies: bool = True,
    devices: Iterable[pack.DeviceChain] = (),
) -> PackSummary:
    """Write the pack of a tenant's live log (by default all of it) under its newest signed checkpoint.

    Runs in a transaction that may read the tenant. Equal content gives equal bytes.
    Errors: NotFound("ledger.no_checkpoint"); Invalid("ledger.range_invalid"); Invalid("ledger.pack_too_large").
    """
    log, head = queries.live_log(tenant), queries.checkpoint(tenant)
    if log is None or head is None:
        raise NotFound("ledger.no_checkpoint", "The log has no signed checkpoint yet; it has one a second after its first entry.")
    last = head.size if end is None else end
    if not 0 <= begin < last <= head.size:
        raise Invalid("ledger.range_invalid", f"The range must lie within the {head.size} leaves of the log.")
    read = queries.reader(log.id, head.size)
    disclosures = list(_disclosures(log, begin, last)) if with_bodies else []
    try:
        pack.write_zip(
            file,
            pack.log_pack(
                leaves=_leaves(log, begin, last),
                checkpoint=_with_cosignatures(log, head.size, head.note),
                policy=_policy(log),
                begin=begin,
                left=merkle.frontier_hashes(begin, read),
                to_checkpoint=merkle.consistency_proof(last, head.size, read) if last < head.size else (),
                bodies=disclosures,
                devices=devices,
                checkpoints=_inner_checkpoints(log, begin, last, head.size),
            ),
        )
    except Rejected as error:
        raise Invalid("ledger.pack_too_large", f"The pack cannot be written: {error.detail}.") from error
    gone = sum(isinstance(disclosure, pack.Gone) for disclosure in disclosures)
    return PackSummary(log.origin, begin, last, head.size, head.root.hex(), len(disclosures) - gone, gone)


def _leaves(log: Log, begin: int, end: int) -> Iterator[bytes]:
    for first in range(begin, end, PAGE):
        rows = Leaf.objects.filter(log_id=log.id, seq__gte=first, seq__lt=min(first + PAGE, end)).order_by("seq")
        yield from (bytes(leaf) for leaf in rows.values_list("leaf", flat=True))


def _disclosures(log: Log, begin: int, end: int) -> Iterator[pack.Disclosure]:
    for first in range(begin, end, PAGE):
        leaves = Leaf.objects.filter(log_id=log.id, seq__gte=first, seq__lt=min(first + PAGE, end))
        seqs = dict(leaves.values_list("entry_id", "seq"))
        # The whole body comes before its parts: its name, the empty text, sorts first.
        bodies = Body.objects.filter(tenant=log.tenant, entry_id__in=seqs)
        for body in sorted(bodies, key=lambda body: (seqs[body.entry_id], body.part)):
            yield _disclosure(seqs[body.entry_id], body)


def _disclosure(seq: int, body: Body) -> pack.Disclosure:
    if body.state != Body.State.PRESENT or body.salt is None or body.sealed is None:
        return pack.Gone(seq, body.state)
    value = canonical.parse(current_sealer().open(body.tenant, place_of(body.commitment), bytes(body.sealed)))
    if body.part == WHOLE:
        return pack.Body(seq, bytes(body.salt), value)
    return pack.Part(seq, body.commitment, bytes(body.salt), value)


def _inner_checkpoints(log: Log, begin: int, end: int, head: int) -> list[bytes]:
    """Return some signed checkpoints within the range, evenly spread: they narrow down where a log was changed."""
    rows = Checkpoint.objects.filter(log_id=log.id, size__gt=begin, size__lte=min(end, head - 1), note__isnull=False)
    sizes = list(rows.order_by("size").values_list("size", flat=True))
    chosen = sizes[:: len(sizes) // INNER_CHECKPOINTS_MAX + 1]
    notes = rows.filter(size__in=chosen).order_by("size").values_list("size", "note")
    return [_with_cosignatures(log, size, note.encode()) for size, note in notes if note]


def _with_cosignatures(log: Log, size: int, note: bytes) -> bytes:
    signed = parse_note(note)
    for line in queries.cosignature_lines(log.id, size):
        signed = signed.with_signature(parse_signature(line))
    return signed.encode()


def _policy(log: Log) -> str:
    """Return the keys that this server declares; an auditor brings his own list."""
    vkeys = [parse_vkey(text) for text in Witness.objects.filter(tenant=log.tenant).order_by("vkey").values_list("vkey", flat=True)]
    return pack.policy_text([parse_vkey(log.vkey)], [(vkey.name, vkey) for vkey in vkeys])
