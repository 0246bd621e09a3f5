"""Commands: the payload that a server signs, and the fourteen checks by which an endpoint judges it (rule 2.6).

Owns: the exact members of a command, and the order of the checks; the first failing one wins.
Does not own: state (an `EndpointState` is passed in), the effect, the record of it.
Invariant: whoever holds only the server's keys gets T0, and T1 inside policy and budgets; nothing else runs, whatever it says.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mainstay_trust import canonical
from mainstay_trust.actions import EFFECTS, HIGHEST_TIER_BUILT, TIER_MAX_SPAN_S, Action
from mainstay_trust.budgets import ALL
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import COMMAND, PAYLOAD_BYTES_MAX, Envelope, parse, signed_by
from mainstay_trust.endpoint import EndpointState as EndpointState  # part of this module's interface
from mainstay_trust.endpoint import Remembered as Remembered
from mainstay_trust.errors import Rejected
from mainstay_trust.issue import IssueProof, judge_issue
from mainstay_trust.keys import Role, Verify
from mainstay_trust.members import CROCKFORD_ID, Members
from mainstay_trust.notes import Checkpoint
from mainstay_trust.policies import Policy, is_protected
from mainstay_trust.quorum import UNWITNESSED, judge_witnesses
from mainstay_trust.tlog_proof import parse_proof, prove

NO_POLICY_TARGETS_MAX = 1000
T3_TARGETS_MAX = 10

_NAMES = (
    *("v", "id", "tenant", "aud", "tier", "action", "artefact", "params", "nbf", "exp", "window", "campaign", "wave"),
    *("max_targets", "effect", "idem", "policy_epoch", "reason"),
)
_ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*@[1-9][0-9]{0,3}")


@dataclass(frozen=True)
class Command:
    """One request for one action on the devices of `aud`; times are Unix seconds, both bounds inclusive."""

    id: str
    tenant: str
    aud: tuple[str, ...]
    tier: str
    action: str
    params: Mapping[str, JSON]
    nbf: int
    exp: int
    max_targets: int
    effect: str
    idem: str
    policy_epoch: int
    reason: str
    artefact: str | None = None
    window: str | None = None
    campaign: str | None = None
    wave: int | None = None

    def encode(self) -> bytes:
        """Return the payload bytes to sign; Rejected("bad_payload") if a member has a wrong form."""
        members: dict[str, JSON] = {name: getattr(self, name) for name in _NAMES if name != "v"}
        payload = canonical.encode(members | {"v": 1})
        parse_command(payload)
        return payload

    @property
    def content_sha256(self) -> str:
        """What must be equal for a repeated `idem`: action and parameters."""
        return hashlib.sha256(canonical.encode({"action": self.action, "params": self.params})).hexdigest()


@dataclass(frozen=True)
class Verdict:
    """`code` None: run it. `held`: not now, but until `exp`. `remembered`: the row whose stored result is sent again.

    `checkpoint` is to be stored when the command is accepted: its issue leaf was proven under it.
    """

    code: str | None
    held: bool = False
    command: Command | None = None
    action: Action | None = None
    payload_sha256: str | None = None
    remembered: Remembered | None = None
    checkpoint: Checkpoint | None = None
    detail: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.code is None

    @property
    def is_quiet(self) -> bool:
        """Repeats and held commands raise no alert."""
        return self.held or self.code in ("replayed", "idem_done")


def check(envelope: bytes, state: EndpointState, verify: Verify, *, issue: IssueProof | None = None) -> Verdict:
    """Judge a delivered command by checks 1 to 14; the first failing one wins."""
    try:
        opened = parse(envelope)
        signers = _signers(opened, state, verify)
        command = parse_command(opened.payload)
        action = _addressed(command, state)
        return _judge(_Case(command, action, signers, hashlib.sha256(opened.payload).hexdigest(), state, verify, issue))
    except Rejected as error:
        return Verdict(error.code, detail=error.detail)


def check_again(command: Command, state: EndpointState) -> Verdict:
    """Judge a held command at the moment it would start: checks 6, 8, 9 and 11 to 14 (its signature and leaf were proven)."""
    action = state.catalogue[command.action]
    found = _first(
        lambda: _check_time(command, state),
        lambda: _check_freshness(command.tier, command.policy_epoch, state),
        lambda: _check_authority(command.tier, state),
        lambda: check_limits(action, command.params, state, window=command.window),
    )
    return replace(found, command=command, action=action)


def check_local(name: str, params: Mapping[str, JSON], state: EndpointState) -> Verdict:
    """Judge what a local healing rule wants: the signed policy is its authority, so checks 8, 9 and 12 to 14 apply (rule H7)."""
    action = state.catalogue.get(name)
    if action is None:
        return Verdict("unknown_action")
    found = _first(
        lambda: _check_freshness(action.tier, 0 if state.policy is None else state.policy.epoch, state),
        lambda: _check_authority(action.tier, state),
        lambda: check_limits(action, params, state, window=None),
    )
    return replace(found, action=action)


def parse_command(payload: bytes) -> Command:
    """Read a command payload strictly. Errors: Rejected("bad_payload")."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Rejected("bad_payload", f"a payload has at most {PAYLOAD_BYTES_MAX} bytes")
    try:
        value = canonical.parse(payload, depth_max=8)
    except Rejected as error:
        raise Rejected("bad_payload", error.detail) from error
    members = Members(value, code="bad_payload", names=_NAMES)
    members.count("v", least=1, most=1)
    command = Command(
        id=members.text("id", form=CROCKFORD_ID),
        tenant=members.text("tenant", form=CROCKFORD_ID),
        aud=members.texts("aud", most=100_000, form=CROCKFORD_ID),
        tier=members.choice("tier", TIER_MAX_SPAN_S),
        action=members.text("action", most=80, form=_ACTION),
        params=members.record("params"),
        nbf=members.count("nbf"),
        exp=members.count("exp"),
        max_targets=members.count("max_targets", least=1),
        effect=members.choice("effect", EFFECTS),
        idem=members.text("idem", most=200),
        policy_epoch=members.count("policy_epoch"),
        reason=members.text("reason"),
        artefact=members.digest_or_none("artefact"),
        window=members.text_or_none("window", most=100),
        campaign=members.text_or_none("campaign", most=100),
        wave=members.count_or_none("wave"),
    )
    if not command.aud or len(set(command.aud)) != len(command.aud) or command.exp < command.nbf:
        raise Rejected("bad_payload", "no target, a target twice, or an end before the beginning")
    return command


