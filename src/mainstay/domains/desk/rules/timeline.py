"""From a ticket's events to the runnings of its clocks.

Owns: what starts, stops, pauses and resumes a clock (help desk page, sections 5.2 and 5.4).
Does not own: when a running is late (sla), or business time (targets).
Invariant: one forward pass in the order (at, seq); the same events give the same timeline.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mainstay.domains.desk.rules.policy import ChangeMode, ClockName, Policy, Target, WaitingReason
from mainstay.domains.desk.rules.targets import Gap
from mainstay.kernel.calendars import Span
from mainstay.kernel.json import Json


class EventType(StrEnum):
    """The events that move a clock. A ticket has others; they are passed over here."""

    CREATED = "created"
    MESSAGE = "message"
    ASSIGNED = "assigned"
    STATUS = "status"
    REASON = "reason"
    POLICY = "policy"
    MERGE_IN = "merge_in"
    MERGED_AWAY = "merged_away"
    BOUNCED = "bounced"


class Flag(StrEnum):
    """A remark on a clock's result that a report must not lose."""

    AGENT_INITIATED = "agent_initiated"
    CREATED_CLOSED = "created_closed"
    REOPENED = "reopened"
    CARRIED_OVER = "carried_over"
    BREACHED_ON_CHANGE = "breached_on_change"
    LATE_FACT = "late_fact"


class CancelReason(StrEnum):
    """Why a clock ended without an answer to whether the promise was kept."""

    NO_REPLY = "no_reply"
    MERGED = "merged"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Event:
    """One event of a ticket. Unit: microseconds. `policy` is set for events of type policy only."""

    at: int
    seq: int
    type: str
    data: Mapping[str, Json] = field(default_factory=dict)
    recorded_at: int = -1
    policy: Policy | None = None

    @property
    def known_at(self) -> int:
        """Return when the server learned of it; an event without a record instant was known at once."""
        return self.at if self.recorded_at < 0 else self.recorded_at


@dataclass
class Phase:
    """The stretch of a running under one target; a change of policy begins the next phase."""

    target: Target
    start: int
    superseded_at: int | None = None


@dataclass
class Run:
    """One running of a clock. `stopped_at`: the promise was kept then. `ended_at`: it ended without that."""

    clock: ClockName
    cycle: int
    start: int
    phases: list[Phase] = field(default_factory=list)
    stopped_at: int | None = None
    ended_at: int | None = None
    cancel: CancelReason | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.stopped_at is None and self.ended_at is None


@dataclass
class Timeline:
    """What the events say, before any arithmetic."""

    runs: list[Run] = field(default_factory=list)
    pauses: dict[str, list[Gap]] = field(default_factory=dict)
    done: list[Span] = field(default_factory=list)
    merged_breaches: dict[ClockName, int] = field(default_factory=dict)


def read_timeline(events: Iterable[Event], policy: Policy) -> Timeline:
    """Fold events, ordered by (at, seq), under the policy that held at the start."""
    ordered = sorted(events, key=lambda event: (event.at, event.seq))
    bounced = frozenset(event.data.get("of") for event in ordered if event.type == EventType.BOUNCED)
    reader = _Reader(policy, bounced)
    for event in ordered:
        reader.take(event)
    return reader.finish()


