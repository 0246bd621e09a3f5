"""Submit: judge a command, commit, act, record (rules 2.6, C1, C3).

Owns: the order in which verdict, replay row, `started` link, effect and final link are made durable.
Does not own: the checks (`mainstay_trust.commands`), effects (`launch`), what is stored (`memory`, `chain`, `documents`).
Invariant: the effect begins only after the `started` link and the replay row are on the disk in one transaction.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock

from mainstay_agent import VERSION
from mainstay_agent.authority.chain import Chain, Output
from mainstay_agent.authority.documents import Documents
from mainstay_agent.authority.freezing import Freeze
from mainstay_agent.authority.launch import BUILT, INTERNAL, PROGRAMS, Launcher, Outcome
from mainstay_agent.authority.memory import Held, Memory
from mainstay_agent.authority.orders import Orders
from mainstay_agent.authority.store import Store
from mainstay_agent.authority.timekeeping import Timekeeper
from mainstay_agent.authority.witnessing import LedgerView
from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_agent.host.zones import zone
from mainstay_trust import canonical, dsse, windows
from mainstay_trust.actions import CATALOGUE, Action
from mainstay_trust.canonical import JSON
from mainstay_trust.commands import Command, EndpointState, Verdict, budget_left, check, check_again, parse_command
from mainstay_trust.dsse import Envelope
from mainstay_trust.errors import Rejected
from mainstay_trust.issue import IssueProof, issue_from_json
from mainstay_trust.notes import Checkpoint
from mainstay_trust.policies import Policy, Service
from mainstay_trust.results import Result

_HIGHER = ("T2", "T3")
# Tiers that are never built stay in the table: a forged one is then refused by its own check, not as an unknown word.
CATALOGUE_BUILT: Mapping[str, Action] = {
    name: action for name, action in CATALOGUE.items() if action.base_name in BUILT or action.tier in _HIGHER
}
RUNNING_MAX = 8
REFUSED_DOCUMENTS_MAX = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """How one authority differs from another: whose it is, and what it stands on."""

    folder: Path
    boot: str
    is_helper: bool
    freeze_file: Path


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission: a decision of the result chain, or `quiet` when nothing new was recorded."""

    decision: str
    code: str | None
    seq: int | None = None