def check_limits(action: Action, params: Mapping[str, JSON], state: EndpointState, *, window: str | None) -> Verdict:
    """Checks 12 to 14: parameters, allow-list, window, budget, lock, spool, preconditions."""
    return _first(
        lambda: Verdict(None if action.admits(params) else "bad_params"),
        lambda: Verdict(None if _is_allowed(action, params, state) else "not_allowed"),
        lambda: _check_window(action, window, state),
        lambda: _check_budgets(action, params, state),
        lambda: _check_resources(action, params, state),
    )


@dataclass(frozen=True)
class _Case:
    command: Command
    action: Action
    signers: frozenset[str]
    payload_sha256: str
    state: EndpointState
    verify: Verify
    issue: IssueProof | None


def _judge(case: _Case) -> Verdict:
    command, state = case.command, case.state
    found = _first(
        lambda: _check_role(case),
        lambda: _check_time(command, state),
        lambda: _check_replay(case),
        lambda: _check_freshness(command.tier, command.policy_epoch, state),
        lambda: _check_authority(command.tier, state),
        lambda: _check_logged(case),
        lambda: check_limits(case.action, command.params, state, window=command.window),
    )
    return replace(found, command=command, action=case.action, payload_sha256=case.payload_sha256)


def _first(*checks: Callable[[], Verdict]) -> Verdict:
    """Run checks in order; return the first refusal, or an acceptance that carries the checkpoint one of them proved."""
    accepted = Verdict(None)
    for run in checks:
        verdict = run()
        if not verdict.is_accepted:
            return verdict
        accepted = replace(accepted, checkpoint=verdict.checkpoint or accepted.checkpoint)
    return accepted


