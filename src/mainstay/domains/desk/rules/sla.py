"""The state of every clock of a ticket, from its events.

Owns: met, breached, cancelled, superseded; when a breach counts; flags.
Does not own: events (timeline), business time (targets), what happens at a threshold (services).
Invariant: a breach once recorded stays, whatever is learned or changed later; incremental evaluation after each
event equals one evaluation at the end.
Source: help desk page, sections 5.2 to 5.6.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from mainstay.domains.desk.rules.policy import ClockName, Policy, Target, Threshold
from mainstay.domains.desk.rules.targets import Gap, as_span, business_within, clip, covers, due_at, threshold_at, unite_gaps
from mainstay.domains.desk.rules.timeline import (
    CancelReason,
    Event,
    EventType,
    Flag,
    Phase,
    Run,
    Timeline,
    read_timeline,
)
from mainstay.kernel.calendars import Span, elapsed, open_between

_CYCLIC = frozenset({ClockName.NEXT_RESPONSE, ClockName.UPDATE, ClockName.UNDERPINNING})
_ORDER = {clock: place for place, clock in enumerate(ClockName)}


class State(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Result(StrEnum):
    OPEN = "open"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class ClockState:
    """One clock as it stands. Unit: microseconds, instants since 1970. `end` is where its arithmetic stops.

    epoch counts the targets that this running had; an earlier one is superseded.
    """

    clock: ClockName
    cycle: int
    epoch: int
    target: Target
    start: int
    end: int
    due: int | None
    stopped_at: int | None
    consumed: int
    paused: int
    breached_at: int | None
    result: Result
    result_before: Result | None
    state: State
    flags: tuple[str, ...]
    superseded_at: int | None
    gaps: tuple[Gap, ...]
    done: tuple[Span, ...]
    pauses: tuple[tuple[str, Gap], ...]

    @property
    def is_final(self) -> bool:
        return self.state is State.STOPPED or self.result is Result.SUPERSEDED


@dataclass(frozen=True)
class _Epoch:
    """A stretch of knowledge: from learning something that rewrites the past to just before the next such thing."""

    learned_at: int
    until: int
    is_change: bool


@dataclass(frozen=True)
class _Breach:
    at: int
    phase: int
    flags: tuple[str, ...] = ()


_Key = tuple[ClockName, int]


def evaluate(policy: Policy, events: Sequence[Event], now: int) -> tuple[ClockState, ...]:
    """Return the clocks of a ticket at an instant, from the events recorded by then.

    policy: what held at the start; later ones come with their events. Order: superseded clocks first, in time order,
    then by clock and cycle.
    """
    known = [event for event in events if event.known_at <= now]
    breaches: dict[_Key, _Breach] = {}
    late: dict[_Key, ClockState] = {}
    states: list[tuple[_Key, ClockState]] = []
    for epoch in _epochs(known, now):
        timeline = read_timeline([event for event in known if event.known_at <= epoch.until], policy)
        _carry_merged(timeline, breaches)
        states = [pair for run in timeline.runs for pair in _judge(run, timeline, epoch, breaches)]
        late |= {key: state for key, state in states if state.breached_at is not None}
    kept = {key for key, _ in states}
    vanished = [_frozen(state) for key, state in late.items() if key not in kept]
    return tuple(sorted([*(state for _, state in states), *vanished], key=_place))


def next_instants(state: ClockState) -> dict[Threshold, int]:
    """Return when each threshold of a running clock passes, as far as that is known now."""
    instants = {threshold: threshold_at(state.target, threshold, state.start, state.gaps) for threshold in state.target.thresholds}
    return {threshold: at for threshold, at in instants.items() if at is not None}


def _epochs(events: Sequence[Event], now: int) -> Iterator[_Epoch]:
    """Split what is known by the instants at which something rewrote the past (help desk page, 5.5 rules 3, 4 and 6)."""
    if not events:
        return
    rewrites = {event.known_at for event in events if _rewrites_past(event)}
    changes = {event.known_at for event in events if event.type in (EventType.POLICY, EventType.MERGE_IN)}
    starts = sorted({min(event.known_at for event in events), *rewrites})
    for start, following in zip(starts, (*starts[1:], None), strict=True):
        yield _Epoch(start, now if following is None else following - 1, start in changes)


def _rewrites_past(event: Event) -> bool:
    return event.known_at > event.at or event.type in (EventType.POLICY, EventType.MERGE_IN, EventType.BOUNCED)


def _carry_merged(timeline: Timeline, breaches: dict[_Key, _Breach]) -> None:
    for clock, at in timeline.merged_breaches.items():
        breaches.setdefault((clock, 0), _Breach(at, phase=-1))


def _judge(run: Run, timeline: Timeline, epoch: _Epoch, breaches: dict[_Key, _Breach]) -> Iterator[tuple[_Key, ClockState]]:
    key = (run.clock, run.start if run.clock in _CYCLIC else 0)
    for place, phase in enumerate(run.phases):
        state = _measure(run, place, phase, timeline, epoch.until)
        late_at = _late_at(run, phase, state)
        if late_at is not None:
            breaches.setdefault(key, _recorded(late_at, place, epoch))
        yield key, _with_result(run, state, breaches.get(key), late_at)


def _measure(run: Run, place: int, phase: Phase, timeline: Timeline, until: int) -> ClockState:
    """Do the arithmetic of one phase; the result is decided afterwards."""
    ends = [at for at in (phase.superseded_at, run.stopped_at, run.ended_at) if at is not None]
    end = min(ends, default=until)
    is_stopped = phase.superseded_at is None and bool(ends)
    pauses = tuple((reason, gap) for reason in sorted(phase.target.pause_on) for gap in timeline.pauses.get(reason, ()))
    done = tuple(span for span in timeline.done if span.end <= end)
    resolved = unite_gaps([Gap(*span) for span in done], since=phase.start)
    held = [*(gap for _, gap in pauses), *(Gap(*span) for span in timeline.done)]
    gaps = unite_gaps(clip(held, end, keep_open=not is_stopped) if ends else held, since=phase.start)
    total = elapsed(phase.target.calendar, phase.start, end)
    idle = business_within(phase.target, gaps, end)
    return ClockState(
        clock=run.clock,
        cycle=run.cycle,
        epoch=place + 1,
        target=phase.target,
        start=phase.start,
        end=end,
        due=due_at(phase.target, phase.start, gaps),
        stopped_at=run.stopped_at if phase.superseded_at is None else None,
        consumed=total - idle,
        paused=idle - business_within(phase.target, resolved, end),
        breached_at=None,
        result=Result.OPEN,
        result_before=None,
        state=State.STOPPED if is_stopped else State.PAUSED if covers(gaps, end) else State.RUNNING,
        flags=tuple(run.flags),
        superseded_at=phase.superseded_at,
        gaps=gaps,
        done=done,
        pauses=pauses,
    )


def _late_at(run: Run, phase: Phase, state: ClockState) -> int | None:
    """Return the due instant when it passed before the clock was stopped, else None."""
    if state.due is None or run.cancel is CancelReason.MERGED or _is_only_measured(run):
        return None
    if phase.superseded_at is not None:
        is_late = state.due < phase.superseded_at
    elif run.stopped_at is not None:
        is_late = state.due < run.stopped_at
    else:
        is_late = state.due <= state.end
    return state.due if is_late else None


def _is_only_measured(run: Run) -> bool:
    return Flag.CREATED_CLOSED in run.flags and run.stopped_at is not None


def _recorded(late_at: int, place: int, epoch: _Epoch) -> _Breach:
    if late_at >= epoch.learned_at:
        return _Breach(late_at, place)
    return _Breach(epoch.learned_at, place, (Flag.BREACHED_ON_CHANGE if epoch.is_change else Flag.LATE_FACT,))


def _with_result(run: Run, state: ClockState, breach: _Breach | None, late_at: int | None) -> ClockState:
    place = state.epoch - 1
    is_last = state.superseded_at is None
    if run.cancel is CancelReason.MERGED and is_last:
        breach = None  # it moves to the survivor, so that it counts once
    elif breach is not None and (breach.phase > place or (breach.phase < 0 and not is_last)):
        breach = None
    flags = state.flags
    if breach is not None:
        flags = (*flags, *(breach.flags if breach.phase == place else (Flag.CARRIED_OVER,)))
    result = _result(run, breach is not None)
    if is_last and result is Result.CANCELLED and run.cancel is not None:
        flags = (*flags, run.cancel)
    return replace(
        state,
        breached_at=breach.at if breach else None,
        result=result if is_last else Result.SUPERSEDED,
        result_before=None if is_last else (Result.BREACHED if breach else Result.OPEN),
        flags=flags,
    )


def _result(run: Run, is_breached: bool) -> Result:
    if is_breached:
        return Result.BREACHED
    if run.cancel is not None:
        return Result.CANCELLED
    return Result.OPEN if run.stopped_at is None else Result.MET


def _frozen(state: ClockState) -> ClockState:
    """Keep a breached clock whose cause was undone later: its breach is permanent, its time stands still."""
    return replace(state, state=State.STOPPED, flags=(*state.flags, Flag.CARRIED_OVER))


def _place(state: ClockState) -> tuple[int, int, int, int]:
    superseded = state.superseded_at if state.superseded_at is not None else 2**62
    return superseded, _ORDER[state.clock], state.cycle, state.epoch


# --- why? ---------------------------------------------------------------------------------------------------------------


class SegmentKind(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    CLOSED = "closed"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Segment:
    """A stretch of a clock's life with one explanation. The lengths of one kind add up to what the clock shows."""

    kind: SegmentKind
    start: int
    end: int
    reasons: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        return self.end - self.start


