"""What devices answer: signed results, one chain per device.

Owns: verifying a result with the device's evidence key, its place in the chain, its row and its ledger leaf.
Invariant: a result is acknowledged only after it is stored; the server holds no key that could make one.
Source: endpoint page, 2.7 V1 to V4.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.automation.models import Command, CommandResult, DeviceTrust
from mainstay.domains.automation.services.runs import signal_run
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import dsse
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key
from mainstay_trust.results import Head, Result, link, open_result, out_commit

OUTPUT_SHOWN_CHARS = 20_000
ENDS = frozenset({"refused", "done", "failed", "interrupted", "expired", "killed"})
# These two answer a repetition with what is known already; nothing new happened on the device.
QUIET_REFUSALS = frozenset({"replayed", "idem_done"})


@transaction.atomic
def accept_results(*, actor: Actor, device_id: UUID, results: Sequence[Mapping[str, Json]], clock: Clock) -> int:
    """Store new links of a device's chain in order. Returns the highest sequence number that is stored.

    Errors: Invalid("automation.result_invalid") for a signature or form that does not hold,
    Invalid("automation.result_chain", expected=seq) for a link that comes before its predecessor.
    """
    require(actor, "automation.result.accept")
    head = _lock_head(actor.tenant, device_id)
    for sent in results:
        envelope = dsse.from_json(sent.get("envelope"))
        result = _opened(actor.tenant, device_id, envelope)
        if head is not None and result.seq <= head.seq:
            continue
        head = _store(actor, device_id, head, result, envelope, sent.get("out"), clock)
    return head.seq if head is not None else -1


@transaction.atomic
def mark_heartbeat(*, actor: Actor, device_id: UUID, heartbeat: Mapping[str, Json], clock: Clock) -> DeviceTrust:
    """Keep what a device says of its own authority; a chain head behind ours means that it was rolled back."""
    require(actor, "automation.result.accept")
    chain = heartbeat.get("chain") if isinstance(heartbeat.get("chain"), dict) else {}
    said_seq = chain.get("seq") if isinstance(chain, dict) else None
    head = _lock_head(actor.tenant, device_id)
    # The head that a device names is the number of its links; ours is the index of the last one we hold.
    is_rolled_back = head is not None and isinstance(said_seq, int) and said_seq <= head.seq
    before = DeviceTrust.objects.filter(tenant=actor.tenant, device_id=device_id).first()
    row, _ = DeviceTrust.objects.update_or_create(
        tenant=actor.tenant,
        device_id=device_id,
        defaults={
            "has_helper": bool(heartbeat.get("helper")),
            "root_version": _number(heartbeat.get("root_version")),
            "policy_epoch": _number(heartbeat.get("policy_epoch")),
            "chain_seq": said_seq if isinstance(said_seq, int) else None,
            "chain_hash": str(chain.get("hash") or "") if isinstance(chain, dict) else "",
            "is_frozen": bool(heartbeat.get("freeze")),
            "ckpt_size": _number(heartbeat.get("ckpt_size")) or 0,
            "alarm": "state_rollback" if is_rolled_back else "",
            "said_at": clock.now(),
        },
    )
    if is_rolled_back and (before is None or before.alarm != "state_rollback"):
        ledger.record(actor, "automation.device.rolled_back", device_id, clock=clock, out="failed", body={"said": said_seq})
        outbox.publish(actor, "device.rolled_back", device_id, {"said": said_seq}, clock=clock)
    return row


def _lock_head(tenant: UUID, device_id: UUID) -> CommandResult | None:
    return CommandResult.objects.select_for_update().filter(tenant=tenant, device_id=device_id).order_by("-seq").first()


def _opened(tenant: UUID, device_id: UUID, envelope: dsse.Envelope) -> Result:
    key = estate.public_key(tenant, device_id, "evidence")
    try:
        result = open_result(envelope, Key(key, holder="device"), ed25519_holds)
    except Rejected as problem:
        raise Invalid("automation.result_invalid", f"The result was refused: {problem.detail}.", why=problem.code) from problem
    if result.device != to_base32(device_id) or result.tenant != to_base32(tenant):
        raise Invalid("automation.result_invalid", "The result names another device or tenant.", why="wrong_audience")
    return result


def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify an Ed25519 signature (RFC 8032) with libsodium; False for every kind of failure."""
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def _store(
    actor: Actor,
    device_id: UUID,
    head: CommandResult | None,
    result: Result,
    envelope: dsse.Envelope,
    out: Json,
    clock: Clock,
) -> CommandResult:
    has_gap = _has_gap(head, result)
    command = Command.objects.select_for_update().filter(tenant=actor.tenant, payload_sha256=result.cmd or "").first()
    output, salt = _output(result, out)
    row = CommandResult(
        id=new_id(),
        tenant=actor.tenant,
        device_id=device_id,
        seq=result.seq,
        prev=result.prev,
        payload_sha256=hashlib.sha256(envelope.payload).hexdigest(),
        command_id=command.id if command else None,
        decision=result.decision,
        reason=result.reason or "",
        envelope=envelope.as_json(),
        output=output[:OUTPUT_SHOWN_CHARS],
        output_salt=salt,
        has_gap_before=has_gap,
        received_at=clock.now(),
    )
    entry = ledger.record(
        actor,
        "automation.result.recorded",
        row.id,
        clock=clock,
        out={"done": "ok", "refused": "refused", "failed": "failed"}.get(result.decision, "unknown"),
        body={"payload_sha256": row.payload_sha256, "decision": row.decision, "reason": row.reason, "seq": row.seq},
    )
    row.ledger_entry = entry.id
    row.save(force_insert=True)
    _answer(actor, row, command, clock)
    if has_gap:
        outbox.publish(actor, "result.gap", row.id, {"device": str(device_id), "seq": row.seq}, clock=clock)
    if command is None and result.decision != "local":
        outbox.publish(actor, "command.unknown", row.id, {"device": str(device_id), "reason": row.reason}, clock=clock)
    return row