class _Reader:
    """The fold's working state."""

    def __init__(self, policy: Policy, bounced: frozenset[Json]) -> None:
        self.policy = policy
        self.bounced = bounced
        self.timeline = Timeline()
        self.latest: dict[ClockName, Run] = {}
        self.waiting: str | None = None
        self.reasons: dict[tuple[str, str], int] = {}
        self.resolved_at: int | None = None
        self.client_messages: dict[Json, int] = {}

    def take(self, event: Event) -> None:
        handle = _HANDLERS.get(event.type)
        if handle is not None:
            handle(self, event)

    def finish(self) -> Timeline:
        for (_, reason), since in self.reasons.items():
            self._note_pause(reason, since, None)
        return self.timeline

    # --- events

    def created(self, event: Event) -> None:
        category, _, reason = str(event.data.get("status", "new")).partition(":")
        if category == "closed":
            self.resolved_at = event.at
            run = self._start(ClockName.RESOLUTION, event.at)
            run.stopped_at, run.flags = event.at, (Flag.CREATED_CLOSED,)
            return
        self._start(ClockName.ASSIGNMENT, event.at)
        self._start(ClockName.RESOLUTION, event.at)
        if event.data.get("by") != "alert":
            response = self._start(ClockName.FIRST_RESPONSE, event.at)
            if event.data.get("by") == "staff":
                response.stopped_at, response.flags = event.at, (Flag.AGENT_INITIATED,)
        self._wait_for(reason or None, event.at)

    def message(self, event: Event) -> None:
        if event.data.get("id") is not None and event.data["id"] in self.bounced:
            return
        if event.data.get("side") in ("client", "customer"):
            self._client_wrote(event)
        elif event.data.get("side") == "staff" and event.data.get("public") and event.data.get("human"):
            self._staff_replied(event)

    def assigned(self, event: Event) -> None:
        if event.data.get("by") == "human":
            self._stop(ClockName.ASSIGNMENT, event.at)

    def status(self, event: Event) -> None:
        category, _, reason = str(event.data.get("to", "")).partition(":")
        if category in ("resolved", "closed"):
            self._resolve(event.at)
        elif category == "cancelled":
            self._wait_for(None, event.at)
            self._end_all(event.at, CancelReason.CANCELLED)
        elif category in ("new", "open", "waiting"):
            if self.resolved_at is not None:
                self._reopen(event)
            self._wait_for(reason or None, event.at)

    def reason(self, event: Event) -> None:
        self._hold("event", str(event.data.get("reason")), event.at, on=bool(event.data.get("on")))

    def policy_changed(self, event: Event) -> None:
        if event.policy is None:
            return
        self.policy = event.policy
        mode = ChangeMode.FROM_NOW if event.policy.is_ola else ChangeMode(str(event.data.get("mode", ChangeMode.RETROACTIVE)))
        for run in self.latest.values():
            if run.is_open:
                self._next_phase(run, event.at, mode)

    def merge_in(self, event: Event) -> None:
        breached = event.data.get("breached")
        if isinstance(breached, Mapping):
            self.timeline.merged_breaches |= {ClockName(clock): _instant(at) for clock, at in breached.items()}
        if not event.data.get("same_organisation"):
            return
        start = _instant(event.data.get("start"))
        for clock in (ClockName.ASSIGNMENT, ClockName.FIRST_RESPONSE, ClockName.RESOLUTION):
            run = self.latest.get(clock)
            if run is not None and run.is_open:
                _begin_earlier(run, start)

    def merged_away(self, event: Event) -> None:
        self._end_all(event.at, CancelReason.MERGED)

    # --- what they do

    def _client_wrote(self, event: Event) -> None:
        if event.data.get("class") == "hard":
            return  # machine mail neither resumes nor starts anything
        if self.waiting == WaitingReason.CUSTOMER:
            self._wait_for(None, event.at)
        if event.data.get("id") is not None:
            self.client_messages[event.data["id"]] = event.at
        if self.resolved_at is None and not self._runs(ClockName.FIRST_RESPONSE) and not self._runs(ClockName.NEXT_RESPONSE):
            self._start(ClockName.NEXT_RESPONSE, event.at)

    def _staff_replied(self, event: Event) -> None:
        for clock in (ClockName.FIRST_RESPONSE, ClockName.NEXT_RESPONSE, ClockName.UPDATE):
            self._stop(clock, event.at)
        if self.resolved_at is None:
            self._start(ClockName.UPDATE, event.at)

    def _resolve(self, at: int) -> None:
        if self.resolved_at is not None:
            return
        self.resolved_at = at
        self._wait_for(None, at)
        self._stop(ClockName.RESOLUTION, at)
        self._stop(ClockName.UPDATE, at)
        for clock in (ClockName.FIRST_RESPONSE, ClockName.NEXT_RESPONSE):
            self._end(clock, at, CancelReason.NO_REPLY)
        self._end(ClockName.ASSIGNMENT, at, CancelReason.RESOLVED)

    def _reopen(self, event: Event) -> None:
        self.timeline.done.append(Span(self.resolved_at or event.at, event.at))
        self.resolved_at = None
        run = self.latest[ClockName.RESOLUTION]
        run.stopped_at = None
        run.flags = (*(flag for flag in run.flags if flag is not Flag.REOPENED), Flag.REOPENED)
        if _target_of(run) is not self.policy.targets.get(run.clock):
            self._next_phase(run, event.at, ChangeMode.RETROACTIVE)  # the policy changed while it was resolved
        if not self._runs(ClockName.FIRST_RESPONSE):
            self._start(ClockName.UPDATE, event.at)
            reopened_by = self.client_messages.get(event.data.get("by_message"))
            if reopened_by is not None:
                self._start(ClockName.NEXT_RESPONSE, reopened_by)

    def _wait_for(self, reason: str | None, at: int) -> None:
        if reason == self.waiting:
            return
        if self.waiting is not None:
            self._hold("status", self.waiting, at, on=False)
        if self.waiting == WaitingReason.VENDOR:
            self._stop(ClockName.UNDERPINNING, at)
        self.waiting = reason
        if reason is not None:
            self._hold("status", reason, at, on=True)
        if reason == WaitingReason.VENDOR:
            self._start(ClockName.UNDERPINNING, at)

    def _hold(self, source: str, reason: str, at: int, *, on: bool) -> None:
        if on:
            self.reasons.setdefault((source, reason), at)
        elif (source, reason) in self.reasons:
            self._note_pause(reason, self.reasons.pop((source, reason)), at)

    def _note_pause(self, reason: str, since: int, until: int | None) -> None:
        self.timeline.pauses.setdefault(reason, []).append(Gap(since, until))

    # --- runnings

    def _start(self, clock: ClockName, at: int) -> Run:
        previous = self.latest.get(clock)
        run = Run(clock, cycle=previous.cycle + 1 if previous else 1, start=at)
        if (target := self.policy.targets.get(clock)) is not None:
            run.phases.append(Phase(target, at))
        self.latest[clock] = run
        self.timeline.runs.append(run)
        return run

    def _runs(self, clock: ClockName) -> bool:
        return clock in self.latest and self.latest[clock].is_open

    def _stop(self, clock: ClockName, at: int) -> None:
        if self._runs(clock):
            self.latest[clock].stopped_at = at

    def _end(self, clock: ClockName, at: int, reason: CancelReason) -> None:
        if self._runs(clock):
            run = self.latest[clock]
            run.ended_at, run.cancel = at, reason

    def _end_all(self, at: int, reason: CancelReason) -> None:
        for clock in list(self.latest):
            self._end(clock, at, reason)

    def _next_phase(self, run: Run, at: int, mode: ChangeMode) -> None:
        if run.phases:
            run.phases[-1].superseded_at = at
        if (target := self.policy.targets.get(run.clock)) is not None:
            run.phases.append(Phase(target, run.start if mode is ChangeMode.RETROACTIVE else at))


_HANDLERS: Mapping[str, Callable[[_Reader, Event], None]] = {
    EventType.CREATED: _Reader.created,
    EventType.MESSAGE: _Reader.message,
    EventType.ASSIGNED: _Reader.assigned,
    EventType.STATUS: _Reader.status,
    EventType.REASON: _Reader.reason,
    EventType.POLICY: _Reader.policy_changed,
    EventType.MERGE_IN: _Reader.merge_in,
    EventType.MERGED_AWAY: _Reader.merged_away,
}


def _begin_earlier(run: Run, start: int) -> None:
    if run.phases and run.phases[-1].start == run.start:
        run.phases[-1].start = min(start, run.start)
    run.start = min(start, run.start)


def _target_of(run: Run) -> Target | None:
    return run.phases[-1].target if run.phases and run.phases[-1].superseded_at is None else None


def _instant(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError("instants inside event data are whole microseconds")
    return value
