"""What to automate: tickets that come back, alerts that nobody acts on, commands that are typed again, schedules run by hand.

Source: security page, section 5 rule 9. Invariant: every number says what it measures. The minutes of a ticket run from its start to
its resolution, more than anybody worked on it, so what they promise is always called an upper bound.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low

CASES_MIN = 5
HANDLING_MIN = 5
CLUSTER_DAYS = 90
YEAR_DAYS = 365
ALERTS_MIN = 20
REPEATED_MIN = 3


# What the numbers of each kind measure, as the report says it beside them.
MEASURES: Mapping[str, str] = {
    "AUT-01": "Minutes run from the start of a ticket to its resolution: an upper bound of the work.",
    "AUT-02": "Counted are alerts that ended and that nobody had acknowledged; somebody may have acted without saying so.",
    "AUT-03": "Counted are equal command sequences in recorded remote connections.",
    "AUT-04": "Counted are packages updated and schedules run by hand.",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket that was handled. `minutes` is the measured time from its start to its resolution."""

    category: str
    system_class: str
    resolution: str
    minutes: int


@dataclass(frozen=True, slots=True)
class RuleHistory:
    """The alerts of one rule that ended, and how many of them nobody had acknowledged."""

    rule: str
    closed: int
    without_action: int


@dataclass(frozen=True, slots=True)
class ByHand:
    """Something that people did again and again. `what` is a command sequence, a package or a schedule."""

    what: str
    times: int
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook that could do it, with its success here: (verified runs, all runs)."""

    name: str
    verified: int = 0
    runs: int = 0

    @property
    def share(self) -> Fraction | None:
        return Fraction(self.verified, self.runs) if self.runs else None


@dataclass(frozen=True, slots=True)
class Opportunity:
    """Something to automate. Without a runbook it says so; minutes are None where no time was measured."""

    kind: str
    key: str
    title: str
    cases: int
    minutes_per_year: int | None
    is_upper_bound: bool
    runbook: str | None

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.key}"


def clusters(cases: Iterable[Case], runbooks: Mapping[str, Runbook]) -> list[Opportunity]:
    """AUT-01: tickets of one category, class and resolution that came five times in 90 days.

    The share is the measured success of the runbook here, or all of them where it never ran.
    """
    grouped: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for case in cases:
        grouped[case.category, case.system_class, case.resolution].append(case.minutes)
    return [_cluster(key, minutes, runbooks.get(key[0])) for key, minutes in sorted(grouped.items()) if _is_cluster(minutes)]


def noise(histories: Iterable[RuleHistory]) -> list[Opportunity]:
    """AUT-02: rules whose alerts mostly end without anybody having acknowledged them."""
    loud = (one for one in histories if one.closed >= ALERTS_MIN and 2 * one.without_action > one.closed)
    return [
        Opportunity(
            "AUT-02",
            one.rule,
            f"{one.without_action} of {one.closed} alerts of {one.rule} ended and were not acknowledged",
            one.without_action,
            None,
            False,
            None,
        )
        for one in sorted(loud, key=lambda each: each.rule)
    ]


def repeated(kind: str, done: Iterable[ByHand]) -> list[Opportunity]:
    """AUT-03 (command sequences) and AUT-04 (packages and schedules): three times by hand is once too often."""
    often = (one for one in done if one.times >= REPEATED_MIN)
    return [_repeated(kind, one) for one in sorted(often, key=lambda each: each.what)]


def minutes_per_year(opportunities: Sequence[Opportunity]) -> int:
    return sum(one.minutes_per_year or 0 for one in opportunities)


def _is_cluster(minutes: Sequence[int]) -> bool:
    return len(minutes) >= CASES_MIN and median_low(minutes) >= HANDLING_MIN


def _cluster(key: tuple[str, str, str], minutes: Sequence[int], runbook: Runbook | None) -> Opportunity:
    category, system_class, resolution = key
    measured = runbook.share if runbook else None
    yearly = Fraction(len(minutes) * YEAR_DAYS, CLUSTER_DAYS) * median_low(minutes) * (1 if measured is None else measured)
    return Opportunity(
        "AUT-01",
        "/".join(part for part in key if part),
        f"{category} on {system_class} was resolved as {resolution} {len(minutes)} times in {CLUSTER_DAYS} days",
        len(minutes),
        int(yearly),
        True,
        runbook.name if runbook else None,
    )


def _repeated(kind: str, one: ByHand) -> Opportunity:
    yearly = None if one.minutes is None else one.minutes * one.times * YEAR_DAYS // CLUSTER_DAYS
    return Opportunity(
        kind, one.what, f"{one.what} was done by hand {one.times} times in {CLUSTER_DAYS} days", one.times, yearly, True, None
    )
