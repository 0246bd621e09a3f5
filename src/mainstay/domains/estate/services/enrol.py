"""A device joins: hello proves the server to the agent, join proves the agent and its keys to the server.

Source: endpoint page, rules N1 to N4 and N6; the mathematics are `mainstay_trust.enrol`.
Invariant: nothing is written for a device whose proof of the code or of one key fails; the failed attempt is counted.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import Erasable
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.estate.models import Device, DeviceKey, DeviceState, EnrolToken, Route
from mainstay.domains.estate.rules import identity
from mainstay.domains.estate.services.codes import retire_token
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, Refused
from mainstay.kernel.json import Json
from mainstay_trust import enrol, keys

NONCE_BUCKET_S = 600


@dataclass(frozen=True)
class Machine:
    """What the agent says of the machine it runs on."""

    machine_id_hash: str
    hostname: str
    serial: str
    board_uuid: str
    macs: tuple[str, ...]
    boot_id: str


@dataclass(frozen=True)
class Join:
    """A request to join, parsed but not believed."""

    code_id: str
    agent_nonce: str
    server_nonce: str
    url: str
    mac: str
    keys: Mapping[str, bytes]
    proofs: Mapping[str, bytes]
    machine: Machine
    has_helper: bool
    version: str


@dataclass(frozen=True)
class Enrolled:
    device: Device
    ledger_entry: int
    is_new: bool


@dataclass(frozen=True)
class Hello:
    """The server's half of the handshake."""

    nonce: str
    mac: str


def hello(*, tenant: UUID, code_id: str, agent_nonce: str, url: str, spki: str, root: str, clock: Clock) -> Hello:
    """Prove to an agent that this server knows its code. Writes nothing. Errors: Refused when the code does not count."""
    token = _token(tenant, code_id, clock)
    key = bytes(token.proof_key or b"")
    nonce = _server_nonce(key, agent_nonce, clock.now())
    return Hello(nonce, enrol.server_mac(key, enrol.Transcript(code_id, agent_nonce, nonce, spki, root, url)))


@transaction.atomic
def join(*, actor: Actor, request: Join, spki: str, root: str, clock: Clock) -> Enrolled:
    """Let a device in that proves the code and its three keys.

    Errors: Refused("enrol_bad_mac" | "code_..."); Invalid("enrol_bad_proof"); Conflict("enrol_key_known") for a key in use.
    A repeated join of the same keys returns the device again, so that a lost answer costs nothing.
    """
    require(actor, "estate.device.enrol")
    token = _token(actor.tenant, request.code_id, clock)
    transcript = enrol.Transcript(request.code_id, request.agent_nonce, request.server_nonce, spki, root, request.url)
    _check_mac(token, request, transcript, clock)
    _check_proofs(request, transcript)
    again = _joined_before(actor.tenant, request)
    if again is not None:
        return again
    device = _create(actor.tenant, token, request, clock)
    _use(token, clock)
    body: dict[str, Json | Erasable] = {
        "evidence_key": keys.key_id(request.keys["evidence"]), "transport_key": keys.key_id(request.keys["transport"]),
            "witness_key": keys.key_id(request.keys["witness"]), "state": device.state, "name": ledger.erasable(device.name)}  # fmt: skip
    entry = ledger.record(actor, "estate.device.enrolled", device.id, clock=clock, body=body)
    outbox.publish(actor, "device.enrolled", device.id, {"device": device.id.hex, "state": device.state}, clock=clock)
    return Enrolled(device, entry.id, is_new=True)


