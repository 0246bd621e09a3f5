"""The handlers of the step kinds: how a step begins, and what a second look at it finds.

Owns: one handler pair per kind. Does not own: which step is next (rules.runs) or the run's row (services.runs).
A handler takes no time: what lasts longer is a command plus a signal, or a timer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mainstay.domains.automation import queries
from mainstay.domains.automation.models import Run, Signal, Step
from mainstay.domains.automation.rules import verification
from mainstay.domains.automation.rules.runs import RunReason, StepKind, StepSpec, StepState
from mainstay.domains.automation.services import commands
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Refused
from mainstay.kernel.json import Json

WELL = frozenset({"running"})
JUDGED = frozenset({"running", "stopped", "failed"})  # "unknown" is neither health nor a relapse
ANSWERED = frozenset({"refused", "done", "failed", "interrupted", "expired", "killed"})


@dataclass(frozen=True)
class Progress:
    """Where a step stands after its handler. wake_at: when to look again even if no signal comes."""

    state: StepState
    reason: str = ""
    output: Mapping[str, Json] = field(default_factory=dict)
    wake_at: datetime | None = None


def begin(*, actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    """Start a step."""
    return _BEGIN[spec.kind](actor, run, step, spec, clock)


def look_again(*, actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    """Look at a step that waits."""
    return _AGAIN[spec.kind](actor, run, step, spec, clock)


# --- command: ask the device, wait for its signed answer -----------------------------------------------------------------


def _begin_command(actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    try:
        command = commands.issue_command(
            actor=actor,
            run=run,
            step_path=spec.path,
            action=str(spec.settings["action"]),
            params={name: run.input[name] for name in queries.texts(spec.settings["params"])},
            valid_for_s=spec.timeout_s,
            clock=clock,
        )
    except Refused as refusal:
        return Progress(StepState.FAILED, RunReason.GATE_REFUSED, {"code": refusal.code})
    return Progress(StepState.SENT, output={"command": str(command.id)}, wake_at=_deadline(step, spec))


def _await_command(actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    answer = _answer_of(run, step)
    if answer is not None:
        return _judge_answer(answer, spec, clock)
    if clock.now() < _deadline(step, spec):
        return Progress(StepState.SENT, wake_at=_deadline(step, spec))
    # The device was silent until the command expired, and it never runs one after that. Whether it ran
    # before is unknown until its chain is here, so nothing is repeated and a person looks.
    return Progress(StepState.UNKNOWN, RunReason.UNKNOWN_OUTCOME)


def _answer_of(run: Run, step: Step) -> Signal | None:
    name = f"command:{step.output['command']}"
    return next((one for one in run.signals.filter(name=name).order_by("at", "id") if one.body["decision"] in ANSWERED), None)


def _judge_answer(answer: Signal, spec: StepSpec, clock: Clock) -> Progress:
    decision, code = str(answer.body["decision"]), str(answer.body.get("reason") or "")
    output: dict[str, Json] = {"decision": decision, "code": code, "result": answer.body.get("result")}
    answer.consumed_at = clock.now()
    answer.save(update_fields=["consumed_at"])
    if decision == "done" and _is_expected(answer, spec):
        return Progress(StepState.DONE, output=output | {"done_at": answer.at.timestamp()})
    return Progress(StepState.FAILED, _failure(decision, spec), output | {"said": answer.body.get("output")})


def _is_expected(answer: Signal, spec: StepSpec) -> bool:
    """Tell whether the output holds what the definition expects of it; most commands promise nothing but their success."""
    expected = spec.settings.get("expect")
    said = answer.body.get("output")
    return expected is None or (isinstance(said, dict) and said.get("state") == expected)


def _failure(decision: str, spec: StepSpec) -> RunReason:
    if "expect" in spec.settings:
        return RunReason.VERIFY_FAILED
    known = {"refused": RunReason.REFUSED_BY_AGENT, "expired": RunReason.COMMAND_EXPIRED}
    return known.get(decision, RunReason.COMMAND_FAILED)


# --- wait: let the service settle ----------------------------------------------------------------------------------------


def _begin_wait(actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    return Progress(StepState.WAITING, wake_at=_deadline(step, spec))


def _end_wait(actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    is_over = clock.now() >= _deadline(step, spec)
    return Progress(StepState.DONE) if is_over else Progress(StepState.WAITING, wake_at=_deadline(step, spec))


# --- verify: the signal must stay well ------------------------------------------------------------------------------------


def _verify(actor: Actor, run: Run, step: Step, spec: StepSpec, clock: Clock) -> Progress:
    now = clock.now()
    history = _with_newest(queries.pairs(step.output.get("seen")), run)
    judged = verification.verify(
        repaired_at=_repaired_at(run),
        observations=[verification.Observation(at, bool(is_running)) for at, is_running in history],
        now=now.timestamp(),
        timeout_s=spec.timeout_s,
    )
    output: dict[str, Json] = {"signal": judged.reason, "seen": [list(one) for one in history]}
    if judged.verdict is verification.VerifyVerdict.HEALED:
        return Progress(StepState.DONE, output=output)
    if judged.verdict is verification.VerifyVerdict.WAIT:
        return Progress(StepState.WAITING, output=output, wake_at=now + timedelta(seconds=1))
    is_relapse = judged.reason is verification.VerifyReason.RELAPSED
    return Progress(StepState.FAILED, RunReason.RELAPSED if is_relapse else RunReason.VERIFY_FAILED, output)


def _repaired_at(run: Run) -> float:
    return float(run.steps.get(path="restart").output["done_at"])


def _with_newest(history: list[tuple[float, int]], run: Run) -> list[tuple[float, int]]:
    """Return the observed states with the present one appended where it is news."""
    state = estate.unit_state(run.tenant, run.device_id, str(run.input["unit"])) if run.device_id else None
    if state is None or state.state not in JUDGED:
        return history
    # The device may see the service come back a moment before its result reaches us; a state that began
    # before the repair and still holds counts from the repair on.
    newest = (max(state.since.timestamp(), _repaired_at(run)), int(state.state in WELL))
    return history if history and history[-1] == newest else [*history, newest]


def _deadline(step: Step, spec: StepSpec) -> datetime:
    return step.begun_at + timedelta(seconds=spec.timeout_s)


Handler = Callable[[Actor, Run, Step, StepSpec, Clock], Progress]
_BEGIN: dict[StepKind, Handler] = {StepKind.COMMAND: _begin_command, StepKind.WAIT: _begin_wait, StepKind.VERIFY: _verify}
_AGAIN: dict[StepKind, Handler] = {StepKind.COMMAND: _await_command, StepKind.WAIT: _end_wait, StepKind.VERIFY: _verify}