def _signers(envelope: Envelope, state: EndpointState, verify: Verify) -> frozenset[str]:
    """Checks 1 and 2: the ids of the known keys that signed; their number and roles are check 5."""
    if envelope.payload_type != COMMAND:
        # A type that this endpoint does not know and one that belongs to another document are refused alike.
        raise Rejected("bad_type", envelope.payload_type[:100])
    signers = signed_by(envelope, state.known_keys, verify)
    if not signers:
        raise Rejected("no_valid_signature")
    return signers


def _addressed(command: Command, state: EndpointState) -> Action:
    """Checks 3 and 4."""
    if command.tenant != state.tenant:
        raise Rejected("wrong_tenant")
    if state.device not in command.aud:
        raise Rejected("wrong_audience")
    cap = state.policy.max_targets if state.policy else NO_POLICY_TARGETS_MAX
    if command.tier == "T3":
        cap = min(cap, T3_TARGETS_MAX)
    if not len(command.aud) <= command.max_targets <= cap:
        raise Rejected("audience_too_wide", f"{len(command.aud)} targets, at most {command.max_targets} stated, {cap} allowed")
    action = state.catalogue.get(command.action)
    if action is None:
        raise Rejected("unknown_action", command.action)
    if action.tier != command.tier or (command.artefact is not None and action.tier in ("T0", "T1")):
        raise Rejected("tier_mismatch", f"{command.action} is {action.tier}")
    return action


def _check_role(case: _Case) -> Verdict:
    """Check 5. A T2 call needs the server or one operator; a T3 command two operators at least."""
    state, tier = case.state, case.action.tier
    operators = state.root.role("operator") if state.root else Role(())
    roles = {"T2": (state.server_role, Role(operators.keys, 1)), "T3": (Role(operators.keys, max(2, operators.threshold)),)}
    quorums = [state.keyring.quorum(role, case.signers, at=state.clock.upper) for role in roles.get(tier, (state.server_role,))]
    if any(quorum.is_reached for quorum in quorums):
        return Verdict(None)
    return Verdict("key_revoked" if any(quorum.failure == "key_revoked" for quorum in quorums) else "threshold")


def _check_time(command: Command, state: EndpointState) -> Verdict:
    """Check 6. The lower clock judges `nbf` above T0, because a server cannot push it."""
    clock, is_bounded = state.clock, command.tier != "T0"
    if command.exp < clock.upper:
        return Verdict("expired")
    if is_bounded and state.policy and clock.is_wrong(state.policy.issued):
        return Verdict(None if command.action.startswith("time.sync@") else "clock_wrong")
    if command.nbf > (clock.lower if is_bounded else clock.upper):
        return Verdict("not_yet")
    return Verdict("validity_too_long" if command.exp - command.nbf > TIER_MAX_SPAN_S[command.tier] else None)


def _check_replay(case: _Case) -> Verdict:
    """Check 7."""
    command = case.command
    rows = case.state.remembered(case.payload_sha256, command.id, command.idem)
    for row in rows:
        if row.payload_sha256 == case.payload_sha256:
            return Verdict("replayed", remembered=row)
    for row in rows:
        is_repeat = row.idem == command.idem and row.id != command.id and row.content_sha256 == command.content_sha256
        return Verdict("idem_done", remembered=row) if is_repeat else Verdict("idem_conflict")
    return Verdict(None)


def _check_freshness(tier: str, epoch: int, state: EndpointState) -> Verdict:
    """Check 8."""
    policy = state.policy
    stored = policy.epoch if policy else 0
    if epoch != stored:
        return Verdict("epoch_old") if epoch < stored else Verdict("epoch_ahead", held=True)
    if tier == "T0" or policy is None:
        return Verdict(None)
    if state.clock.upper > policy.expires:
        return Verdict("policy_expired")
    if state.offline_s > policy.max_offline_s:
        return Verdict("offline_too_long")
    return Verdict("quarantined" if state.is_quarantined else None)


