"""The pure decisions of automation, with the vectors of the endpoint page (3.7)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.domains.automation.rules import limits
from mainstay.domains.automation.rules.definitions import DEFINITIONS, RESTART_SERVICE, RUNBOOKS
from mainstay.domains.automation.rules.healing import SENTENCES, HealFacts, HealReason, Mode, consider
from mainstay.domains.automation.rules.runs import (
    Begin,
    Continue,
    Finish,
    RunReason,
    RunState,
    StepKind,
    StepRow,
    StepState,
    next_step,
)
from mainstay.domains.automation.rules.verification import Observation, VerifyReason, VerifyVerdict, verify

HOUR_BUDGET = (limits.Budget("device_action_hour", 3, 3600),)
WELL = HealFacts(
    has_runbook=True,
    mode=Mode.ACT,
    has_root=True,
    is_tier_enabled=True,
    is_service_listed=True,
    has_helper=True,
    is_frozen=False,
    is_quarantined=False,
    contact_age_s=2,
    signal_age_s=1,
    is_flapping=False,
    has_active_run=False,
    failing_devices=1,
    group_devices=10,
    outcomes=(),
    uses=(),
    other_devices_last_hour=0,
    concurrent_runs=0,
    now=10_000,
)


@pytest.mark.parametrize(("now", "is_spent"), [(3599, True), (3600, False)])
def test_a_use_leaves_the_budget_exactly_one_period_later(now: int, is_spent: bool) -> None:
    assert (limits.spent(HOUR_BUDGET, [0, 600, 1200], now) is not None) is is_spent


@pytest.mark.parametrize(("failing", "group", "is_common"), [(1, 10, False), (2, 10, True), (2, 100, False), (3, 1000, True)])
def test_a_fault_on_several_devices_has_a_common_cause(failing: int, group: int, is_common: bool) -> None:
    assert limits.has_common_cause(failing, group) is is_common


@pytest.mark.parametrize(("group", "devices"), [(1, 1), (10, 1), (100, 5), (1000, 10)])
def test_a_runbook_touches_a_twentieth_of_the_group_and_never_more_than_ten(group: int, devices: int) -> None:
    assert limits.runbook_devices_per_hour(group) == devices


@pytest.mark.parametrize(("outcomes", "is_open"), [("FSSFSSSSSF", True), ("FSSSSSSSSF", False), ("FFFSSSSSSSSSS", False)])
def test_the_breaker_opens_at_three_failures_of_the_last_ten(outcomes: str, is_open: bool) -> None:
    assert limits.is_breaker_open([letter == "S" for letter in outcomes]) is is_open


def test_a_runbook_acts_when_nothing_stands_against_it() -> None:
    decision = consider(WELL)

    assert decision.is_yes
    assert decision.reason is HealReason.ACTING


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"has_runbook": False}, HealReason.NO_RUNBOOK),
        ({"mode": Mode.OFF}, HealReason.MODE_OFF),
        ({"mode": Mode.SHADOW}, HealReason.SHADOW),
        ({"mode": Mode.SUGGEST}, HealReason.SUGGESTED),
        ({"mode": Mode.ASK}, HealReason.APPROVAL_NEEDED),
        ({"has_root": False}, HealReason.NO_ROOT),
        ({"is_tier_enabled": False}, HealReason.TIER_DISABLED),
        ({"is_service_listed": False}, HealReason.NOT_ALLOWED),
        ({"has_helper": False}, HealReason.NO_HELPER),
        ({"is_frozen": True}, HealReason.FROZEN),
        ({"is_quarantined": True}, HealReason.QUARANTINED),
        ({"contact_age_s": 91.0}, HealReason.OFFLINE),
        ({"signal_age_s": 31.0}, HealReason.STALE),
        ({"is_flapping": True}, HealReason.FLAPPING),
        ({"has_active_run": True}, HealReason.ALREADY_RUNNING),
        ({"failing_devices": 2}, HealReason.COMMON_CAUSE),
        ({"outcomes": (False, True, False, False)}, HealReason.BREAKER_OPEN),
        ({"uses": (9_000.0, 9_100.0, 9_200.0)}, HealReason.BUDGET),
        ({"other_devices_last_hour": 1}, HealReason.BUDGET),
        ({"concurrent_runs": 20}, HealReason.CONCURRENCY),
    ],
)
def test_every_hindrance_has_its_own_reason(change: dict[str, object], reason: HealReason) -> None:
    decision = consider(replace(WELL, **change))  # type: ignore[arg-type]  # each change names one field of HealFacts

    assert not decision.is_yes
    assert decision.reason is reason


def test_authority_is_asked_before_limits() -> None:
    assert consider(replace(WELL, has_root=False, uses=(9_000.0,) * 3)).reason is HealReason.NO_ROOT


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(HealReason)


def test_a_run_begins_with_its_first_step() -> None:
    assert next_step(RESTART_SERVICE, []) == Begin("restart")


def test_a_waiting_step_is_looked_at_again() -> None:
    assert next_step(RESTART_SERVICE, [StepRow("restart", StepState.SENT)]) == Continue("restart")


def test_a_failed_step_ends_the_run_with_its_reason() -> None:
    rows = [StepRow("restart", StepState.FAILED, RunReason.REFUSED_BY_AGENT)]

    assert next_step(RESTART_SERVICE, rows) == Finish(RunState.FAILED, RunReason.REFUSED_BY_AGENT)


def test_an_unknown_outcome_is_never_repeated() -> None:
    rows = [StepRow("restart", StepState.UNKNOWN, RunReason.UNKNOWN_OUTCOME)]

    assert next_step(RESTART_SERVICE, rows) == Finish(RunState.FAILED, RunReason.UNKNOWN_OUTCOME)


def test_a_run_whose_steps_are_done_has_healed() -> None:
    rows = [StepRow(spec.path, StepState.DONE) for spec in RESTART_SERVICE.steps]

    assert next_step(RESTART_SERVICE, rows) == Finish(RunState.SUCCEEDED, RunReason.HEALED)


def test_cancel_and_deadline_act_between_steps() -> None:
    done = [StepRow("restart", StepState.DONE)]

    assert next_step(RESTART_SERVICE, done, is_cancelled=True) == Finish(RunState.CANCELLED, RunReason.CANCELLED)
    assert next_step(RESTART_SERVICE, done, is_late=True) == Finish(RunState.FAILED, RunReason.DEADLINE)


@given(st.lists(st.sampled_from([StepState.DONE, StepState.SENT, StepState.WAITING, StepState.FAILED]), max_size=4))
def test_what_comes_next_depends_on_the_rows_alone(states: list[StepState]) -> None:
    rows = [
        StepRow(spec.path, state, RunReason.COMMAND_FAILED if state is StepState.FAILED else "")
        for spec, state in zip(RESTART_SERVICE.steps, states, strict=False)
    ]

    assert next_step(RESTART_SERVICE, rows) == next_step(RESTART_SERVICE, list(reversed(rows)))


def test_every_shipped_runbook_verifies_what_it_did() -> None:
    for (name, _), definition in DEFINITIONS.items():
        assert name in RUNBOOKS
        assert any(step.kind is StepKind.VERIFY for step in definition.steps)


def _seen(*changes: tuple[float, bool]) -> list[Observation]:
    return [Observation(at, is_running) for at, is_running in changes]


@pytest.mark.parametrize(
    ("seen", "now", "verdict", "reason"),
    [
        ([(100, True)], 106, VerifyVerdict.HEALED, VerifyReason.SUSTAINED),
        ([(100, True)], 105.9, VerifyVerdict.WAIT, VerifyReason.SETTLING),
        ([], 110, VerifyVerdict.WAIT, VerifyReason.NO_FRESH_SIGNAL),
        ([], 131, VerifyVerdict.FAILED, VerifyReason.NO_FRESH_SIGNAL),
        ([(101, False)], 131, VerifyVerdict.FAILED, VerifyReason.NOT_RUNNING),
        ([(101, True), (103, False)], 104, VerifyVerdict.FAILED, VerifyReason.RELAPSED),
        ([(101, True), (103, False), (104, True)], 120, VerifyVerdict.FAILED, VerifyReason.RELAPSED),
        ([(99, False), (104, True)], 110, VerifyVerdict.HEALED, VerifyReason.SUSTAINED),
    ],
)
def test_only_a_sustained_signal_counts_as_healed(
    seen: list[tuple[float, bool]], now: float, verdict: VerifyVerdict, reason: VerifyReason
) -> None:
    judged = verify(repaired_at=100, observations=_seen(*seen), now=now, timeout_s=30)

    assert (judged.verdict, judged.reason) == (verdict, reason)
