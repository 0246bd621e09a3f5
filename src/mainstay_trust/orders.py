"""Single orders that people sign offline: `succession` of a log and `unfreeze` of devices.

Owns: their members and who must have signed. Does not own: carrying them out.
Invariant: a server can ask for either and can make neither; an order names its tenant and, for a freeze, ends by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import SUCCESSION, UNFREEZE, Envelope, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Keyring, Role, Verify
from mainstay_trust.members import CROCKFORD_ID, Members
from mainstay_trust.notes import parse_vkey
from mainstay_trust.roots import Root

UNFREEZE_LIFE_S_MAX = 7 * 86400


@dataclass(frozen=True)
class Succession:
    """The old log ended at (last_size, last_root); the new one begins with `checkpoint`, a note signed by `new_vkey`."""

    tenant: str
    old_origin: str
    last_size: int
    last_root: str
    new_origin: str
    new_vkey: str
    checkpoint: str
    reason: str
    issued: int

    def encode(self) -> bytes:
        return _written(asdict(self), parse_succession)


@dataclass(frozen=True)
class Unfreeze:
    """Lifts a freeze on the devices of `aud`, or on every device of the tenant when `aud` is empty."""

    tenant: str
    aud: tuple[str, ...]
    issued: int
    expires: int
    reason: str

    def encode(self) -> bytes:
        return _written(asdict(self), parse_unfreeze)

    def is_for(self, device: str) -> bool:
        return not self.aud or device in self.aud


Order = TypeVar("Order", Succession, Unfreeze)


def parse_succession(payload: bytes) -> Succession:
    """Read a succession payload. Errors: Rejected("bad_payload" | "bad_vkey")."""
    members = _members(payload, Succession)
    succession = Succession(
        tenant=members.text("tenant", form=CROCKFORD_ID),
        old_origin=members.text("old_origin"),
        last_size=members.count("last_size"),
        last_root=members.digest("last_root"),
        new_origin=members.text("new_origin"),
        new_vkey=members.text("new_vkey"),
        checkpoint=str(members.raw("checkpoint")),
        reason=members.text("reason"),
        issued=members.count("issued"),
    )
    if parse_vkey(succession.new_vkey).name != succession.new_origin or succession.new_origin == succession.old_origin:
        raise Rejected("bad_payload", "a succession names a new origin and the key of this origin")
    return succession


def parse_unfreeze(payload: bytes) -> Unfreeze:
    """Read an unfreeze payload. Errors: Rejected("bad_payload")."""
    members = _members(payload, Unfreeze)
    unfreeze = Unfreeze(
        tenant=members.text("tenant", form=CROCKFORD_ID),
        aud=members.texts("aud", form=CROCKFORD_ID),
        issued=members.count("issued"),
        expires=members.count("expires"),
        reason=members.text("reason"),
    )
    if not unfreeze.issued < unfreeze.expires <= unfreeze.issued + UNFREEZE_LIFE_S_MAX:
        raise Rejected("bad_payload", "an unfreeze lives at most seven days")
    return unfreeze


def open_succession(envelope: Envelope, root: Root, verify: Verify, *, at: int) -> Succession:
    """Return a succession that carries the root threshold. Errors: Rejected: bad_type, bad_payload, wrong_tenant, threshold."""
    _demand(envelope, SUCCESSION, root.role("root"), frozenset(), verify, at)
    return _of_tenant(parse_succession(envelope.payload), root)


def open_unfreeze(envelope: Envelope, root: Root, revoked: frozenset[str], verify: Verify, *, at: int) -> Unfreeze:
    """Return an unfreeze that one operator signed. Errors: Rejected: those above, key_revoked, expired."""
    _demand(envelope, UNFREEZE, Role(root.role("operator").keys, 1), revoked, verify, at)
    unfreeze = _of_tenant(parse_unfreeze(envelope.payload), root)
    if at > unfreeze.expires:
        raise Rejected("expired", "the unfreeze is past its end")
    return unfreeze


def _of_tenant(order: Order, root: Root) -> Order:
    if order.tenant != root.tenant:
        raise Rejected("wrong_tenant", "an order for another tenant")
    return order


def _demand(envelope: Envelope, payload_type: str, role: Role, revoked: frozenset[str], verify: Verify, at: int) -> None:
    if envelope.payload_type != payload_type:
        raise Rejected("bad_type", f"{payload_type} is expected")
    quorum = Keyring.of(role.keys, revoked).quorum(role, signed_by(envelope, role.keys, verify), at=at)
    if not quorum.is_reached:
        raise Rejected(quorum.failure, f"{len(quorum.holders)} of {role.threshold} holders signed")


def _members(payload: bytes, kind: type[Succession] | type[Unfreeze]) -> Members:
    try:
        value = canonical.parse(payload, depth_max=4)
    except Rejected as error:
        raise Rejected("bad_payload", error.detail) from error
    members = Members(value, code="bad_payload", names=(*kind.__dataclass_fields__, "v"))
    members.count("v", least=1, most=1)
    return members


def _written(members: Mapping[str, JSON], parse: Callable[[bytes], object]) -> bytes:
    payload = canonical.encode({**members, "v": 1})
    parse(payload)
    return payload
