"""The authority's own copy of the ledger's checkpoint (rules W1 to W3).

Owns: the stored checkpoint and alarm against which check 10 is made.
Does not own: the state machine (`mainstay_trust.witness`), the heartbeat (`net.witness`).
Invariant: the stored checkpoint moves only along a proof; an alarm can be raised by anybody who asks, and cleared by a proof only.
"""

from collections.abc import Sequence

from mainstay_agent.authority.store import Store
from mainstay_agent.host.ed25519 import verify
from mainstay_trust import witness
from mainstay_trust.errors import Rejected
from mainstay_trust.issue import IssueProof
from mainstay_trust.notes import Checkpoint, Vkey, open_checkpoint
from mainstay_trust.tlog_proof import parse_proof, prove
from mainstay_trust.witness import Witness

_NAME = "witness"


class LedgerView:
    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> Witness | None:
        stored = self._store.get(_NAME)
        if not isinstance(stored, dict):
            return None
        checkpoint = Checkpoint(stored["origin"], stored["size"], bytes.fromhex(stored["root"]))
        return Witness(checkpoint, stored["misses"], stored["alarm"])

    def begin(self, note: bytes, logs: Sequence[Vkey]) -> None:
        """Store the first checkpoint, the one of the enrolment receipt. Errors: Rejected."""
        if self.load() is None:
            self._save(Witness(open_checkpoint(note, logs, verify)[0]))

    def begin_anew(self, checkpoint: Checkpoint) -> None:
        """Hold another log from its first checkpoint on: people signed that it continues ours."""
        self._save(Witness(checkpoint))

    def moved_to(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint that check 10 has proven consistent with ours."""
        self._save(Witness(checkpoint))

    def observe(self, note: bytes | None, proof: Sequence[bytes] | None, logs: Sequence[Vkey]) -> str:
        """Judge what a heartbeat brought; return the outcome of the state machine, or `none` before enrolment."""
        seen = self.load()
        if seen is None:
            return "none"
        try:
            offered = open_checkpoint(note, logs, verify)[0] if note is not None else None
            after, outcome = witness.observe(seen, offered, proof)
        except Rejected:
            after, outcome = witness.foreign(seen)
        if after != seen:
            self._save(after)
        return outcome

    def distrust(self, issue: IssueProof, logs: Sequence[Vkey]) -> None:
        """Raise the standing alarm over a delivered proof that check 10 found not to fit.

        A proof that is merely missing is no alarm: an honest server may know an old position of ours, and heartbeats count it.
        """
        seen = self.load()
        if seen is None:
            return
        try:
            offered = prove(parse_proof(issue.proof), logs, verify)
        except Rejected:
            self._save(witness.foreign(seen)[0])
            return
        if offered.origin == seen.checkpoint.origin and offered.size == seen.checkpoint.size:
            self._save(witness.observe(seen, offered, None)[0])
        elif issue.consistency or offered.origin != seen.checkpoint.origin:
            self._save(witness.foreign(seen)[0])

    def raise_alarm(self) -> None:
        """Believe the other half when it doubts: that only takes authority away."""
        seen = self.load()
        if seen is not None and seen.alarm is None:
            self._save(Witness(seen.checkpoint, seen.misses, witness.DOUBT))

    def _save(self, state: Witness) -> None:
        checkpoint = state.checkpoint
        members = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        self._store.put(_NAME, members | {"misses": state.misses, "alarm": state.alarm})