def count_wrong_mac(*, tenant: UUID, code_id: str, clock: Clock) -> None:
    """Count a failed proof of a code; the fifth voids it. Runs in a transaction of its own, after the refusal."""
    token = EnrolToken.objects.select_for_update().filter(tenant=tenant, code_id=code_id, voided_at=None).first()
    if token is None:
        return
    token.wrong_attempts += 1
    token.save(update_fields=["wrong_attempts"])
    if token.wrong_attempts >= identity.WRONG_ATTEMPTS_MAX:
        retire_token(token, clock)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check a signature by libsodium; what libraries disagree on was refused before (`keys.signature_holds`)."""
    try:
        VerifyKey(public).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def _token(tenant: UUID, code_id: str, clock: Clock) -> EnrolToken:
    token = EnrolToken.objects.select_for_update().filter(tenant=tenant, code_id=code_id, voided_at=None).first()
    if token is None:
        raise Refused(identity.CodeReason.VOID, "This enrolment code is not valid; make a new one.")
    state = identity.CodeState(token.uses_left, token.expires_at, token.wrong_attempts, is_void=token.voided_at is not None)
    decision = identity.code_usable(state, at=clock.now())
    if not decision.is_yes:
        raise Refused(decision.reason, "This enrolment code no longer counts; make a new one.")
    return token


def _check_mac(token: EnrolToken, request: Join, transcript: enrol.Transcript, clock: Clock) -> None:
    key = bytes(token.proof_key or b"")
    if not _is_own_nonce(key, request, clock.now()) or not enrol.macs_match(enrol.agent_mac(key, transcript), request.mac):
        raise Refused("enrol_bad_mac", "The proof of the enrolment code does not hold; check the code.")


def _check_proofs(request: Join, transcript: enrol.Transcript) -> None:
    for purpose in enrol.PURPOSES:
        public, proof = request.keys.get(purpose, b""), request.proofs.get(purpose, b"")
        keys.check_public(public)
        if not keys.signature_holds(verify_ed25519, public, enrol.possession_message(purpose, transcript), proof):
            raise Invalid("enrol_bad_proof", f"The {purpose} key did not sign its proof of possession.", pointer=f"/proofs/{purpose}")
    if len(set(request.keys.values())) != len(enrol.PURPOSES):
        raise Invalid("enrol_bad_proof", "The three keys of a device must differ.", pointer="/keys")


def _joined_before(tenant: UUID, request: Join) -> Enrolled | None:
    key_id = keys.key_id(request.keys["transport"])
    route = Route.objects.filter(kind=Route.Kind.KEY, handle=key_id).first()
    if route is None:
        return None
    device = Device.objects.filter(tenant=tenant, id=route.device or tenant, machine_id_hash=request.machine.machine_id_hash).first()
    if device is None:
        raise Conflict("enrol_key_known", "This transport key belongs to another device; the agent must make new keys.")
    return Enrolled(device, 0, is_new=False)


def _create(tenant: UUID, token: EnrolToken, request: Join, clock: Clock) -> Device:
    machine, now = request.machine, clock.now()
    state = DeviceState.PENDING if token.needs_approval else DeviceState.ACTIVE
    device = Device.objects.create(
        id=new_id(), tenant=tenant, name=machine.hostname, site=token.site, labels=token.labels, state=state,
        machine_id_hash=machine.machine_id_hash, serial=machine.serial, board_uuid=machine.board_uuid, macs=list(machine.macs),
        boot_id=machine.boot_id, has_helper=request.has_helper, agent_version=request.version,
        first_enrolled_at=now, last_seen_at=now, approved_at=None if token.needs_approval else now,
    )  # fmt: skip
    device.proposed_match = _match(tenant, device)
    device.save(update_fields=["proposed_match"])
    for purpose, public in request.keys.items():
        DeviceKey.objects.create(
            tenant=tenant, device=device, purpose=purpose, public_key=public, key_id=keys.key_id(public), valid_from=now
        )
    Route.objects.create(kind=Route.Kind.KEY, handle=keys.key_id(request.keys["transport"]), home=tenant, device=device.id)
    return device


def _match(tenant: UUID, device: Device) -> UUID | None:
    known = [_fingerprint(one) for one in Device.objects.filter(tenant=tenant).exclude(id=device.id)]
    return identity.propose_match(_fingerprint(device), known)


def _fingerprint(device: Device) -> identity.Fingerprint:
    return identity.Fingerprint(device.id, device.serial, device.board_uuid, frozenset(device.macs))


def _use(token: EnrolToken, clock: Clock) -> None:
    token.uses_left -= 1
    if token.uses_left == 0:
        retire_token(token, clock)
    else:
        token.save(update_fields=["uses_left"])


def _server_nonce(key: bytes, agent_nonce: str, at: datetime, *, bucket_back: int = 0) -> str:
    # Derived, not stored: hello writes nothing, so it cannot be used to fill the database. The agent's own nonce makes
    # each handshake new; the bucket limits how long an answer stays good.
    bucket = int(at.timestamp()) // NONCE_BUCKET_S - bucket_back
    return hmac.digest(key, b"server-nonce\x00" + agent_nonce.encode() + b"\x00" + str(bucket).encode(), "sha256").hex()[:32]


def _is_own_nonce(key: bytes, request: Join, at: datetime) -> bool:
    candidates = (_server_nonce(key, request.agent_nonce, at, bucket_back=back) for back in (0, 1))
    return any(hmac.compare_digest(one, request.server_nonce) for one in candidates)
