"""The proof that a command was written to the ledger before it may run (check 10).

Owns: the delivered proof, and the judgement that it shows this command's issue leaf under a checkpoint that fits the stored one.
Does not own: the witness state (`witness`), policy's `require_logged`.
Invariant: an accepted command above T0 has a leaf that every witness of this log has seen or will see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Verify, bytes_from_hex
from mainstay_trust.ledger_leaf import Leaf, body_commitment, parse_leaf
from mainstay_trust.members import Members
from mainstay_trust.merkle import verify_consistency
from mainstay_trust.notes import Checkpoint, Vkey
from mainstay_trust.quorum import Witnessed, witnessed_from_json
from mainstay_trust.tlog_proof import parse_proof, prove

ISSUED_ACT = "automation.command.issued"
PAYLOAD_MEMBER = "payload_sha256"


@dataclass(frozen=True)
class IssueProof:
    """What travels with a command: the tlog-proof of its leaf, the leaf's salt and body, and a consistency proof.

    `witnessed`: for a policy that demands witnesses, the newest checkpoint that enough of them have seen.
    """

    proof: str
    salt: bytes
    body: JSON
    consistency: tuple[bytes, ...] = ()
    witnessed: Witnessed | None = None


def issue_from_json(proof: object, leaf: object, consistency: object, witnessed: object = None) -> IssueProof | None:
    """Read these members of a delivery; None when there is no proof. Errors: Rejected("bad_envelope")."""
    if proof is None:
        return None
    members = Members(
        {"proof": proof, "leaf": leaf, "consistency": consistency}, code="bad_envelope", names=("proof", "leaf", "consistency")
    )
    inner = Members(members.record("leaf"), code="bad_envelope", names=("salt", "body"))
    return IssueProof(
        proof=str(proof),
        salt=bytes_from_hex(inner.raw("salt"), 32, code="bad_envelope"),
        body=inner.raw("body"),
        consistency=members.items("consistency", lambda item: bytes_from_hex(item, 32, code="bad_envelope"), most=63),
        witnessed=witnessed_from_json(witnessed),
    )


def judge_issue(
    issue: IssueProof | None, payload_sha256: str, stored: Checkpoint | None, logs: Sequence[Vkey], verify: Verify
) -> tuple[str | None, Checkpoint | None]:
    """Return (None, newest checkpoint to keep), or the code not_logged or ledger_alarm and None."""
    if issue is None or stored is None:
        return "not_logged", None
    try:
        proof = parse_proof(issue.proof)
        proven = prove(proof, logs, verify)
        leaf = parse_leaf(proof.extra)
    except Rejected as error:
        return ("ledger_alarm" if error.code in ("unknown_origin", "bad_signature") else "not_logged"), None
    if proven.origin != stored.origin or not _are_consistent(stored, proven, issue.consistency):
        return "ledger_alarm", None
    is_here = leaf.log == proven.origin and leaf.seq == proof.index
    if not is_here or not _names(leaf, issue, payload_sha256):
        return "not_logged", None
    return None, max(stored, proven, key=lambda checkpoint: checkpoint.size)


def _names(leaf: Leaf, issue: IssueProof, payload_sha256: str) -> bool:
    """Tell whether a leaf is the issue leaf of this very payload."""
    if leaf.act != ISSUED_ACT or not isinstance(issue.body, Mapping) or issue.body.get(PAYLOAD_MEMBER) != payload_sha256:
        return False
    return leaf.body == body_commitment(issue.salt, issue.body)


def _are_consistent(stored: Checkpoint, proven: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Either may be the older one: a leaf proven under an older checkpoint counts when that is shown to be a prefix of ours."""
    if stored.size == 0:
        return True
    old, new = (stored, proven) if stored.size <= proven.size else (proven, stored)
    return verify_consistency(old.size, new.size, old.root, new.root, proof)
