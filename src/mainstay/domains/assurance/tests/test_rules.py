"""Findings, matrix, automation, requirements, map, signs of health and the order of audits: one sentence, one behaviour."""

from datetime import date, timedelta

import pytest

from mainstay.domains.assurance.rules import automation, findings, health, infrastructure, matrix, schedule, system_checks
from mainstay.domains.assurance.rules.catalogue import CATALOGUE
from mainstay.domains.assurance.rules.frameworks import frameworks
from mainstay.domains.assurance.rules.judged import DataClass, Judgement, Severity, Subject
from mainstay.domains.assurance.rules.matrix import Cell, Column, State, System
from mainstay.domains.assurance.rules.requirements import RequirementState, Strength, exposure, mapped, state
from mainstay.domains.assurance.rules.results import Verdict
from mainstay.domains.assurance.rules.system_checks import Around
from mainstay.domains.assurance.tests import builders
from mainstay.domains.assurance.tests.builders import NOW, answer, check, judgement, system

PASS, FAIL, PARTIAL, UNKNOWN, NA = Verdict.PASS, Verdict.FAIL, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE
OWNED = Subject("s", "billing", owner="Clara", data=DataClass.REGULATED)
EVERYTHING = dict.fromkeys(map(str, Column), State.CONNECTED)


def known(one: Judgement, **what: object) -> findings.Known:
    base = {
        "first_seen": "2026-11-01T00:00:00Z",
        "failing": findings.failing_ids(one),
        "severity": "high",
        "is_fixed": False,
        "due": date(2026, 12, 1),
    }
    return findings.Known(**{**base, **what})  # type: ignore[arg-type]  # a test says what it changes


# --- findings


@pytest.mark.parametrize(("severity", "days"), [("critical", 7), ("high", 30), ("medium", 90), ("low", 180)])
def test_a_finding_is_due_by_its_severity(severity: str, days: int):
    assert findings.due_on(Severity(severity), date(2026, 1, 1)) == date(2026, 1, 1) + timedelta(days=days)


def test_a_finding_is_new_then_known_then_changed_then_returned():
    one = judgement(check(), FAIL)

    assert findings.change(None, one) is findings.Change.NEW
    assert findings.change(known(one), one) is findings.Change.KNOWN
    assert findings.change(known(one, failing=("dev-1", "dev-2")), one) is findings.Change.CHANGED
    assert findings.change(known(one, severity="low"), one) is findings.Change.CHANGED
    assert findings.change(known(one, is_fixed=True), one) is findings.Change.RETURNED


def test_a_finding_whose_check_could_not_be_judged_is_not_fixed():
    assert findings.fixed_keys(["f:A:x", "f:B:x"], [], ["f:A:x"]) == ("f:A:x",)


def test_an_exception_holds_through_its_last_day():
    accepted = findings.Accepted("because", "p:1", "2026-01-01", date(2026, 6, 30))

    assert accepted.holds(date(2026, 6, 30))
    assert not accepted.holds(date(2026, 7, 1))


# --- integration matrix


def test_a_system_that_nobody_watches_backs_up_or_owns_fails_with_each_of_them_named():
    lonely = Subject("s", "billing", data=DataClass.REGULATED)
    found = matrix.judge_connected(system(lonely, **{**EVERYTHING, "monitoring": State.POSSIBLE, "backup": State.NOT_POSSIBLE}))

    assert (found.verdict, found.failing, found.passed, found.total) == (PARTIAL, ("backup", "monitoring", "owner"), 6, 9)


def test_a_system_with_everything_it_needs_passes_and_one_that_nobody_described_is_unknown():
    assert matrix.judge_connected(system(OWNED, **EVERYTHING)).verdict is PASS
    assert matrix.judge_connected(system(OWNED)).verdict is UNKNOWN


def test_a_cell_that_is_not_needed_is_not_asked_for():
    plain = Subject("s", "kiosk", owner="Clara")
    cells = dict.fromkeys(("inventory", "monitoring", "patch", "ticket"), State.CONNECTED)

    assert matrix.judge_connected(system(plain, **cells)).verdict is PASS


