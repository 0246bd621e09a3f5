"""The poll: what rides in it is stored first, then it waits until there is something to say.

Source: endpoint page, rules X4, X9, N5, W2. Invariant: a poll that was stored before is answered and not stored again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from mainstay.connectors.agent.intake import fields, streams
from mainstay.connectors.agent.intake.gate import Caller
from mainstay.core.ledger import queries as ledger
from mainstay.core.ledger import services as ledger_services
from mainstay.domains.automation import queries as automation
from mainstay.domains.automation import services as automation_services
from mainstay.domains.estate import queries as estate_queries
from mainstay.domains.estate import services as estate
from mainstay.domains.estate.rules.freshness import POLL_S
from mainstay.domains.estate.services.contact import Contact
from mainstay.kernel import actors
from mainstay.kernel.actors import Via
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, MainstayError
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import canonical, dsse
from mainstay_trust.errors import Rejected
from mainstay_trust.notes import COSIGNER_KEY, Vkey

WAIT_S_MAX = 90
SAMPLE_S = 10
_POLLS_REMEMBERED = 50_000


@dataclass(frozen=True)
class Opened:
    """A poll whose contents are stored, ready to wait. `held_size`: the checkpoint that the device holds."""

    caller: Caller
    seq: int
    wait_s: int
    held_size: int
    extra: Mapping[str, Json]


@dataclass(frozen=True)
class Look:
    """What there is to say now. `is_waiting`: a command's proof is about to exist; look again at once."""

    data: dict[str, Json]
    is_due: bool
    is_waiting: bool


