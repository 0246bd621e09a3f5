"""Durable runs: states, step kinds, effect classes, and which step comes next.

Owns: the pure function from (definition, step rows) to what happens next. Nothing is replayed, so authors of
definitions are bound by no rule of determinism. Does not own: claiming, leases and storage (services).
Source: endpoint page, 2.11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class RunState(StrEnum):
    QUEUED = "queued"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    CANCELLED = "cancelled"
    NEEDS_MIGRATION = "needs_migration"
    DEAD = "dead"


ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.COMPENSATED, RunState.CANCELLED, RunState.DEAD})
ACTIVE = frozenset(RunState) - ENDED


class StepState(StrEnum):
    PENDING = "pending"
    INTENT = "intent"
    SENT = "sent"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    UNDONE = "undone"


class EffectClass(StrEnum):
    """What may be repeated after a crash."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    AT_MOST_ONCE = "at_most_once"
    COMPENSABLE = "compensable"


class StepKind(StrEnum):
    """The step kinds that exist now; a definition with another kind is refused."""

    COMMAND = "command"
    WAIT = "wait"
    VERIFY = "verify"


class RunReason(StrEnum):
    """Why a run ended as it did."""

    HEALED = "healed"
    REFUSED_BY_AGENT = "refused_by_agent"
    COMMAND_FAILED = "command_failed"
    COMMAND_EXPIRED = "command_expired"
    UNKNOWN_OUTCOME = "unknown_outcome"
    VERIFY_FAILED = "verify_failed"
    RELAPSED = "relapsed"
    GATE_REFUSED = "gate_refused"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    ATTEMPTS = "attempts"


@dataclass(frozen=True)
class StepSpec:
    """One step of a definition. timeout_s: how long the step may take before it fails."""

    path: str
    kind: StepKind
    effect: EffectClass
    timeout_s: int
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """A run's program: code with an integer version. Versions N and N-1 stay importable."""

    name: str
    version: int
    steps: tuple[StepSpec, ...]
    deadline_s: int

    def step(self, path: str) -> StepSpec:
        return next(spec for spec in self.steps if spec.path == path)


@dataclass(frozen=True)
class StepRow:
    """What the store knows of a step."""

    path: str
    state: StepState
    reason: str = ""


@dataclass(frozen=True)
class Begin:
    """Run the handler of a step that has not started."""

    path: str


@dataclass(frozen=True)
class Continue:
    """Look again at a step that waits for its answer."""

    path: str


@dataclass(frozen=True)
class Finish:
    """The run ends."""

    state: RunState
    reason: RunReason


Next = Begin | Continue | Finish


def next_step(definition: Definition, rows: Sequence[StepRow], *, is_cancelled: bool = False, is_late: bool = False) -> Next:
    """Return what happens next in a run, from its definition and its step rows alone."""
    by_path = {row.path: row for row in rows}
    for spec in definition.steps:
        row = by_path.get(spec.path)
        if row is not None and row.state in (StepState.DONE, StepState.SKIPPED):
            continue
        if row is not None and row.state in (StepState.FAILED, StepState.UNKNOWN):
            return Finish(RunState.FAILED, RunReason(row.reason))
        if is_cancelled:
            return Finish(RunState.CANCELLED, RunReason.CANCELLED)
        if is_late:
            return Finish(RunState.FAILED, RunReason.DEADLINE)
        return Begin(spec.path) if row is None or row.state is StepState.PENDING else Continue(spec.path)
    return Finish(RunState.SUCCEEDED, RunReason.HEALED)