def test_a_connection_is_silent_after_more_than_three_of_its_intervals():
    def spoke(ago_s: int) -> System:
        return System(OWNED, {Column.MONITORING: Cell(State.CONNECTED, "agent", NOW - timedelta(seconds=ago_s), timedelta(seconds=60))})

    assert matrix.judge_silent(spoke(180), NOW).verdict is PASS
    assert matrix.judge_silent(spoke(181), NOW).failing == ("monitoring",)


def test_an_island_is_a_system_without_any_edge_and_not_one_that_nobody_described():
    assert matrix.judge_island(system(OWNED, monitoring=State.POSSIBLE)).verdict is FAIL
    assert matrix.judge_island(system(OWNED)).verdict is UNKNOWN
    assert matrix.judge_island(System(OWNED, {}, peers=frozenset({"ehr"}))).verdict is PASS


def test_two_tools_of_one_function_overlap_and_the_cheaper_one_is_priced():
    both = System(OWNED, {}, tools={"backup": ("borg", "restic"), "monitoring": ("mainstay",)}, yearly_cost={"borg": 900, "restic": 500})
    found = matrix.judge_overlap(both)

    assert (found.verdict, found.failing, found.passed, found.total) == (PARTIAL, ("backup",), 1, 2)
    assert found.seen == "backup: borg and restic (at least 500 minor units a year)."


def test_every_row_of_the_matrix_has_all_nine_cells():
    (row,) = matrix.as_rows([system(OWNED, monitoring=State.CONNECTED)], NOW)

    assert len(row["cells"]) == 9
    assert row["cells"]["monitoring"] == {
        "state": "connected", "last": "2026-11-19T12:00:00Z", "rule": "said", "needed": "every_system", "silent": False,
    }  # fmt: skip


# --- checks that no host answers


def ask(check_id: str, subject: Subject = OWNED, **around: object) -> list[tuple[Verdict, str]]:
    world = Around(NOW, (system(subject),), **around)  # type: ignore[arg-type]  # a test says what it adds
    return [(result.verdict, result.reason) for _, result in system_checks.answers(CATALOGUE[check_id], world)]


def test_a_system_without_data_needs_no_backup_and_one_with_data_is_not_looked_at_without_a_source():
    assert ask("BCK-01", Subject("s", "kiosk")) == [(NA, "no_data_class")]
    assert ask("BCK-01") == [(NA, "no_backup_engine")]
    assert ask("BCK-01", Subject("s", "kiosk", tier=1)) == [(NA, "no_backup_engine")]


def test_the_tenant_is_asked_only_when_it_is_in_scope():
    assert ask("GOV-02") == []
    assert ask("GOV-02", tenant=OWNED) == [(NA, "no_answer")]


def test_a_ledger_that_nobody_outside_has_seen_fails():
    assert ask("GOV-09", tenant=OWNED, witness="W1") == [(FAIL, "")]
    assert ask("GOV-09", tenant=OWNED, witness="W2") == [(PASS, "")]


def test_a_system_without_a_named_owner_is_nobodys():
    assert ask("HLT-05") == [(PASS, "")]
    assert ask("HLT-05", Subject("s", "kiosk")) == [(FAIL, "")]


def test_what_repeats_is_a_finding_and_nothing_to_automate_passes():
    one = automation.Opportunity("AUT-02", "r", "t", 20, None, False, None)

    assert ask("AUT-02", tenant=OWNED, opportunities={"AUT-02": (one,)}) == [(FAIL, "")]
    assert ask("AUT-02", tenant=OWNED, opportunities={"AUT-02": ()}) == [(PASS, "")]
    assert ask("AUT-02", tenant=OWNED) == [(NA, "no_history")]


# --- automation


def case(minutes: int = 12) -> automation.Case:
    return automation.Case("service.down", "server", "fixed", minutes)