class Authority:
    """All public methods may be called from several threads. `spawn` runs an effect beside the caller; tests run it inline."""

    def __init__(
        self, settings: Settings, evidence: KeyPair, clock: Clock, launcher: Launcher, spawn: Callable[[Callable[[], None]], None]
    ) -> None:
        self.settings = settings
        self.evidence = evidence
        self.store = Store(settings.folder)
        self.time = Timekeeper(self.store, clock, settings.boot)
        self.documents = Documents(self.store)
        self.memory = Memory(self.store)
        self.chain = Chain(self.store, evidence)
        self.freeze = Freeze(self.store, settings.freeze_file)
        self.ledger = LedgerView(self.store)
        self.orders = Orders(self.documents, self.freeze, self.ledger, self.time)
        self.launcher = launcher
        self.wants_restart = False
        self._spawn = spawn
        self._lock = RLock()
        self._active: dict[str, str | None] = {}

    def submit(self, delivery: Mapping[str, JSON]) -> Submitted:
        """Judge a delivered command and, if every check passes, commit to it and start it."""
        envelope, issue_text = canonical.encode(delivery.get("envelope")), _issue_text(delivery)
        with self._lock:
            state = self.state()
            verdict = self._check(envelope, issue_text, state)
            if verdict.code == "ledger_alarm" and not state.is_ledger_alarmed:
                self._raise_alarm(issue_text)
            if verdict.held:
                return self._hold(verdict, envelope, issue_text)
            if not verdict.is_accepted:
                return self._refuse(verdict, envelope)
            return self._start(verdict, _payload_of(envelope), state)

    def wake(self) -> int:
        """Look at held commands again; return how many still wait. Their end comes at `exp`, as a result of its own."""
        for held in self.memory.held():
            with self._lock:
                self._retry(held)
        self.memory.forget(self.time.read().upper)
        return len(self.memory.held())

    def recover(self) -> int:
        """After a restart: what had started and not ended is looked at, never repeated (rule C3). Return how many there were."""
        cut_short = self.memory.running()
        for payload_sha256, payload in cut_short:
            command = parse_command(payload)
            outcome = self._look(command)
            with self.store.transaction():
                self._append(command, payload_sha256, "interrupted", "restarted", outcome)
                self.memory.end(payload_sha256)
        return len(cut_short)

    def state(self) -> EndpointState:
        """Gather everything that a verdict may depend on, all of it from this side."""
        identity = self.documents.identity
        if identity is None:
            raise Rejected("not_enrolled", "this machine has not joined a tenant")
        reading, seen = self.time.read(), self.ledger.load()
        return EndpointState(
            tenant=identity.tenant,
            device=identity.device,
            clock=reading,
            root=self.documents.root,
            policy=self.documents.policy_in_force(),
            receipt_keys=self.documents.receipt_keys("server"),
            retired=self.documents.retired(),
            receipt_logs=self.documents.receipt_logs(),
            checkpoint=seen.checkpoint if seen else None,
            offline_s=self.time.offline_s(reading),
            is_helper_present=self.settings.is_helper,
            is_frozen=self.freeze.is_frozen(reading.lower),
            is_quarantined=self.store.get("quarantined") is True,
            is_ledger_alarmed=seen is not None and seen.is_alarmed,
            is_spool_full=self.chain.is_full(),
            locks=frozenset(lock for lock in self._active.values() if lock is not None),
            remembered=self.memory.remembered,
            uses=self.memory.uses,
            window=_windows(self.documents.policy, reading.lower),
            catalogue=CATALOGUE_BUILT,
        )

    @property
    def active_count(self) -> int:
        return len(self._active)

    # Verdicts

    def _check(self, envelope: bytes, issue_text: str, state: EndpointState) -> Verdict:
        try:
            issue = _issue(issue_text)
        except Rejected as refusal:
            return Verdict(refusal.code, detail=refusal.detail)
        return check(envelope, state, verify, issue=issue)

    def _raise_alarm(self, issue_text: str) -> None:
        issue = _issue(issue_text)
        if issue is not None:
            self.ledger.distrust(issue, self.documents.logs())

    def _refuse(self, verdict: Verdict, envelope: bytes) -> Submitted:
        """Record a refusal. A repetition is recorded once per payload and its stored result offered again."""
        row = verdict.remembered
        if row is not None and verdict.is_quiet:
            self.chain.send_again(row.payload_sha256)
            if not self.memory.report_once(row.payload_sha256):
                return Submitted("quiet", verdict.code)
        if self.chain.is_full():
            return Submitted("quiet", "spool_full")  # no room for one more refusal: those that are there matter more
        payload_sha256 = verdict.payload_sha256 or _payload_sha256(envelope)
        seq = self._append(verdict.command, payload_sha256, "refused", verdict.code)
        return Submitted("refused", verdict.code, seq)

    def _hold(self, verdict: Verdict, envelope: bytes, issue_text: str) -> Submitted:
        command, digest = verdict.command, verdict.payload_sha256
        if command is None or digest is None:
            return Submitted("quiet", verdict.code)
        if not self.memory.has_room(digest) or self.chain.is_full():
            return self._refuse(replace(verdict, code="spool_full", held=False), envelope)
        held = Held(digest, str(verdict.code), envelope, issue_text, _payload_of(envelope), command.exp)
        with self.store.transaction():
            if not self.memory.hold(held):
                return Submitted("quiet", verdict.code)
            return Submitted("held", verdict.code, self._append(command, digest, "held", verdict.code))

    def _retry(self, held: Held) -> None:
        command, state = parse_command(held.payload), self.state()
        if held.code == "epoch_ahead":
            # Judged only up to check 8 so far: the rest has to be seen with the policy that has come since.
            verdict = self._check(held.envelope, held.issue, state)
        else:
            verdict = replace(self._check_repeated(command, held) or check_again(command, state), payload_sha256=held.payload_sha256)
        if verdict.is_accepted:
            self._start(verdict, held.payload, state)
        elif not verdict.held:
            with self.store.transaction():
                self.memory.let_go(held.payload_sha256)
                decision = "expired" if verdict.code == "expired" else "refused"
                self._append(command, held.payload_sha256, decision, verdict.code)

    def _check_repeated(self, command: Command, held: Held) -> Verdict | None:
        """While it waited, its twin under another id may have run."""
        rows = self.memory.remembered(held.payload_sha256, command.id, command.idem)
        if not rows:
            return None
        is_repeat = all(row.content_sha256 == command.content_sha256 for row in rows)
        return Verdict("idem_done" if is_repeat else "idem_conflict")

    # Effects

    def _start(self, verdict: Verdict, payload: bytes, state: EndpointState) -> Submitted:
        command, action, digest = verdict.command, verdict.action, verdict.payload_sha256
        if command is None or action is None or digest is None:
            raise AssertionError("an accepted verdict names its command")
        if len(self._active) >= RUNNING_MAX:
            if not self.memory.has_room(digest):
                return self._refuse(replace(verdict, code="spool_full"), payload)
            held = Held(digest, "locked", canonical.encode(None), "null", payload, command.exp)
            return Submitted("held" if self.memory.hold(held) else "quiet", "locked")
        if verdict.checkpoint is not None:
            self.ledger.moved_to(verdict.checkpoint)
        with self.store.transaction():
            self.memory.start(digest, payload, command)
            self.memory.spend(action, dict(command.params), state.policy, state.clock.lower)
            seq = self._append(command, digest, "started", None)
        self._active[digest] = action.lock_for(command.params)
        self._spawn(lambda: self._perform(command, action, digest, state))
        return Submitted("started", None, seq)

    def _perform(self, command: Command, action: Action, digest: str, state: EndpointState) -> None:
        try:
            outcome = self._internal(command, action, state) if action.base_name in INTERNAL else self._launch(command, action, state)
        except OSError as problem:
            outcome = Outcome(125, f"the action could not be started: {problem}\n".encode())
        decision = "killed" if outcome.is_killed else "done" if outcome.exit == 0 else "failed"
        with self._lock, self.store.transaction():
            self._append(command, digest, decision, "timeout" if outcome.is_killed else None, outcome)
            self.memory.end(digest)
            self._active.pop(digest, None)

    def _launch(self, command: Command, action: Action, state: EndpointState) -> Outcome:
        return self.launcher.launch(PROGRAMS[action.base_name], _request(command.params, state))

    def _look(self, command: Command) -> Outcome | None:
        """Run the read-only look that belongs to an action which was cut short."""
        if not command.action.startswith("service."):
            return None
        try:
            return self.launcher.launch(PROGRAMS["service.status"], _request(command.params, self.state()))
        except OSError:
            return None

    def _internal(self, command: Command, action: Action, state: EndpointState) -> Outcome:
        if action.base_name == "freeze":
            until = self.freeze.freeze(_whole(command.params["for_s"]), state.clock.lower)
            return _answer({"frozen_until": until})
        if action.base_name == "run.query":
            return _answer(self._ran(str(command.params["idem"])))
        if action.base_name == "agent.restart":
            self.wants_restart = True
            return _answer({"restarts": "when this result has been delivered"})
        return _answer(self.status() | {"diag": [*self.diag()]})

    def _ran(self, idem: str) -> dict[str, JSON]:
        """Answer "did you run key K?" with the decisions recorded for it (the question of rule D6's crash table)."""
        rows = [row for row in self.memory.remembered("", "", idem) if row.idem == idem]
        if not rows:
            return {"idem": idem, "ran": "never_seen"}
        with self.store.reading() as database:
            query = "SELECT decision FROM link WHERE cmd = ? AND decision <> 'refused' ORDER BY seq DESC LIMIT 1"
            row = database.execute(query, (rows[0].payload_sha256,)).fetchone()
        return {"idem": idem, "ran": row[0] if row else "started", "cmd": rows[0].payload_sha256}

    # Records

    def _append(
        self,
        command: Command | None,
        payload_sha256: str | None,
        decision: str,
        reason: str | None,
        outcome: Outcome | None = None,
        rule: str | None = None,
    ) -> int:
        state = self.state()
        action = CATALOGUE_BUILT.get(command.action) if command else None
        left = budget_left(action, command.params, state) if command and action and action.admits(command.params) else None
        draft = Result(
            tenant=state.tenant,
            device=state.device,
            seq=0,
            prev="0" * 64,
            t=state.clock.wall,
            boot=self.settings.boot[:64],
            agent=VERSION,
            decision=decision,
            policy_epoch=state.policy.epoch if state.policy else 0,
            id=command.id if command else None,
            cmd=payload_sha256,
            reason=reason,
            rule=rule,
            exit=outcome.exit if outcome else None,
            budget_left=left,
            ckpt_size=state.checkpoint.size if state.checkpoint else 0,
            ckpt_root=state.checkpoint.root.hex() if state.checkpoint else None,
        )
        return self.chain.append(draft, Output(outcome.output, outcome.is_truncated) if outcome else None)

    def record_local(self, rule: str, reason: str) -> int:
        """Record something that this machine decided by itself."""
        with self._lock:
            return self._append(None, None, "local", reason, rule=rule)

    def obey(self, envelope: Envelope) -> None:
        """Carry out an order that people signed offline, and say so in the chain. Errors: Rejected."""
        with self._lock, self.store.transaction():
            kind, word = self.orders.carry_out(envelope)
            self.record_local(kind, word)

    def refuse_document(self, kind: str, digest: str, reason: str) -> None:
        """Record a refused document once: the server may offer the same bytes with every poll."""
        with self._lock, self.store.transaction():
            stored = self.store.get("refused_documents")
            known = [str(one) for one in stored] if isinstance(stored, list) else []
            mark = f"{digest}:{reason}"
            if mark not in known and self.documents.identity is not None and not self.chain.is_full():
                self.store.put("refused_documents", [*known, mark][-REFUSED_DOCUMENTS_MAX:])
                self.record_local(f"{kind}.refused", reason)

    def hear(self, at: int) -> str | None:
        """Take in a signed server time. That it is not believed is recorded when that begins, not with every reply."""
        with self._lock, self.store.transaction():
            code = self.time.heard(at, is_contact=True)
            is_news = (code is not None) != (self.store.get("is_time_doubted") is True)
            if is_news:
                self.store.put("is_time_doubted", code is not None)
            if is_news and code is not None and not self.chain.is_full():
                self.record_local("server_time.refused", code)
        return code

    def forget(self) -> None:
        """Destroy the key first: without it nobody can speak as this device again."""
        (self.settings.folder / "evidence.key").unlink(missing_ok=True)
        self.store.wipe()
        self.documents = Documents(self.store)
        self.orders = Orders(self.documents, self.freeze, self.ledger, self.time)

    def status(self) -> dict[str, JSON]:
        """Say what this authority holds, for heartbeats and for `mainstay-agent status`."""
        identity, seen, head, reading = self.documents.identity, self.ledger.load(), self.chain.head(), self.time.read()
        root, policy = self.documents.root, self.documents.policy
        return {
            "version": VERSION,
            "device": identity.device if identity else None,
            "tenant": identity.tenant if identity else None,
            "evidence": self.evidence.public.hex(),
            "is_helper": self.settings.is_helper,
            "root_version": root.version if root else 0,
            "root_fingerprint": root.fingerprint if root else None,
            "policy_epoch": policy.epoch if policy else 0,
            "policy_sha256": policy.sha256 if policy else None,
            "policy_expires": policy.expires if policy else None,
            "reduced": root.reduced if root else None,
            "chain": {"seq": head.seq, "hash": head.hash},
            "freeze": self.freeze.is_frozen(reading.lower),
            "checkpoint": _checkpoint(seen.checkpoint) if seen else None,
            "ledger_alarm": seen.alarm if seen else None,
            "held": len(self.memory.held()),
            "running": len(self._active),
            "wants_restart": self.wants_restart,
            "services": [_service(service) for service in policy.services if identity and service.is_for(identity.device)]
            if policy
            else [],
            "urls": [*policy.urls] if policy else [],
            "pins": [*policy.pins] if policy else [],
            "reply_keys": [key.public.hex() for key in self.documents.reply_keys()],
            "log_keys": [str(key) for key in self.documents.logs()],
        }

    def diag(self) -> list[str]:
        """Name what is weaker than it should be on this machine."""
        found = list(getattr(self.launcher, "weaknesses", []))
        if not self.settings.is_helper:
            found += ["no_helper", "evidence_unprotected"]
        if self.documents.root is None:
            found.append("no_root")
        policy = self.documents.policy
        if policy is not None:
            left_s = policy.expires - self.time.read().upper
            found += [f"policy_expires_in_{days}_d" for days in (30, 14, 7, 1) if 0 < left_s <= days * 86400][-1:]
            found += ["policy_expired"] if left_s < 0 else []
        return found