def _has_gap(head: CommandResult | None, result: Result) -> bool:
    """Tell whether something is missing before a link. A later link than the next is not taken: the device sends the missing first."""
    known = Head() if head is None else Head(head.seq + 1, head.payload_sha256)
    if head is not None and result.seq > known.seq:
        raise Invalid("automation.result_chain", f"Link {known.seq} of the device's chain is missing.", expected=known.seq)
    return link(known, result) is not None


def _answer(actor: Actor, row: CommandResult, command: Command | None, clock: Clock) -> None:
    if command is None or (row.decision == "refused" and row.reason in QUIET_REFUSALS):
        return  # a delivery that crossed the answer on the wire: what the device did the first time still counts
    if row.decision in ENDS:
        command.state, command.decision, command.reason, command.answered_at = "answered", row.decision, row.reason, clock.now()
        command.save(update_fields=["state", "decision", "reason", "answered_at"])
    if row.decision == "refused":
        outbox.publish(actor, "command.refused", row.id, {"device": str(row.device_id), "code": row.reason}, clock=clock)
    if command.run_id is not None:
        body = {"decision": row.decision, "reason": row.reason, "result": str(row.id), "output": _read_json(row.output)}
        signal_run(actor=actor, run_id=command.run_id, name=f"command:{command.id}", idem_key=f"result:{row.seq}", body=body, clock=clock)


def _output(result: Result, out: Json) -> tuple[str, str]:
    """Return the output text and its salt, where the device sent one that fits its own commitment."""
    if not isinstance(out, dict) or result.out_commit is None:
        return "", ""
    try:
        salt, data = bytes.fromhex(str(out["salt"])), base64.b64decode(str(out["output_b64"]), validate=True)
    except (KeyError, ValueError, binascii.Error) as problem:
        raise Invalid("automation.result_invalid", "The output of a result is not readable.", why="bad_output") from problem
    if len(salt) != 32 or out_commit(salt, data) != result.out_commit:
        raise Invalid("automation.result_invalid", "The output does not fit the commitment in its result.", why="bad_output")
    return data.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}"), salt.hex()


def _read_json(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