def test_five_tickets_of_a_kind_are_worth_at_most_their_minutes_times_the_measured_success():
    runbook = automation.Runbook("restart_service", verified=3, runs=4)
    (found,) = automation.clusters([case(m) for m in (10, 12, 12, 14, 90)], {"service.down": runbook})

    assert (found.minutes_per_year, found.is_upper_bound, found.runbook) == (182, True, "restart_service")


def test_without_a_measured_success_every_case_counts():
    (found,) = automation.clusters([case()] * 5, {})

    assert (found.minutes_per_year, found.is_upper_bound, found.runbook) == (243, True, None)


@pytest.mark.parametrize("cases", [[case()] * 4, [case(4)] * 5])
def test_four_tickets_or_quick_ones_are_no_cluster(cases):
    assert automation.clusters(cases, {}) == []


def test_a_rule_is_noise_when_more_than_half_of_twenty_alerts_ended_without_action():
    loud, even, few = (automation.RuleHistory("r", closed, quiet) for closed, quiet in ((20, 11), (20, 10), (19, 19)))

    assert [len(automation.noise([one])) for one in (loud, even, few)] == [1, 0, 0]


def test_three_times_by_hand_is_once_too_often():
    assert [len(automation.repeated("AUT-04", [automation.ByHand("openssl", times)])) for times in (2, 3)] == [0, 1]


# --- frameworks


def test_the_packs_hold_what_the_standards_count():
    packs = {one.id: one for one in frameworks()}

    assert len(packs["csf2"].requirements) == 106
    assert len({row.id.partition("-")[0] for row in packs["csf2"].requirements}) == 22
    assert len({row.id[:2] for row in packs["csf2"].requirements}) == 6
    assert sorted(row.kind for row in packs["hipaa"].requirements).count("R") == 19
    assert len(packs["soc2"].requirements) == 38


def test_only_rows_of_312_in_the_official_wording_are_not_to_be_confirmed():
    hipaa = frameworks()[0]

    assert {row.id.startswith("164.312") for row in hipaa.requirements if not row.tbc} == {True}
    assert {row.id.startswith("164.312") for row in hipaa.requirements if row.tbc} == {False}
    assert {row.id: row.kind for row in hipaa.requirements if row.id.startswith("164.312")} == {
        "164.312(a)(2)(i)": "R", "164.312(a)(2)(ii)": "R", "164.312(a)(2)(iii)": "A", "164.312(a)(2)(iv)": "A", "164.312(b)": "S",
        "164.312(c)(2)": "A", "164.312(d)": "S", "164.312(e)(2)(i)": "A", "164.312(e)(2)(ii)": "A",
    }  # fmt: skip


def test_every_id_stands_once_in_its_pack_and_every_control_of_the_catalogue_is_in_the_hub():
    for pack in frameworks():
        assert len({row.id for row in pack.requirements}) == len(pack.requirements), pack.id
    hub = {row.id for row in frameworks()[3].requirements}
    assert {control for one in CATALOGUE.values() for control in one.controls} - hub == set()


def test_every_check_of_the_catalogue_speaks_to_a_requirement():
    assert [one.id for one in CATALOGUE.values() if not mapped(one, frameworks())] == []


def test_a_check_that_names_a_requirement_speaks_directly_and_one_that_shares_a_control_through_the_hub():
    named = check(hipaa=("164.312(b)",), controls=("AU-2",))
    found = {(one.framework, one.id): one.strength for one in mapped(named, frameworks())}

    assert found["hipaa", "164.312(b)"] is Strength.DIRECT
    assert found["soc2", "CC7.2"] is Strength.HUB


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], RequirementState.NO_EVIDENCE),
        ([UNKNOWN, NA], RequirementState.NO_EVIDENCE),
        ([PASS, NA], RequirementState.MET),
        ([PASS, UNKNOWN], RequirementState.PARTLY),
        ([PASS, FAIL], RequirementState.PARTLY),
        ([PARTIAL], RequirementState.PARTLY),
        ([FAIL, UNKNOWN], RequirementState.NOT_MET),
    ],
)
def test_a_requirement_is_met_only_when_every_check_that_applies_passes(verdicts: list[Verdict], expected: RequirementState):
    assert state(verdicts) is expected


