"""The state machine of one alert: previous state and reading in, next state and reason out.

Source: control page, section 3.6, the table of phases. Time is an argument; nothing is remembered here.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from mainstay.domains.alerting.rules.pack import Level, Rule, Worse
from mainstay.domains.alerting.rules.words import Phase, Reason
from mainstay.kernel.severity import CONDITION_OF, Condition, Severity

REOPEN_WITHIN = timedelta(minutes=5)


class Signal(Enum):
    BAD = "bad"
    GOOD = "good"
    UNKNOWN = "unknown"
    SILENT = "silent"


@dataclass(frozen=True)
class Observed:
    """A reading, judged. `severity` only with BAD."""

    signal: Signal
    severity: Severity | None = None


@dataclass(frozen=True)
class Episode:
    """One alert from its first bad evaluation to its recovery."""

    phase: Phase
    severity: Severity
    condition: Condition
    bad_since: datetime
    good_since: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    is_flapping: bool = False
    was_reopened: bool = False


@dataclass(frozen=True)
class Step:
    """What an evaluation changed. `is_told`: somebody should hear of it (folding and overlays may still keep it quiet)."""

    episode: Episode
    reason: Reason
    is_told: bool = False


def judge(rule: Rule, value: float | None, previous: Episode | None) -> Observed:
    """Compare a value with the levels of a rule; a level that fires is left only at its recover value."""
    if value is None:
        return Observed(Signal.UNKNOWN)
    held = previous.severity if previous is not None and previous.phase.is_open else None
    for level in rule.levels:
        if _is_beyond(rule.worse, value, _bound(level, held)):
            return Observed(Signal.BAD, level.severity)
    return Observed(Signal.GOOD)


def advance(rule: Rule, previous: Episode | None, observed: Observed, *, at: datetime) -> Step | None:
    """Return what changes, or None when nothing does.

    `previous` is the open episode of the fingerprint, or the newest closed one, or None.
    """
    if previous is None or not previous.phase.is_open:
        return _begin(rule, previous, observed, at)
    if previous.phase is Phase.PENDING:
        return _wait(rule, previous, observed, at)
    if observed.signal is Signal.BAD:
        return _still_bad(previous, observed.severity or previous.severity, at)
    if observed.signal is Signal.GOOD:
        return _good(rule, previous, at)
    return _in_doubt(previous, observed.signal)


def close(previous: Episode, reason: Reason, *, at: datetime) -> Step:
    """End an episode whose subject or rule is gone."""
    if previous.phase is Phase.PENDING:
        return Step(replace(previous, phase=Phase.CANCELLED, resolved_at=at), reason)
    return Step(replace(previous, phase=Phase.RESOLVED, condition=Condition.OK, resolved_at=at), reason, is_told=True)


def _begin(rule: Rule, last: Episode | None, observed: Observed, at: datetime) -> Step | None:
    if observed.signal is not Signal.BAD or observed.severity is None:
        return None
    reopened = last is not None and last.phase is Phase.RESOLVED and last.resolved_at is not None and at - last.resolved_at <= REOPEN_WITHIN
    fresh = Episode(Phase.PENDING, observed.severity, CONDITION_OF[observed.severity], bad_since=at, was_reopened=reopened)
    return _fire(fresh, at) if rule.wait_s == 0 else Step(fresh, Reason.PENDING)


def _wait(rule: Rule, previous: Episode, observed: Observed, at: datetime) -> Step | None:
    if observed.signal is Signal.GOOD:
        return Step(replace(previous, phase=Phase.CANCELLED, condition=Condition.OK, resolved_at=at), Reason.CANCELLED)
    if observed.signal is not Signal.BAD or observed.severity is None:
        return None
    # The second bad look is what makes it hard: one look, however old, never fires.
    if at - previous.bad_since < timedelta(seconds=rule.wait_s):
        return None
    return _fire(replace(previous, severity=observed.severity, condition=CONDITION_OF[observed.severity]), at)


def _fire(episode: Episode, at: datetime) -> Step:
    reason = Reason.REOPENED if episode.was_reopened else Reason.FIRST_FIRING
    return Step(replace(episode, phase=Phase.FIRING, fired_at=at), reason, is_told=True)


def _still_bad(previous: Episode, severity: Severity, at: datetime) -> Step | None:
    now_bad = replace(previous, phase=Phase.FIRING, severity=severity, condition=CONDITION_OF[severity], good_since=None)
    if severity > previous.severity:
        return Step(now_bad, Reason.SEVERITY_RAISED, is_told=True)
    if previous.phase is Phase.RECOVERING:
        return Step(now_bad, Reason.RELAPSE)
    if severity < previous.severity:
        return Step(now_bad, Reason.IMPROVED)
    if previous.condition in (Condition.NODATA, Condition.UNKNOWN):
        return Step(now_bad, Reason.SOURCE_BACK)
    return None


def _good(rule: Rule, previous: Episode, at: datetime) -> Step | None:
    since = previous.good_since or at
    if previous.phase is Phase.FIRING and (rule.recover_s > 0 or previous.is_flapping):
        return Step(replace(previous, phase=Phase.RECOVERING, condition=Condition.OK, good_since=at), Reason.RECOVERING)
    if previous.is_flapping or at - since < timedelta(seconds=rule.recover_s):
        return None
    healed = replace(previous, phase=Phase.RESOLVED, condition=Condition.OK, good_since=since, resolved_at=at)
    return Step(healed, Reason.RECOVERED, is_told=True)


def _in_doubt(previous: Episode, signal: Signal) -> Step | None:
    condition, reason = (Condition.NODATA, Reason.SOURCE_SILENT) if signal is Signal.SILENT else (Condition.UNKNOWN, Reason.UNKNOWN_VALUE)
    if previous.condition is condition:
        return None
    # Doubt ends a recovery: what was well a moment ago must be seen to be well again.
    return Step(replace(previous, phase=Phase.FIRING, condition=condition, good_since=None), reason)


def _bound(level: Level, held: Severity | None) -> float:
    return level.recover if held is not None and held >= level.severity else level.fire


def _is_beyond(worse: Worse, value: float, bound: float) -> bool:
    return value < bound if worse is Worse.BELOW else value > bound
