"""The net process as a witness of its tenant's ledger (rules W1 to W4).

Owns: the stored note, the answer to each heartbeat's checkpoint, the cosignature, the files of an alarm.
Does not own: the state machine (`mainstay_trust.witness`), the root half's own copy (`authority.witnessing`).
Invariant: a checkpoint is stored by write, fsync and rename before it is cosigned.
"""

import json
import syslog
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstay_agent.authority.asking import Asks
from mainstay_agent.host import durable
from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_agent.net.identity import Home
from mainstay_trust import notes
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import bytes_from_hex
from mainstay_trust.merkle import verify_consistency
from mainstay_trust.notes import COSIGNER_KEY, Vkey, open_checkpoint, parse_vkey
from mainstay_trust.tlog_proof import parse_proof, prove

ALARMS_MAX = 20


@dataclass(slots=True)
class LedgerWitness:
    """Asks the authority, which keeps the checkpoint against which commands are judged, and keeps the note itself."""

    home: Home
    authority: Asks
    key: KeyPair
    device: str
    clock: Clock
    cosignature: str | None = None
    outcome: str = "none"
    position: JSON = None

    def answer(self, offered: JSON, logs: Sequence[str]) -> str:
        """Take in what a heartbeat's reply says about the ledger (None: nothing came); return the outcome."""
        note, proof = _offered(offered)
        answer = self.authority.ask("docs", {"op": "checkpoint", "note": note, "consistency": proof})
        self.outcome, self.position = str(answer.get("outcome")), answer.get("checkpoint")
        if note is not None and self.outcome in ("stored", "unchanged"):
            durable.replace(self.home.checkpoint, note.encode())
            self._cosign(note, logs)
        elif self.outcome in ("doubt", "fork"):
            self._sound(offered, answer)
        return self.outcome

    def accuse(self, delivery: JSON, answer: Mapping[str, JSON]) -> None:
        """The authority refused a command because of the ledger in which it was said to be written."""
        alarm = answer.get("ledger_alarm")
        if isinstance(alarm, str) and self.outcome not in ("doubt", "fork"):
            self.outcome = alarm
            self._sound(delivery, answer)

    def _sound(self, offered: JSON, answer: Mapping[str, JSON]) -> None:
        self.cosignature = None
        self._keep_evidence(offered, answer)
        syslog.openlog("mainstay-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(
            syslog.LOG_CRIT, f"the ledger of this tenant cannot be trusted ({self.outcome}); repair has stopped, observation goes on"
        )

    def _cosign(self, note: str, logs: Sequence[str]) -> None:
        try:
            checkpoint, _ = open_checkpoint(note.encode(), [parse_vkey(key) for key in logs], verify)
        except Rejected:
            return
        vkey = Vkey(f"mainstay-device/{self.device}", COSIGNER_KEY, self.key.public)
        self.cosignature = str(notes.cosign(checkpoint.text, vkey, self.key.sign, at=self.clock.wall_ms() // 1000))

    def _keep_evidence(self, offered: JSON, answer: Mapping[str, JSON]) -> None:
        """Keep both notes and the proof: who is asked later must be able to show what was seen (rule W3)."""
        durable.make_private_folder(self.home.alarms)
        kept = sorted(self.home.alarms.glob("*.json"))
        if len(kept) >= ALARMS_MAX:
            return  # the first ones tell the story; a server that lies all day must not fill the disk
        held = self.home.checkpoint.read_text() if self.home.checkpoint.exists() else None
        evidence = {
            "at_ms": self.clock.wall_ms(),
            "outcome": self.outcome,
            "held": held,
            "offered": offered,
            "position": answer.get("checkpoint"),
        }
        durable.replace(self.home.alarms / f"{self.clock.wall_ms()}.json", json.dumps(evidence).encode())


def fit_proof(delivery: Mapping[str, JSON], position: JSON, older: Sequence[JSON], logs: Sequence[str]) -> Mapping[str, JSON] | None:
    """Return a delivery whose consistency proof starts where we stand, or None when it starts where we stood before.

    A server proves from the position that it last heard of. If we have reached the proven checkpoint itself since, no proof is
    needed; if we have only moved on, the delivery is no attack and is left alone: it comes again once the server knows better.
    Everything else goes to the authority unchanged, which judges it.
    """
    try:
        proven = prove(parse_proof(str(delivery.get("proof"))), [parse_vkey(key) for key in logs], verify)
        listed = delivery.get("consistency")
        hashes = [bytes_from_hex(item, 32, code="bad_envelope") for item in (listed if isinstance(listed, list | tuple) else [])]
    except Rejected:
        return delivery
    now, then = _position(position), (proven.size, proven.root)
    if now == then:
        return {**delivery, "consistency": []}
    if now is None or _leads(now, then, hashes):
        return delivery
    was_ours = any(one is not None and _leads(one, then, hashes) for one in map(_position, older))
    return None if was_ours else delivery


def _leads(old: tuple[int, bytes], new: tuple[int, bytes], hashes: Sequence[bytes]) -> bool:
    if old[0] == 0:
        return True
    first, second = (old, new) if old[0] <= new[0] else (new, old)
    return verify_consistency(first[0], second[0], first[1], second[1], hashes)


def _position(value: JSON) -> tuple[int, bytes] | None:
    if not isinstance(value, Mapping):
        return None
    return int(str(value["size"])), bytes.fromhex(str(value["root"]))


def _offered(value: JSON) -> tuple[str | None, list[JSON] | None]:
    if not isinstance(value, Mapping):
        return None, None
    note, proof = value.get("note"), value.get("consistency")
    return (note if isinstance(note, str) else None), (list(proof) if isinstance(proof, list | tuple) else None)