def test_a_requirement_without_any_check_is_no_evidence():
    rows = exposure(frameworks()[0], [judgement(check(controls=("AU-8",)), PASS)])

    assert {str(state) for row, state, checks in rows if not checks} == {"no_evidence"}
    assert [row.id for row, state, _ in rows if state is RequirementState.MET] == ["164.312(b)"]


# --- map

DATABASE = {"sockets": {"listening": [{"protocol": "tcp", "port": 5432, "address": "0.0.0.0", "process": "postgres"}]}}  # noqa: S104
ADDRESS = {"net": {"interfaces": [{"addresses": [{"address": "10.0.0.9", "family": "ipv4"}]}]}}


def client(name: str) -> infrastructure.Mapped:
    going_out = {"direction": "out", "peer": "10.0.0.9", "peer_port": 5432, "process": "ehr", "count": 2}
    return builders.mapped(name, {"connections": {"connections": [going_out]}}, device_id=name)


def test_live_connections_become_dependencies_named_by_the_device_that_has_the_address():
    drawn = infrastructure.draw([client("ehr1"), builders.mapped("db1", {**DATABASE, **ADDRESS}, device_id="db1")])

    assert drawn["dependencies"] == [{"from": "ehr1", "to": "db1", "port": 5432, "process": "ehr", "seen": 2}]
    assert drawn["listeners"][0]["port"] == 5432


def test_a_database_that_two_devices_need_and_nobody_backs_up_is_a_single_point_twice_over():
    drawn = infrastructure.draw([client("ehr1"), client("ehr2"), builders.mapped("db1", {**DATABASE, **ADDRESS}, device_id="db1")])

    assert drawn["data_stores"] == [{"device": "db1", "kind": "database", "what": "postgres", "seen_as": "listener", "backed_up": False}]
    assert [(one["what"], one["why"], one["affects"]) for one in drawn["single_points"]] == [
        ("postgres on db1", "data_without_backup", ["db1"]),
        ("db1", "others_depend_on_it", ["ehr1", "ehr2"]),
    ]


def services(**one: str) -> dict[str, dict[str, object]]:
    return {"services": {"services": [{"unit": "postgresql@15-main.service", "state": "running", "detail": "active/running", **one}]}}


def test_a_database_that_runs_without_listening_to_the_network_is_a_data_store():
    (store,) = infrastructure.data_stores(builders.mapped("db1", services()))

    assert (store["kind"], store["what"], store["seen_as"]) == ("database", "postgresql", "service")


@pytest.mark.parametrize(
    "groups",
    [
        {"packages": {"packages": [{"name": "postgresql"}]}},
        services(state="stopped", detail="inactive/dead"),
        services(unit="postgresql.service", detail="active/exited"),
    ],
)
def test_a_database_that_is_installed_and_does_not_run_is_none(groups):
    assert infrastructure.data_stores(builders.mapped("db1", groups)) == []


def test_the_map_of_a_device_whose_facts_are_not_known_is_empty_and_no_error():
    drawn = infrastructure.draw([builders.mapped()])

    assert (drawn["services"], drawn["listeners"], drawn["dependencies"], drawn["software"]) == (
        [],
        [],
        [],
        {"packages": 0, "outside_packages": []},
    )


# --- health


def not_looked_at(check_id: str) -> Judgement:
    return Judgement(CATALOGUE[check_id], ((OWNED, system_checks.without_source(CATALOGUE[check_id])),))


def sign(name: str, *judgements: Judgement, **waiting: int) -> tuple[str, int]:
    (found,) = (one for one in health.signs(judgements, health.Waiting(**waiting)) if one.sign == name)
    return found.answer, found.number