def _windows(policy: Policy | None, lower: int) -> Callable[[str | None, str], str | None]:
    """Return the judgement of check 13: by the windows of the stored policy, the clock that no server can push, and our own zones."""

    def judge(window: str | None, action: str) -> str | None:
        listed, freezes = (policy.windows, policy.freezes) if policy else ((), ())
        try:
            return windows.judge(listed, freezes, window, action, at=lower, zone=zone)
        except LookupError:
            return "window_unknown"  # a zone that this machine does not know tells nobody when it is open

    return judge


def _issue_text(delivery: Mapping[str, JSON]) -> str:
    return canonical.encode({name: delivery.get(name) for name in ("proof", "leaf", "consistency", "witnessed")}).decode()


def _issue(text: str) -> IssueProof | None:
    members = json.loads(text)
    return issue_from_json(members["proof"], members["leaf"], members["consistency"] or [], members.get("witnessed"))


def _payload_of(envelope: bytes) -> bytes:
    return dsse.parse(envelope).payload


def _payload_sha256(envelope: bytes) -> str | None:
    try:
        return hashlib.sha256(_payload_of(envelope)).hexdigest()
    except Rejected:
        return None


def _request(params: Mapping[str, JSON], state: EndpointState) -> dict[str, object]:
    """Return what a program is told: the parameters, and of the policy only the service it is about."""
    unit = params.get("unit")
    service = state.policy.service(unit, state.device) if state.policy and isinstance(unit, str) else None
    return {"params": dict(params), "service": _service(service) if service else None}


def _service(service: Service) -> dict[str, JSON]:
    members: dict[str, JSON] = {}
    for name, value in asdict(service).items():
        members[name] = sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
    return members


def _checkpoint(checkpoint: Checkpoint) -> dict[str, JSON]:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}


def _answer(value: Mapping[str, JSON]) -> Outcome:
    return Outcome(0, canonical.encode(value) + b"\n")


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) else 0
