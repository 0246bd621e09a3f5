"""The root document: who may sign what, and the chain by which one version hands over to the next.

Owns: parsing, thresholds, the first root (pinned by fingerprint) and every later one.
Does not own: how a fingerprint reached the device (an enrolment code, or a person at its keyboard).
Invariant: version N+1 follows N directly and carries the thresholds of both; a server cannot make or skip one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import ROOT, Envelope, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, Keyring, Role, Verify, check_key_id, public_from_hex
from mainstay_trust.members import CROCKFORD_ID, Members

LIFE_S_MAX = 400 * 86400
ROLES = ("root", "policy", "publisher", "operator")
NO_ROLE = Role((), 1)
_NAMES = ("v", "tenant", "version", "issued", "expires", "reduced", "keys", "roles")


@dataclass(frozen=True)
class Root:
    """One version of the root document of a tenant."""

    tenant: str
    version: int
    issued: int
    expires: int
    reduced: bool
    roles: Mapping[str, Role]
    payload: bytes

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple({key.key_id: key for role in self.roles.values() for key in role.keys}.values())

    def role(self, name: str) -> Role:
        """Return a role, or one that nobody can fill."""
        return self.roles.get(name, NO_ROLE)


def parse_root(payload: bytes) -> Root:
    """Read a root payload. Errors: Rejected: bad_root, bad_key, bad_keyid."""
    members = Members(_object(payload), code="bad_root", names=_NAMES)
    root = Root(
        tenant=members.text("tenant", form=CROCKFORD_ID),
        version=members.count("version", least=1),
        issued=members.count("issued"),
        expires=members.count("expires"),
        reduced=members.flag("reduced"),
        roles=_roles(members.record("roles"), _keys(members.record("keys"))),
        payload=payload,
    )
    if members.count("v", least=1, most=1) and not root.issued < root.expires <= root.issued + LIFE_S_MAX:
        raise Rejected("bad_root", "a root lives at most 400 days")
    if not root.reduced and min(root.role("root").threshold, root.role("policy").threshold) < 2:
        raise Rejected("bad_root", "one signer is reduced assurance, and the document must say so")
    return root


def first_root(envelope: Envelope, fingerprint: str, verify: Verify) -> Root:
    """Adopt a first root whose fingerprint came on a trusted path; it must also carry its own root threshold."""
    root = _opened(envelope)
    if root.fingerprint != fingerprint:
        raise Rejected("bad_root", "not the root whose fingerprint was given")
    _demand(root, envelope, verify)
    return root


def next_root(current: Root, envelope: Envelope, verify: Verify) -> Root:
    """Return the root that follows; the same bytes again are returned unchanged. Errors: Rejected: bad_root, wrong_tenant."""
    root = _opened(envelope)
    if root.payload == current.payload:
        return current
    if root.tenant != current.tenant:
        raise Rejected("wrong_tenant", "the root of another tenant")
    if root.version != current.version + 1:
        raise Rejected("bad_root", f"version {current.version + 1} is expected, not {root.version}")
    _demand(current, envelope, verify)
    _demand(root, envelope, verify)
    return root


def follow(fingerprint: str, envelopes: Sequence[Envelope], verify: Verify) -> Root:
    """Return the newest root of a chain whose first member has the fingerprint."""
    if not envelopes:
        raise Rejected("no_root", "an empty chain")
    root = first_root(envelopes[0], fingerprint, verify)
    for envelope in envelopes[1:]:
        root = next_root(root, envelope, verify)
    return root


def root_payload(*, tenant: str, version: int, issued: int, expires: int, reduced: bool, roles: Mapping[str, Role]) -> bytes:
    """Write a root document and read it back, so that nothing unreadable is ever signed."""
    keys = {key.key_id: key for role in roles.values() for key in role.keys}
    value: dict[str, JSON] = {
        "v": 1,
        "tenant": tenant,
        "version": version,
        "issued": issued,
        "expires": expires,
        "reduced": reduced,
        "keys": {keyid: {"pub": key.public.hex(), "holder": key.holder} for keyid, key in keys.items()},
        "roles": {name: {"keys": sorted(key.key_id for key in role.keys), "threshold": role.threshold} for name, role in roles.items()},
    }
    payload = canonical.encode(value)
    parse_root(payload)
    return payload


def _opened(envelope: Envelope) -> Root:
    if envelope.payload_type != ROOT:
        raise Rejected("bad_type", "not a root document")
    return parse_root(envelope.payload)


def _demand(authority: Root, envelope: Envelope, verify: Verify) -> None:
    # A root is judged by counting, not by time: an expired root must still be able to hand over to its successor.
    role = authority.role("root")
    quorum = Keyring.of(role.keys).quorum(role, signed_by(envelope, role.keys, verify), at=0)
    if not quorum.is_reached:
        raise Rejected("bad_root", f"{len(quorum.holders)} of {role.threshold} holders of root version {authority.version} signed")


def _object(payload: bytes) -> JSON:
    try:
        return canonical.parse_object(payload)
    except Rejected as error:
        raise Rejected("bad_root", error.detail) from error


def _keys(listed: Mapping[str, JSON]) -> dict[str, Key]:
    keys = {}
    for keyid, value in listed.items():
        members = Members(value, code="bad_root", names=("pub", "holder"))
        public = public_from_hex(members.raw("pub"))
        keys[check_key_id(keyid, public)] = Key(public, members.text("holder", most=100))
    return keys


def _roles(listed: Mapping[str, JSON], keys: Mapping[str, Key]) -> dict[str, Role]:
    if not {"root", "policy"} <= set(listed) <= set(ROLES):
        raise Rejected("bad_root", "roles are root, policy and, if wanted, publisher and operator")
    return {name: _role(name, value, keys) for name, value in listed.items()}


def _role(name: str, value: JSON, keys: Mapping[str, Key]) -> Role:
    members = Members(value, code="bad_root", names=("keys", "threshold"))
    named = members.texts("keys", most=32)
    if len(set(named)) != len(named) or not set(named) <= set(keys):
        raise Rejected("bad_root", f"role {name} lists a key twice, or one that the document does not hold")
    role = Role(tuple(keys[keyid] for keyid in named), members.count("threshold"))
    if not 1 <= role.threshold <= len({key.holder for key in role.keys}):
        raise Rejected("bad_root", f"threshold {role.threshold} of role {name} cannot be met by distinct holders")
    return role