def test_a_sign_is_unknown_below_eighty_per_cent_judged_and_yes_as_soon_as_it_is_seen():
    hlt = check("HLT-01")

    assert sign("crashes", judgement(hlt, *[PASS] * 3, UNKNOWN)) == ("unknown", 0)
    assert sign("crashes", judgement(hlt, *[PASS] * 4, UNKNOWN)) == ("no", 0)
    assert sign("crashes", judgement(hlt, FAIL, UNKNOWN, UNKNOWN)) == ("yes", 1)


def test_what_has_no_source_keeps_a_sign_unknown():
    disk = judgement(check("HLT-03"), PASS, on=(OWNED,))

    assert sign("data_loss", disk) == ("no", 0)
    assert sign("data_loss", disk, not_looked_at("BCK-01")) == ("unknown", 0)


def test_what_has_no_source_keeps_a_requirement_from_being_met():
    one = not_looked_at("BCK-01")

    assert (one.verdict, one.applicable, one.judged) == (NA, (), 0)
    assert [subject.id for subject, _ in one.unasked] == [OWNED.id]
    states = {row.id: state for row, state, checks in exposure(frameworks()[0], [one]) if checks}
    assert set(states.values()) == {RequirementState.NO_EVIDENCE}
    both = [one, judgement(check("X", controls=one.check.controls, hipaa=one.check.hipaa), PASS)]
    assert {state for _, state, checks in exposure(frameworks()[0], both) if len(checks) > 1} == {RequirementState.PARTLY}


def test_one_crashing_device_of_twenty_is_not_yet_the_sign():
    assert sign("crashes", judgement(check("HLT-01"), FAIL, *[PASS] * 19)) == ("no", 1)


def test_an_alert_that_nobody_took_is_nobody_responsible():
    assert sign("nobody_responsible", judgement(check("HLT-05"), PASS)) == ("no", 0)
    assert sign("nobody_responsible", judgement(check("HLT-05"), PASS), alerts=2) == ("yes", 2)


def test_an_open_critical_finding_is_the_sign_of_security():
    assert sign("security", judgement(check("ACC-01", severity="critical"), FAIL)) == ("yes", 1)
    assert sign("security", judgement(check("ACC-01", severity="critical"), PASS)) == ("no", 0)


# --- audits that nobody asked for


def due(**what: object) -> object:
    base = {"now": NOW, "last_run": None, "due": None, "known": schedule.FIRST_GROUPS, "arrived": (), "pending": ()}
    return schedule.due_after_facts(**{**base, **what})  # type: ignore[arg-type]  # a test says what it changes


def test_the_first_audit_follows_two_seconds_after_the_first_facts():
    assert due() == NOW + timedelta(seconds=2)
    assert due(known={"os"}) is None


def test_the_second_audit_follows_when_a_group_comes_that_the_first_had_to_do_without():
    last = NOW - timedelta(minutes=5)

    assert due(last_run=last, arrived=["audit_verify"], pending=["audit_verify"]) == NOW + timedelta(seconds=2)
    assert due(last_run=last, arrived=["sockets"], pending=["audit_verify"]) is None


def test_groups_that_keep_coming_do_not_audit_more_often_than_the_pause():
    last = NOW - timedelta(seconds=1)

    assert due(last_run=last, arrived=["audit_ssh"], pending=["audit_ssh"]) == last + schedule.PAUSE


def test_a_run_waits_for_sweeps_and_for_groups_that_never_came():
    sent = schedule.AUDIT_GROUPS - {"audit_tls"}

    assert schedule.pending({"audit_verify": "running", "audit_ssh": "needs_helper"}, sent) == ("audit_tls", "audit_verify")
    assert schedule.pending({"updates": "running"}, {*schedule.AUDIT_GROUPS, "updates"}) == ("updates",)


def test_an_answer_with_failing_parts_names_them():
    one = Judgement(check(), ((Subject("d", "d"), answer("TST-01", PARTIAL, 1, 3, failing=("b", "a"))),))

    assert findings.failing_ids(one) == ("d/a", "d/b")
