"""An endpoint as a witness of its tenant's log: doubt, fork, and what clears them (rules W1 to W3).

Owns: the state machine from one heartbeat to the next.
Does not own: signatures (open a note with `notes.open_checkpoint` first), storage, the alarm's delivery.
Invariant: the stored checkpoint only ever moves forward along a proof; a fork is never cleared by another checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mainstay_trust.merkle import EMPTY_ROOT, verify_consistency
from mainstay_trust.notes import Checkpoint

MISSES_MAX = 3

UNCHANGED, STORED, ASKED_AGAIN, DOUBT, FORK = "unchanged", "stored", "asked_again", "doubt", "fork"


@dataclass(frozen=True)
class Witness:
    """What is remembered: the last accepted checkpoint, unanswered heartbeats in a row, and the standing alarm."""

    checkpoint: Checkpoint
    misses: int = 0
    alarm: str | None = None

    @property
    def is_alarmed(self) -> bool:
        return self.alarm is not None


def observe(witness: Witness, offered: Checkpoint | None, proof: Sequence[bytes] | None) -> tuple[Witness, str]:
    """Judge the answer to one heartbeat; return the state to store and one of the outcomes above.

    `offered`: the checkpoint of a note signed by the log's known key, None when none came. `proof`: from the stored size, None
    when none came. A note of an unknown origin is `foreign`, because it cannot be opened.
    """
    stored = witness.checkpoint
    if offered is not None and offered.origin != stored.origin:
        return foreign(witness)
    if offered is None or offered.size < stored.size:
        return _missed(witness)
    if offered.size == stored.size:
        return _same_size(witness, offered)
    if proof is None:
        return _missed(witness)
    if not _leads(stored, offered, proof):
        return _doubted(witness)
    if witness.alarm == FORK:
        return witness, FORK
    return Witness(offered), STORED


def foreign(witness: Witness) -> tuple[Witness, str]:
    """A checkpoint of an origin or key that the policy does not know: doubt at once."""
    return _doubted(witness)


def _same_size(witness: Witness, offered: Checkpoint) -> tuple[Witness, str]:
    if offered.root != witness.checkpoint.root:
        return replace(witness, alarm=FORK), FORK
    if witness.alarm == FORK:
        return witness, FORK
    return Witness(witness.checkpoint), UNCHANGED


def _missed(witness: Witness) -> tuple[Witness, str]:
    missed = replace(witness, misses=witness.misses + 1)
    return _doubted(missed) if missed.misses >= MISSES_MAX else (missed, ASKED_AGAIN)


def _doubted(witness: Witness) -> tuple[Witness, str]:
    alarmed = replace(witness, alarm=witness.alarm or DOUBT)
    return alarmed, FORK if alarmed.alarm == FORK else DOUBT


def _leads(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    # "Old 0" is this layer's case (ledger rule 4): every tree continues the empty one, and no proof is needed to show it.
    if old.size == 0:
        return not proof and old.root == EMPTY_ROOT
    return verify_consistency(old.size, new.size, old.root, new.root, proof)