class Seen:
    """The hashes of the last polls, so that a request sent again by somebody else is not taken for a clone."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[tuple[UUID, int], str] = OrderedDict()
        self._lock = Lock()

    def hash_of(self, device_id: UUID, seq: int) -> str | None:
        with self._lock:
            return self._hashes.get((device_id, seq))

    def note(self, device_id: UUID, seq: int, digest: str) -> None:
        with self._lock:
            self._hashes[device_id, seq] = digest
            while len(self._hashes) > _POLLS_REMEMBERED:
                self._hashes.popitem(last=False)


def open_poll(caller: Caller, body: Mapping[str, object], raw: bytes, seen: Seen, clock: Clock) -> Opened:
    """Store what rides in a poll. Errors: Conflict("replayed") for an old request that was sent once more."""
    seq, digest = fields.whole(body, "seq", least=0), hashlib.sha256(raw).hexdigest()
    known = seen.hash_of(caller.device.id, seq)
    if known == digest and seq < caller.device.poll_seq:
        raise Conflict("replayed", "This poll was answered before; it was not stored again.")
    contact = estate.record_contact(
        actor=caller.actor, device_id=caller.device.id, seq=seq, boot_id=fields.text(body, "boot", length_max=40, default=""), clock=clock
    )
    if contact.contact is Contact.CLONE or (known is not None and known != digest):
        _quarantine(caller, contact.reason, clock)
    heartbeat = body.get("hb")
    extra: dict[str, Json] = {}
    if contact.contact is Contact.NEXT:
        extra |= streams.store_samples(caller, body.get("samples"), clock)
        streams.store_states(caller, body.get("states") or [], clock)
    if isinstance(heartbeat, Mapping):
        extra |= _heartbeat(caller, heartbeat, clock)
    if contact.contact is not Contact.CLONE:
        seen.note(caller.device.id, seq, digest)
    wait_s = min(fields.whole(body, "wait_s"), WAIT_S_MAX)
    held = fields.number_or_none(body, "held")
    return Opened(caller, seq, 0 if extra else wait_s, held if held is not None else _held_size(caller), extra)


def look(opened: Opened, clock: Clock) -> Look:
    """Gather what the device should hear now."""
    caller = opened.caller
    deliveries = automation.deliveries(caller.tenant, caller.device.id, held_size=opened.held_size, now=clock.now())
    commands = [] if caller.is_pending else [one for one in deliveries.commands if caller.is_trusted or _is_t0(one)]
    extra = dict(opened.extra)
    hints: dict[str, Json] = {"poll_s": POLL_S, "sample_s": SAMPLE_S, "watch": _watch(caller)}
    if "resend_from_ms" in extra:
        hints["resend_from_ms"] = extra.pop("resend_from_ms")
    data: dict[str, Json] = {
        "commands": commands,
        "docs": _documents(caller.tenant, clock),
        "hints": hints,
        "checkpoint": None,
        "need_dict": False,
        "want_groups": [],
        **extra,
    }
    return Look(data, is_due=bool(commands), is_waiting=deliveries.is_waiting and not caller.is_pending)


def _heartbeat(caller: Caller, beat: Mapping[str, object], clock: Clock) -> dict[str, Json]:
    spool = beat.get("spool")
    spool = spool if isinstance(spool, Mapping) else {}
    diag = beat.get("diag")
    missing = estate.record_heartbeat(
        actor=caller.actor,
        device_id=caller.device.id,
        beat=estate.Heartbeat(
            version=fields.text(beat, "version", length_max=40),
            has_helper=beat.get("helper") is True,
            facts_hash=str(beat.get("facts_hash") or "")[:64],
            clock_offset_ms=fields.number_or_none(beat, "clock_offset_ms"),
            spool_bytes=fields.number_or_none(spool, "bytes"),
            spool_dropped=fields.number_or_none(spool, "dropped"),
            is_frozen=beat.get("freeze") is True,
            diag=[str(line) for line in diag] if isinstance(diag, list) else [],
        ),
        clock=clock,
    )
    automation_services.mark_heartbeat(actor=caller.actor, device_id=caller.device.id, heartbeat=beat, clock=clock)  # type: ignore[arg-type] # parsed JSON
    size = fields.number_or_none(beat, "ckpt_size") or 0
    _keep_cosignature(caller, beat.get("cosignature"), size, clock)
    answer = ledger.heartbeat_answer(caller.tenant, size)
    checkpoint: Json = {"note": answer.note, "consistency": list(answer.consistency)} if answer is not None else None
    return {"checkpoint": checkpoint, "want_groups": list(missing)}


def _keep_cosignature(caller: Caller, line: object, size: int, clock: Clock) -> None:
    key = estate_queries.device_key(caller.tenant, caller.device.id, "witness")
    if not isinstance(line, str) or not size or key is None:
        return
    vkey = Vkey(f"mainstay-device/{to_base32(caller.device.id)}", COSIGNER_KEY, bytes(key.public_key))
    try:
        ledger_services.keep_cosignature(tenant=caller.tenant, line=line[:2000], vkey=vkey, checkpoint_size=size, clock=clock)
    except (MainstayError, Rejected):
        # A cosignature that does not hold is worth nothing, and costs nothing: the poll that carried it still counts.
        estate.count_refusal("bad_cosignature", clock=clock, device_id=caller.device.id)


def _held_size(caller: Caller) -> int:
    trust = automation.device_trust(caller.tenant, caller.device.id)
    return trust.ckpt_size if trust is not None else 0


def _quarantine(caller: Caller, reason: str, clock: Clock) -> None:
    intake = actors.system("intake", caller.tenant, via=Via.AGENT)
    reason = reason if reason.startswith("clone:") else "clone:two_bodies_one_seq"
    estate.quarantine_device(actor=intake, device_id=caller.device.id, reason=reason, clock=clock)
    caller.device.state = "quarantined"
    estate.count_refusal("clone_suspected", clock=clock, device_id=caller.device.id)


def _documents(tenant: UUID, clock: Clock) -> dict[str, Json]:
    root, policy = automation.newest_document(tenant, "root"), automation.newest_document(tenant, "policy")
    return {
        "root": root.version if root is not None else None,
        "policy": policy.version if policy is not None else None,
        "orders": automation.orders_name(tenant, clock.now()),
    }


def _watch(caller: Caller) -> list[Json]:
    own = [str(unit) for unit in caller.device.watch]
    return [*sorted({*own, *automation.watched_units(caller.tenant, caller.device.id)})[: estate_queries.WATCHED_MAX]]


def _is_t0(delivery: Mapping[str, Json]) -> bool:
    """A device in doubt only observes, whatever was issued before the doubt."""
    payload = canonical.parse_object(dsse.from_json(delivery.get("envelope")).payload)
    return payload.get("tier") == "T0"
