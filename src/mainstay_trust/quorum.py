"""Enough witnesses, lately: what a policy with `witness_quorum` demands before anything above T0 runs (rule W4).

Owns: the witnessed checkpoint of a delivery, and counting the cosignatures on it.
Does not own: making cosignatures (`notes.cosign`), the alarm when trees disagree (`witness`).
Invariant: a cosignature counts once per key that the signed policy names, within its age, and only on a checkpoint of this very tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Verify, bytes_from_hex
from mainstay_trust.members import Members
from mainstay_trust.merkle import verify_consistency
from mainstay_trust.notes import Checkpoint, Vkey, open_checkpoint, verify_note

AGE_S_MAX = 86_400
AHEAD_S_MAX = 300
FORK, UNWITNESSED = "ledger_alarm", "ckpt_unwitnessed"


@dataclass(frozen=True)
class Witnessed:
    """A checkpoint with its cosignatures, and the proof that leads from it to the one under which the command was proven.

    It is usually older than that one: witnesses look every few minutes, and a command waits for none of them.
    """

    note: bytes
    consistency: tuple[bytes, ...] = ()


def witnessed_from_json(value: object) -> Witnessed | None:
    """Read the member `witnessed` of a delivery; None when there is none. Errors: Rejected("bad_envelope")."""
    if value is None:
        return None
    members = Members(value, code="bad_envelope", names=("note", "consistency"))
    hashes = members.items("consistency", lambda item: bytes_from_hex(item, 32, code="bad_envelope"), most=63)
    return Witnessed(str(members.raw("note")).encode(), hashes)


def judge_witnesses(
    witnessed: Witnessed | None,
    proven: Checkpoint,
    *,
    logs: Sequence[Vkey],
    witnesses: Sequence[Vkey],
    quorum: int,
    at: int,
    verify: Verify,
) -> str | None:
    """Return None when enough witnesses have seen this tree lately, else ckpt_unwitnessed, or ledger_alarm for another tree."""
    if quorum == 0:
        return None
    if witnessed is None:
        return UNWITNESSED
    try:
        seen, note = open_checkpoint(witnessed.note, logs, verify)
        signed = verify_note(note, witnesses, verify)
    except Rejected:
        return UNWITNESSED
    if (seen.origin, seen.size) == (proven.origin, proven.size) and seen.root != proven.root:
        return FORK  # two signed roots of one size: no proof can mend that
    if not _is_of_this_tree(seen, proven, witnessed.consistency):
        return UNWITNESSED
    fresh = {one.vkey.public for one in signed if one.timestamp is not None and at - AGE_S_MAX <= one.timestamp <= at + AHEAD_S_MAX}
    return None if len(fresh) >= quorum else UNWITNESSED


def _is_of_this_tree(seen: Checkpoint, proven: Checkpoint, hashes: Sequence[bytes]) -> bool:
    if seen.origin != proven.origin or seen.size == 0:
        return False
    old, new = (seen, proven) if seen.size <= proven.size else (proven, seen)
    return verify_consistency(old.size, new.size, old.root, new.root, hashes)
