"""The verbs of the tool: each reads files, does one thing, and returns what it did as JSON.

Owns: one function per verb. Does not own: arguments (`cli`), signing (`signatory`).
Invariant: a verb that fails has signed nothing and written no document.
"""

import hashlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from mainstay_sign import ceremony, files, render
from mainstay_sign.documents import read_envelope, understand, write_envelope
from mainstay_sign.ed25519 import verify
from mainstay_sign.signatory import Signatory
from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import POLICY, SUCCESSION, UNFREEZE, Envelope, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Keyring
from mainstay_trust.orders import Succession, Unfreeze
from mainstay_trust.policies import parse_policy
from mainstay_trust.roots import parse_root

Outcome: TypeAlias = dict[str, JSON]
Verb: TypeAlias = Callable[[Signatory, Namespace], Outcome]

# Who signs what; a T3 command and an artefact are not among the documents that this build signs.
_ROLE_OF = {"root": "root", "policy": "policy", "succession": "root", "unfreeze": "operator"}


def init(signatory: Signatory, options: Namespace) -> Outcome:
    """Root ceremony: quick with one person, or an unsigned root from a plan."""
    if not options.quick:
        root = ceremony.planned_root(_object(options.plan), now=signatory.now())
        write_envelope(options.out / "root.json", root)
        return {"root": str(options.out / "root.json"), "fingerprint": parse_root(root.payload).fingerprint, "signatures": 0}
    made = ceremony.quick(signatory, tenant=options.tenant, holder=options.holder, draft=_object(options.draft))
    write_envelope(options.out / "root.json", made.root)
    write_envelope(options.out / "policy.json", made.policy)
    policy = parse_policy(made.policy.payload)
    value = canonical.parse_object(made.policy.payload)
    return {
        "root": str(options.out / "root.json"),
        "policy": str(options.out / "policy.json"),
        "keys": str(signatory.keys_path),
        "key_id": made.root.signatures[0].keyid,
        "fingerprint": parse_root(made.root.payload).fingerprint,
        "epoch": policy.epoch,
        "expires": policy.expires,
        "reduced": True,
        "damage_bound": value["damage_bound"],
    }


def key(signatory: Signatory, options: Namespace) -> Outcome:
    """Make a key, or list the public halves of a keys file."""
    if options.what == "new":
        made = signatory.new_key(options.holder).key
        return {"key_id": made.key_id, "pub": made.public.hex(), "holder": made.holder}
    return {"keys": [{"key_id": keyid, "pub": k.public.hex(), "holder": k.holder} for keyid, k in signatory.keys.keys.items()]}


def inspect(_signatory: Signatory, options: Namespace) -> Outcome:
    """Show a document from its own bytes."""
    envelope = read_envelope(options.file)
    document = understand(envelope)
    digest = hashlib.sha256(document.payload).hexdigest()
    shown: list[JSON] = list(render.lines(document.value))
    return {
        "kind": document.kind,
        "tenant": document.tenant,
        "version": document.version,
        "sha256": digest,
        "confirm": f"{document.targets} {digest[-4:]}",
        "unusual": render.holds_unusual(document.value),
        "signed_by": [signature.keyid for signature in envelope.signatures],
        "members": shown,
    }


def sign(signatory: Signatory, options: Namespace) -> Outcome:
    """Add one signature to a document."""
    envelope = read_envelope(options.file)
    return _signed(signatory, options, envelope, options.out or options.file)


def combine(_signatory: Signatory, options: Namespace) -> Outcome:
    """Bring the signatures of several copies of one document together."""
    first, *others = [read_envelope(path) for path in options.files]
    if any((other.payload_type, other.payload) != (first.payload_type, first.payload) for other in others):
        raise Rejected("different_documents", "the files do not hold the same payload")
    merged = {signature.keyid: signature for copy in (first, *others) for signature in copy.signatures}
    envelope = Envelope(first.payload_type, first.payload, tuple(merged.values()))
    write_envelope(options.out, envelope)
    return {"file": str(options.out), "signatures": len(merged)}


def verify_document(signatory: Signatory, options: Namespace) -> Outcome:
    """Tell whether enough holders of the right role have signed a document."""
    envelope, root = read_envelope(options.file), parse_root(read_envelope(options.root).payload)
    document = understand(envelope)
    role = root.role(_ROLE_OF[document.kind])
    quorum = Keyring.of(role.keys).quorum(role, signed_by(envelope, role.keys, verify), at=signatory.now())
    if document.tenant != root.tenant:
        raise Rejected("wrong_tenant", "document and root belong to different tenants")
    if not quorum.is_reached:
        raise Rejected("threshold", f"{len(quorum.holders)} of {role.threshold} holders of the {_ROLE_OF[document.kind]} role signed")
    return {"kind": document.kind, "version": document.version, "holders": sorted(quorum.holders), "threshold": role.threshold}


def policy_edit(signatory: Signatory, options: Namespace) -> Outcome:
    """Sign the next epoch of a policy: the current one with the members of a JSON file in their place."""
    current = parse_policy(read_envelope(options.current).payload)
    changed = canonical.parse_object(current.payload) | _object(options.changes)
    payload = ceremony.policy_payload(
        changed,
        tenant=current.tenant,
        epoch=current.epoch + 1,
        issued=signatory.now(),
        is_reduced=current.reduced,
        devices=signatory.devices,
    )
    return _signed(signatory, options, Envelope(POLICY, payload, ()), options.out)


def policy_diff(_signatory: Signatory, options: Namespace) -> Outcome:
    """Show the typed difference of two documents."""
    old, new = (canonical.parse(read_envelope(path).payload) for path in (options.old, options.new))
    changes: list[JSON] = [{"path": d.path, "old": d.old, "new": d.new} for d in render.differences(old, new)]
    return {"changes": changes}


def unfreeze(signatory: Signatory, options: Namespace) -> Outcome:
    """Sign an order that lifts a freeze."""
    now = signatory.now()
    order = Unfreeze(options.tenant, tuple(options.device), now, now + options.valid_hours * 3600, options.reason)
    return _signed(signatory, options, Envelope(UNFREEZE, order.encode(), ()), options.out)


def succession(signatory: Signatory, options: Namespace) -> Outcome:
    """Sign that a log has ended and another one continues."""
    order = Succession(
        tenant=options.tenant,
        old_origin=options.old_origin,
        last_size=options.last_size,
        last_root=options.last_root,
        new_origin=options.new_origin,
        new_vkey=options.new_vkey,
        checkpoint=files.read(options.checkpoint).decode("utf-8", "replace"),
        reason=options.reason,
        issued=signatory.now(),
    )
    return _signed(signatory, options, Envelope(SUCCESSION, order.encode(), ()), options.out)


def diary(signatory: Signatory, _options: Namespace) -> Outcome:
    """Check the diary and list what was signed."""
    pages: list[JSON] = [
        {"seq": p.seq, "at": p.at, "tenant": p.tenant, "kind": p.kind, "version": p.version, "sha256": p.sha256, "key": p.key}
        for p in signatory.diary().pages
    ]
    return {"pages": pages}


def _signed(signatory: Signatory, options: Namespace, envelope: Envelope, path: Path) -> Outcome:
    document = understand(envelope)
    signed = signatory.sign(envelope, document, options.key)
    write_envelope(path, signed)
    return {
        "file": str(path),
        "kind": document.kind,
        "version": document.version,
        "sha256": hashlib.sha256(document.payload).hexdigest(),
        "signatures": len(signed.signatures),
    }


def _object(path: Path) -> dict[str, JSON]:
    return canonical.parse_object(files.read(path))
