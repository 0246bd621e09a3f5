"""Documents on their way through this tool: envelopes in files, and what is known of each kind.

Owns: reading and writing envelope files, the kind, version and tenant of a payload, what counts as weakening.
Does not own: parsing (`mainstay_trust`).
Invariant: a payload that its own parser refuses is never signed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mainstay_sign import files
from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import POLICY, ROOT, SUCCESSION, UNFREEZE, Envelope, from_json
from mainstay_trust.errors import Rejected
from mainstay_trust.orders import parse_succession, parse_unfreeze
from mainstay_trust.policies import Policy, parse_policy
from mainstay_trust.roots import Root, parse_root


@dataclass(frozen=True)
class Document:
    """A payload that was understood. `version` is 0 for orders, which are judged by time and not by number."""

    kind: str
    payload_type: str
    tenant: str
    version: int
    targets: int
    payload: bytes

    @property
    def value(self) -> JSON:
        return canonical.parse(self.payload)


def read_envelope(path: Path) -> Envelope:
    """Read an envelope file; it may still be without signatures. Errors: Rejected("no_file" | "bad_envelope")."""
    data = files.read(path)
    try:
        value = canonical.parse(data)
    except Rejected as error:
        raise Rejected("bad_envelope", f"{path}: {error.detail}") from error
    return from_json(value, is_draft=True)


def write_envelope(path: Path, envelope: Envelope) -> None:
    files.write(path, envelope.encode() + b"\n")


def understand(envelope: Envelope) -> Document:
    """Parse a payload by its type. Errors: Rejected: bad_type, or what the parser says."""
    read = _READERS.get(envelope.payload_type)
    if read is None:
        raise Rejected("bad_type", f"{envelope.payload_type[:100]} is not signed by this tool")
    return read(envelope.payload)


def weakened(old: bytes, new: Document) -> list[str]:
    """Name what a new root or policy demands less of than the old one did."""
    if new.kind == "root":
        return _weaker_root(parse_root(old), parse_root(new.payload))
    return _weaker_policy(parse_policy(old), parse_policy(new.payload)) if new.kind == "policy" else []


def _weaker_root(old: Root, new: Root) -> list[str]:
    lower = [name for name, role in old.roles.items() if name in new.roles and new.roles[name].threshold < role.threshold]
    return [f"threshold of {name}: {old.roles[name].threshold} -> {new.roles[name].threshold}" for name in lower]


def _weaker_policy(old: Policy, new: Policy) -> list[str]:
    found = []
    if new.witness_quorum < old.witness_quorum:
        found.append(f"witness_quorum: {old.witness_quorum} -> {new.witness_quorum}")
    gone = {vkey.public for vkey in old.witness_keys} - {vkey.public for vkey in new.witness_keys}
    if gone and new.witness_quorum:
        found.append(f"keys.witness: {len(gone)} witnesses are no longer asked")
    if old.require_logged and not new.require_logged:
        found.append("require_logged: true -> false")
    if old.tls_mode == "pin" and new.tls_mode != "pin":
        found.append(f"tls_mode: pin -> {new.tls_mode}")
    return found + [f"revoked: {keyid} is trusted again" for keyid in sorted(old.revoked - new.revoked)]


def _root(payload: bytes) -> Document:
    root = parse_root(payload)
    return Document("root", ROOT, root.tenant, root.version, len(root.keys), payload)


def _policy(payload: bytes) -> Document:
    policy = parse_policy(payload)
    return Document("policy", POLICY, policy.tenant, policy.epoch, len(policy.services), payload)


def _succession(payload: bytes) -> Document:
    return Document("succession", SUCCESSION, parse_succession(payload).tenant, 0, 1, payload)


def _unfreeze(payload: bytes) -> Document:
    unfreeze = parse_unfreeze(payload)
    return Document("unfreeze", UNFREEZE, unfreeze.tenant, 0, len(unfreeze.aud), payload)


_READERS: Mapping[str, Callable[[bytes], Document]] = {
    ROOT: _root,
    POLICY: _policy,
    SUCCESSION: _succession,
    UNFREEZE: _unfreeze,
}
