"""The alert machine, flapping, readings and folds, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.domains.alerting.rules import flapping, folding, machine
from mainstay.domains.alerting.rules.machine import Episode, Observed, Signal
from mainstay.domains.alerting.rules.pack import METRICS, PACK, Worse
from mainstay.domains.alerting.rules.readings import DeviceView, FactView, Sample, Slope, UnitView, readings
from mainstay.domains.alerting.rules.words import SENTENCES, Phase, Reason
from mainstay.domains.alerting.services.changes import ACTS
from mainstay.kernel.severity import Condition, Severity

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DEVICE = UUID(int=7)
RULE = PACK["service.down"]
FILLING = PACK["filesystem.filling"]
BAD = Observed(Signal.BAD, Severity.CRITICAL)
WARN = Observed(Signal.BAD, Severity.WARNING)
GOOD = Observed(Signal.GOOD)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def episode(phase: Phase = Phase.FIRING, severity: Severity = Severity.CRITICAL, **changes: object) -> Episode:
    made = Episode(phase, severity, Condition.CRIT if severity is Severity.CRITICAL else Condition.WARN, bad_since=NOW, fired_at=NOW)
    return replace(made, **changes)


def test_one_bad_look_waits_and_the_second_fires() -> None:
    first = machine.advance(RULE, None, BAD, at=NOW)
    assert first is not None
    assert (first.episode.phase, first.reason, first.is_told) == (Phase.PENDING, Reason.PENDING, False)

    assert machine.advance(RULE, first.episode, BAD, at=after(1.9)) is None
    second = machine.advance(RULE, first.episode, BAD, at=after(2))

    assert second is not None
    assert (second.episode.phase, second.reason, second.is_told) == (Phase.FIRING, Reason.FIRST_FIRING, True)
    assert second.episode.fired_at == after(2)


@pytest.mark.parametrize(
    ("previous", "observed", "at", "phase", "reason", "told"),
    [
        (episode(Phase.PENDING), GOOD, 1, Phase.CANCELLED, Reason.CANCELLED, False),
        (episode(severity=Severity.WARNING), BAD, 9, Phase.FIRING, Reason.SEVERITY_RAISED, True),
        (episode(), WARN, 9, Phase.FIRING, Reason.IMPROVED, False),
        (episode(), GOOD, 9, Phase.RECOVERING, Reason.RECOVERING, False),
        (episode(Phase.RECOVERING, good_since=NOW), BAD, 2, Phase.FIRING, Reason.RELAPSE, False),
        (episode(Phase.RECOVERING, good_since=NOW), GOOD, 4, Phase.RESOLVED, Reason.RECOVERED, True),
        (episode(), Observed(Signal.SILENT), 9, Phase.FIRING, Reason.SOURCE_SILENT, False),
        (episode(condition=Condition.NODATA), BAD, 9, Phase.FIRING, Reason.SOURCE_BACK, False),
        (episode(), Observed(Signal.UNKNOWN), 9, Phase.FIRING, Reason.UNKNOWN_VALUE, False),
        (episode(Phase.RESOLVED, resolved_at=NOW), BAD, 300, Phase.PENDING, Reason.PENDING, False),
    ],
)
def test_each_row_of_the_phase_table(previous: Episode, observed: Observed, at: int, phase: Phase, reason: Reason, told: bool) -> None:
    step = machine.advance(RULE, previous, observed, at=after(at))

    assert step is not None
    assert (step.episode.phase, step.reason, step.is_told) == (phase, reason, told)


@pytest.mark.parametrize(
    ("previous", "observed", "at"),
    [
        (None, GOOD, 0),
        (None, Observed(Signal.SILENT), 0),
        (None, Observed(Signal.UNKNOWN), 0),
        (episode(), BAD, 9),
        (episode(Phase.PENDING), Observed(Signal.SILENT), 60),
        (episode(Phase.RECOVERING, good_since=NOW), GOOD, 3),
        (episode(condition=Condition.NODATA), Observed(Signal.SILENT), 9),
        (episode(Phase.RECOVERING, good_since=NOW, is_flapping=True), GOOD, 3600),
    ],
)
def test_nothing_new_changes_nothing(previous: Episode | None, observed: Observed, at: int) -> None:
    assert machine.advance(RULE, previous, observed, at=after(at)) is None


@pytest.mark.parametrize(("seconds", "reason"), [(300, Reason.REOPENED), (301, Reason.FIRST_FIRING)])
def test_bad_again_within_five_minutes_is_reopened(seconds: int, reason: Reason) -> None:
    closed = episode(Phase.RESOLVED, resolved_at=NOW)
    pending = machine.advance(RULE, closed, BAD, at=after(seconds))
    assert pending is not None

    fired = machine.advance(RULE, pending.episode, BAD, at=after(seconds + 2))

    assert fired is not None
    assert fired.reason is reason


def test_silence_is_never_down_and_never_well() -> None:
    silent = machine.advance(RULE, episode(), Observed(Signal.SILENT), at=NOW)

    assert silent is not None
    assert silent.episode.condition is Condition.NODATA
    assert not silent.episode.condition.is_bad
    assert silent.episode.phase is Phase.FIRING


@pytest.mark.parametrize(
    ("value", "held", "signal", "severity"),
    [
        (50.0, None, Signal.GOOD, None),
        (9.9, None, Signal.BAD, Severity.WARNING),
        (10.0, None, Signal.GOOD, None),
        (11.9, Severity.WARNING, Signal.BAD, Severity.WARNING),
        (12.0, Severity.WARNING, Signal.GOOD, None),
        (2.9, Severity.WARNING, Signal.BAD, Severity.CRITICAL),
        (4.9, Severity.CRITICAL, Signal.BAD, Severity.CRITICAL),
        (5.0, Severity.CRITICAL, Signal.BAD, Severity.WARNING),
        (None, Severity.WARNING, Signal.UNKNOWN, None),
    ],
)
def test_a_level_is_left_only_at_its_recover_value(
    value: float | None, held: Severity | None, signal: Signal, severity: Severity | None
) -> None:
    previous = episode(severity=held) if held else None

    assert machine.judge(FILLING, value, previous) == Observed(signal, severity)


def test_every_rule_of_the_pack_has_hysteresis_and_words() -> None:
    for rule in PACK.values():
        assert rule.levels
        for level in rule.levels:
            better = level.recover > level.fire if rule.worse is Worse.BELOW else level.recover < level.fire
            assert better, rule.id
        assert rule.summary.format(subject="x", value=1.0, text="y")
        assert rule.next_action


def test_every_reason_has_a_sentence_and_every_step_an_act() -> None:
    assert set(SENTENCES) == set(Reason)
    overlays = {"acknowledged", "snoozed", "snooze_over", "joined_fold", "flapping"}
    assert {str(reason) for reason in Reason} - {str(reason) for reason in ACTS} == overlays


@given(st.lists(st.sampled_from([BAD, WARN, GOOD, Observed(Signal.SILENT), Observed(Signal.UNKNOWN)]), max_size=40), st.integers(1, 60))
def test_no_sequence_of_looks_fires_without_two_bad_ones(looks: list[Observed], gap_s: int) -> None:
    state: Episode | None = None
    bad_looks = 0
    for number, observed in enumerate(looks):
        step = machine.advance(RULE, state, observed, at=after(number * gap_s))
        is_fresh = state is None or not state.phase.is_open
        bad_looks = (0 if is_fresh else bad_looks) + (observed.signal is Signal.BAD)
        if step is not None:
            if step.reason in (Reason.FIRST_FIRING, Reason.REOPENED):
                assert bad_looks >= 2
            state = step.episode


@pytest.mark.parametrize(
    ("flags", "score"),
    [
        ([True] * 20, 99.0),
        ([False] * 19 + [True], 5.9),
        ([True] + [False] * 19, 4.0),
        ([False] * 14 + [True] * 6, 33.9),
        ([False] * 15 + [True] * 5, 28.5),
        ([False] * 16 + [True] * 4, 23.0),
        ([True] * 7 + [False] * 13, 30.1),
        ([True] * 6 + [False] * 14, 25.5),
    ],
)
def test_the_flap_score_is_that_of_the_vectors(flags: list[bool], score: float) -> None:
    assert flapping.score(flags) == pytest.approx(score)


@pytest.mark.parametrize(
    ("is_flapping", "score", "hour", "half_hour", "expected"),
    [
        (False, 33.9, 0, 0, True),
        (False, 28.5, 0, 0, False),
        (True, 28.5, 0, 0, True),
        (True, 23.0, 0, 0, False),
        (False, 0.0, 6, 6, True),
        (False, 0.0, 5, 5, False),
        (True, 0.0, 6, 3, True),
        (True, 0.0, 6, 2, False),
    ],
)
def test_flapping_starts_and_ends_with_hysteresis(is_flapping: bool, score: float, hour: int, half_hour: int, expected: bool) -> None:
    assert flapping.next_flapping(is_flapping, score, hour, half_hour) is expected


def test_three_falls_and_three_recoveries_within_the_hour_are_flapping() -> None:
    state = flapping.Flaps()
    for number, is_bad in enumerate([False, True, False, True, False, True, False]):
        state = flapping.take(state, is_bad=is_bad, at=after(number * 60))

    assert state.is_flapping
    assert len(state.changes) == 6


def test_a_fast_tick_does_not_wash_a_change_out() -> None:
    state = flapping.take(flapping.take(flapping.Flaps(), is_bad=False, at=NOW), is_bad=True, at=after(5))

    assert flapping.take(state, is_bad=True, at=after(10)) is state


def view(**known: object) -> DeviceView:
    return DeviceView(**{"device_id": DEVICE, "name": "harbor-dc1", "heard_at": NOW, "is_silent": False, **known})


def sample(value: float, **labels: str) -> Sample:
    return Sample(labels, value, NOW)


@pytest.mark.parametrize(
    ("rule", "known", "expected"),
    [
        ("filesystem.filling", {"samples": {"filesystem_free_pct": [sample(4.0, mount="/")]}}, [("/", 4.0)]),
        (
            "filesystem.filling",
            {"samples": {"filesystem_free_pct": [sample(0.0, mount="/cd")], "filesystem_read_only": [sample(1.0, mount="/cd")]}},
            [],
        ),
        ("filesystem.predicted_full", {"slopes": {"filesystem_free_bytes": [Slope({"mount": "/"}, 36_000, -1.0, 7200)]}}, [("/", 10.0)]),
        ("filesystem.predicted_full", {"slopes": {"filesystem_free_bytes": [Slope({"mount": "/"}, 36_000, -1.0, 60)]}}, []),
        ("memory.pressure", {"samples": {"memory_available_pct": [sample(2.5)]}}, [("", 2.5)]),
        ("load.saturated", {"samples": {"load5": [sample(8.0)], "cpu_count": [sample(2.0)]}}, [("", 4.0)]),
        ("load.saturated", {"samples": {"load5": [sample(8.0)]}}, []),
        ("clock.wrong", {"samples": {"clock_offset_ms": [sample(-180_000.0)]}}, [("", 180.0)]),
        ("agent.silent", {"heard_at": NOW - timedelta(seconds=40)}, [("", 40.0)]),
        ("agent.silent", {"heard_at": None}, []),
        ("device.quarantined", {"quarantine": "clone:falling_poll_seq"}, [("", 1.0)]),
        (
            "service.down",
            {"units": [UnitView("a", "running", NOW), UnitView("b", "failed", NOW), UnitView("c", "unknown", NOW)]},
            [("a", 0.0), ("b", 1.0), ("c", None)],
        ),
        (
            "unit.failed",
            {
                "units": [UnitView("a", "failed", NOW)],
                "facts": {"services": FactView({"services": [{"unit": "a", "state": "failed"}, {"unit": "b", "state": "failed"}]}, "")},
            },
            [("b", 1.0)],
        ),
        (
            "disk.errors",
            {
                "facts": {
                    "disks": FactView(
                        {
                            "disks": [
                                {"name": "sda", "smart": {"passed": False}},
                                {"name": "sdb", "smart": {"passed": True, "pending_sectors": 3}},
                                {"name": "sdc", "smart": {"passed": True, "pending_sectors": 0}},
                                {"name": "sdd", "smart": None, "unknown": {"smart": "tool_missing"}},
                            ]
                        },
                        "",
                    )
                }
            },
            [("sda", 2.0), ("sdb", 1.0), ("sdc", 0.0), ("sdd", None)],
        ),
        (
            "certificate.expiring",
            {
                "facts": {
                    "certificates": FactView(
                        {
                            "certificates": [
                                {"path": "/etc/a.pem", "position": 0, "not_after": int(after(5 * 86400).timestamp()), "is_ca": False},
                                {"path": "/etc/ca.pem", "position": 0, "not_after": int(NOW.timestamp()), "is_ca": True},
                            ]
                        },
                        "",
                    )
                }
            },
            [("/etc/a.pem#0", 5.0)],
        ),
        ("updates.pending", {"facts": {"updates": FactView({"security_count": 3}, "")}}, [("", 3.0)]),
        ("updates.pending", {"facts": {"updates": FactView(None, "lists_missing")}}, [("", None)]),
        ("reboot.required", {"facts": {"reboot_state": FactView({"required": None}, "")}}, [("", None)]),
        ("reboot.required", {"facts": {"reboot_state": FactView({"required": True}, "")}}, [("", 1.0)]),
        ("backup.unknown", {"facts": {"backups": FactView({"known": False}, "")}}, [("", 1.0)]),
        ("backup.unknown", {}, []),
    ],
)
def test_what_is_known_becomes_readings_and_what_is_unknown_stays_unknown(
    rule: str, known: dict[str, object], expected: list[tuple[str, float | None]]
) -> None:
    assert [(one.subject, one.value) for one in readings(rule, view(**known), at=NOW)] == expected


def test_every_rule_can_read_a_device_of_which_nothing_is_known() -> None:
    for rule_id in PACK:
        assert all(one.value in (0.0, None) for one in readings(rule_id, view(), at=NOW))
    assert "filesystem_free_pct" in METRICS


def test_two_rules_about_one_unit_share_a_fold_and_two_units_do_not() -> None:
    down, failed = PACK["service.down"], PACK["unit.failed"]

    assert folding.fold_key(down, DEVICE, "nginx") == folding.fold_key(failed, DEVICE, "nginx")
    assert folding.fold_key(down, DEVICE, "nginx") != folding.fold_key(down, DEVICE, "postgresql")
    assert folding.fold_key(PACK["updates.pending"], DEVICE, "") == folding.fold_key(PACK["reboot.required"], DEVICE, "")


@pytest.mark.parametrize(
    ("acknowledged", "severity", "sticky", "covered"),
    [
        (Severity.CRITICAL, Severity.WARNING, False, True),
        (Severity.WARNING, Severity.WARNING, False, True),
        (Severity.WARNING, Severity.CRITICAL, False, False),
        (Severity.WARNING, Severity.CRITICAL, True, True),
    ],
)
def test_an_acknowledgement_covers_up_to_what_was_seen(acknowledged: Severity, severity: Severity, sticky: bool, covered: bool) -> None:
    assert folding.covers(acknowledged, severity, is_sticky=sticky) is covered
