"""The thief: everything that a stolen server can sign, write and say.

Owns: the online keys (command, reply, ledger), the ledger, commands and the ways to falsify them.
Does not own: a key of a person or of a device; what the wire does with it (`wire`).
Invariant: each forgery is what a thief could really make, with real signatures by real keys.
"""

import base64
import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

from mainstay_agent.host.ed25519 import KeyPair
from mainstay_trust import canonical, dsse
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.commands import Command
from mainstay_trust.dsse import Envelope
from mainstay_trust.keys import ORDER
from tests.agent.fakes import DEVICE, ORIGIN, TENANT, Ledger, identifier
from tests.journeys.compromised_server.people import OnlineKeys, new_key

NO_PROOF: dict[str, Any] = {"proof": None, "leaf": None, "consistency": []}
OLD_ENTRIES = 6
_numbers = itertools.count(1)


def now() -> int:
    return int(time.time())


@dataclass
class Thief:
    """Owns the server since long ago. `held`: the size of the ledger that the device holds, as its heartbeats say."""

    server: KeyPair = field(default_factory=new_key, repr=False)
    retired: KeyPair = field(default_factory=new_key, repr=False)
    revoked: KeyPair = field(default_factory=new_key, repr=False)
    reply: KeyPair = field(default_factory=new_key, repr=False)
    log_key: KeyPair = field(default_factory=new_key, repr=False)
    own: KeyPair = field(default_factory=new_key, repr=False)
    epoch: int = 2
    held: int = 1
    clock_s: int | None = None
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.log_key)
        for number in range(OLD_ENTRIES):
            self.ledger.append("estate.site.created", f"{number}", b"")

    def first_keys(self) -> OnlineKeys:
        return OnlineKeys((self.retired.public,), self.reply.public, str(self.ledger.vkey), ORIGIN)

    def rotated_keys(self) -> OnlineKeys:
        """Return what people listed after they had changed the server's key and revoked another one."""
        return replace(self.first_keys(), server=(self.server.public, self.revoked.public), revoked=(self.revoked.key_id,))

    # Commands

    def command(self, action: str = "service.restart@1", params: dict[str, Any] | None = None, **changes: Any) -> Command:
        number, at = next(_numbers), self.clock_s or now()
        known = CATALOGUE.get(action)
        command = Command(
            id=identifier(number),
            tenant=TENANT,
            aud=(DEVICE,),
            tier=known.tier if known else "T1",
            action=action,
            params={"unit": "web"} if params is None else params,
            nbf=at - 60,
            exp=at + 600,
            max_targets=1,
            effect=known.effect if known else "idempotent",
            idem=f"run:{number}/step:1",
            policy_epoch=self.epoch,
            reason="INC-1042",
        )
        return replace(command, **changes)

    def deliver(self, command: Command | bytes, *, signers: tuple[KeyPair, ...] | None = None, logged: bool = True) -> dict[str, Any]:
        """Sign a payload, write its leaf into the tenant's own ledger, prove it from where the device stands."""
        payload = command if isinstance(command, bytes) else command.encode()
        return self.carry(self.sign(payload, *(signers or (self.server,))), payload if logged else None)

    def sign(self, payload: bytes, *keys: KeyPair) -> Envelope:
        return dsse.seal(dsse.COMMAND, payload, [key.signer() for key in keys])

    def carry(self, envelope: Envelope, logged: bytes | None = None) -> dict[str, Any]:
        """Return a delivery of an envelope, with the proof of a payload's leaf when one is named."""
        return {"envelope": envelope.as_json(), **(self.ledger.issue(logged, self.held) if logged is not None else NO_PROOF)}

    def raw(self, command: Command, **members: Any) -> bytes:
        """Write a payload that no honest encoder would write."""
        return canonical.encode(canonical.parse_object(command.encode()) | members)

    # The ledger

    def honest_checkpoint(self) -> dict[str, Any]:
        answer = {"note": self.ledger.note().decode(), "consistency": self.ledger.consistency(self.held)}
        self.held = self.ledger.tree.size
        return answer

    def rewritten(self, size: int, origin: str = ORIGIN, key: KeyPair | None = None) -> Ledger:
        """Return another history of a size, signed by the log's own key unless another is given."""
        forged = Ledger(key or self.log_key, origin)
        while forged.tree.size < size:
            forged.append("estate.site.created", f"rewritten{forged.tree.size}", b"")
        return forged


def retyped(envelope: Envelope, payload_type: str) -> Envelope:
    return replace(envelope, payload_type=payload_type)


def twice(envelope: Envelope) -> Envelope:
    return replace(envelope, signatures=envelope.signatures * 2)


def hinted(envelope: Envelope, keyid: str) -> Envelope:
    """Return the envelope with its signature named after another key."""
    return replace(envelope, signatures=tuple(replace(one, keyid=keyid) for one in envelope.signatures))


def malleated(envelope: Envelope) -> Envelope:
    """Add the group order to S: the equation still holds, the bytes are others."""
    (signature,) = envelope.signatures
    scalar = int.from_bytes(signature.sig[32:], "little") + ORDER
    return replace(envelope, signatures=(replace(signature, sig=signature.sig[:32] + scalar.to_bytes(32, "little")),))


def with_signature(envelope: Envelope, sig: bytes) -> Envelope:
    (signature,) = envelope.signatures
    return replace(envelope, signatures=(replace(signature, sig=sig),))


def reworded(delivery: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """Put another payload below the signatures of a delivery."""
    return delivery | {"envelope": delivery["envelope"] | {"payload": base64.b64encode(payload).decode()}}