def _check_authority(tier: str, state: EndpointState) -> Verdict:
    """Check 9. Tiers above T1 are never enabled in this build, whoever signs."""
    if tier == "T0":
        return Verdict(None)
    if not state.is_helper_present:
        return Verdict("no_helper")
    if state.root is None or state.policy is None or state.clock.upper > state.root.expires:
        return Verdict("no_root")
    if tier > min(HIGHEST_TIER_BUILT, state.policy.tier_of(state.device)):
        return Verdict("tier_disabled")
    return Verdict("frozen" if state.is_frozen else None)


def _check_logged(case: _Case) -> Verdict:
    """Check 10."""
    state, policy = case.state, case.state.policy
    if case.action.tier == "T0" or policy is None:
        return Verdict(None)
    if state.is_ledger_alarmed:
        return Verdict("ledger_alarm")
    checkpoint = None
    if policy.require_logged:
        code, checkpoint = judge_issue(case.issue, case.payload_sha256, state.checkpoint, state.logs, case.verify)
        if code is not None:
            return Verdict(code)
    return Verdict(_check_witnessed(case, policy), checkpoint=checkpoint)


def _check_witnessed(case: _Case, policy: Policy) -> str | None:
    """Check 10, the rest: enough witnesses have seen the tree in which the command stands."""
    if not policy.witness_quorum:
        return None
    if case.issue is None:
        return UNWITNESSED
    try:
        proven = prove(parse_proof(case.issue.proof), case.state.logs, case.verify)
    except Rejected:
        return UNWITNESSED
    return judge_witnesses(
        case.issue.witnessed,
        proven,
        logs=case.state.logs,
        witnesses=policy.witness_keys,
        quorum=policy.witness_quorum,
        at=case.state.clock.upper,
        verify=case.verify,
    )


def _is_allowed(action: Action, params: Mapping[str, JSON], state: EndpointState) -> bool:
    policy = state.policy
    if action.allowed_by is None:
        return True
    if policy is None:
        return False
    if action.allowed_by == "service":
        unit = str(params["unit"])
        service = policy.service(unit, state.device)
        return service is not None and not is_protected(unit) and action.base_name.partition(".")[2] in service.allow
    if action.allowed_by == "log_source":
        return params["source"] in policy.log_sources
    return params["target"] in policy.probe_targets


def _check_window(action: Action, window: str | None, state: EndpointState) -> Verdict:
    """Check 13."""
    if action.needs_window and window is None:
        return Verdict("window_unknown")
    code = state.window(window, action.base_name)
    return Verdict(code, held=code in ("window_closed", "freeze_calendar"))


def _check_budgets(action: Action, params: Mapping[str, JSON], state: EndpointState) -> Verdict:
    """Check 14, budgets: the action's own, and above T0 the one that covers everything."""
    return Verdict("budget" if budget_left(action, params, state) == 0 else None)


def budget_left(action: Action, params: Mapping[str, JSON], state: EndpointState) -> int | None:
    """Return how many more times an action may run now by every budget that covers it; None when none does."""
    policy = state.policy
    if policy is None:
        return None
    names = [name for name in (action.budget, ALL if action.tier != "T0" else None) if name is not None]
    lefts = []
    for name in names:
        limit = policy.limit(name)
        key = str(params.get(limit.key)) if limit.key else None
        left = limit.left(state.uses(name, key), at=state.clock.lower)
        if left is not None:
            lefts.append(left)
    return min(lefts, default=None)


def _check_resources(action: Action, params: Mapping[str, JSON], state: EndpointState) -> Verdict:
    """Check 14, the rest: one action per resource, no action without room for its evidence, preconditions."""
    if action.tier == "T0":
        return Verdict(None)
    if action.lock_for(params) in state.locks:
        return Verdict("locked", held=True)
    if state.is_spool_full:
        return Verdict("spool_full")
    return Verdict(f"precondition:{state.failing_preconditions[0]}" if state.failing_preconditions else None)