def segments(state: ClockState) -> tuple[Segment, ...]:
    """Cut the life of a clock into running, paused, closed and resolved; `running` adds up to consumed, `paused` to paused."""
    edges = {state.start, state.end}
    opened = _open_within(state)
    for start, end in (*opened, *state.done, *(as_span(gap, state.end) for _, gap in state.pauses)):
        edges |= {at for at in (start, end) if state.start < at < state.end}
    cuts = sorted(edges)
    pieces = [_explain(state, opened, start, end) for start, end in pairwise(cuts)]
    return tuple(_join(pieces))


def _open_within(state: ClockState) -> tuple[Span, ...]:
    return tuple(open_between(state.target.calendar, state.start, state.end))


def _explain(state: ClockState, opened: Sequence[Span], start: int, end: int) -> Segment:
    if any(span.start <= start < span.end for span in state.done):
        return Segment(SegmentKind.RESOLVED, start, end)
    if not any(span.start <= start < span.end for span in opened):
        return Segment(SegmentKind.CLOSED, start, end)
    reasons = tuple(sorted({reason for reason, gap in state.pauses if covers((gap,), start)}))
    return Segment(SegmentKind.PAUSED if reasons else SegmentKind.RUNNING, start, end, reasons)


def _join(pieces: Sequence[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and (last.kind, last.reasons) == (piece.kind, piece.reasons):
            joined[-1] = replace(last, end=piece.end)
        else:
            joined.append(piece)
    return joined
