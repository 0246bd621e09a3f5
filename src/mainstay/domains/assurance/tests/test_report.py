"""The report: the same inputs give the same bytes, every check comes out, and nothing that is unknown looks like a pass."""

import json
from datetime import date, timedelta

from mainstay.domains.assurance.rules.catalogue import CATALOGUE
from mainstay.domains.assurance.rules.compare import compare
from mainstay.domains.assurance.rules.findings import Accepted, Known
from mainstay.domains.assurance.rules.inputs import Before
from mainstay.domains.assurance.rules.judged import DataClass, Exposure, Subject
from mainstay.domains.assurance.rules.matrix import State
from mainstay.domains.assurance.rules.report import compose
from mainstay.domains.assurance.rules.roadmap import Money
from mainstay.domains.assurance.tests.builders import NOW, inputs, mapped
from mainstay_trust.canonical import parse

KEYS = [
    "v", "kind", "run", "tenant", "scope", "as_of", "window", "demo", "software", "answer", "map", "areas", "checks", "findings",
    "not_looked_at", "matrix", "frameworks", "automation", "roadmap", "health", "changes", "method", "proofs",
]  # fmt: skip
OWNERLESS = "f:HLT-05:dev-1"


def test_the_document_has_its_keys_in_the_order_of_the_report():
    assert list(compose(inputs()).document) == KEYS


def test_the_same_inputs_give_the_same_bytes_and_another_run_differs_in_its_id_only():
    first, again, other = compose(inputs()), compose(inputs()), compose(inputs(run="run-2"))

    assert first.data == again.data
    assert first.data.replace(b'"run":"run-1"', b'"run":"run-2"') == other.data


def test_the_bytes_are_canonical_json_with_integers_only():
    data = compose(inputs()).data

    assert json.loads(data) == parse(data)


def test_every_check_of_the_catalogue_is_in_the_report_and_a_host_without_facts_passes_none_of_its_own():
    document = compose(inputs()).document

    assert [one["id"] for one in document["checks"]] == list(CATALOGUE)
    host_checks = [one for one in document["checks"] if CATALOGUE[one["id"]].subject == "host"]
    assert {one["id"]: one["verdict"] for one in host_checks if one["verdict"] != "unknown"} == {"NET-02": "not_applicable"}
    assert {"check": "NET-02", "reason": "no_outside_probe", "subjects": 0} in document["not_looked_at"]
    assert {one["check"] for one in document["not_looked_at"]} >= {one["id"] for one in host_checks}


def test_a_finding_says_what_was_seen_why_it_matters_and_how_to_fix_it():
    (finding,) = (one for one in compose(inputs()).document["findings"] if one["id"] == OWNERLESS)

    assert finding["subjects"] == {"count": 1, "of": 1, "list": ["elm-ehr1"]}
    assert finding["seen"] == "Nobody is named as responsible for elm-ehr1."
    assert (finding["change"], finding["due"], finding["first_seen"]) == ("new", "2027-02-17", "2026-11-19T12:00:00Z")
    assert (finding["why"], tuple(finding["fix"])) == (CATALOGUE["HLT-05"].why, CATALOGUE["HLT-05"].fix)


def test_a_finding_names_the_problem_its_check_and_its_step_the_goal():
    document = compose(inputs()).document
    (finding,) = (one for one in document["findings"] if one["id"] == OWNERLESS)
    (row,) = (one for one in document["checks"] if one["id"] == "HLT-05")
    (step,) = (one for one in document["roadmap"] if one["check"] == "HLT-05")

    assert finding["title"] == "Nobody is responsible for a system"
    assert row["title"] == step["title"] == "Somebody is responsible for every system"


def test_an_accepted_risk_stays_a_finding_with_its_exception_beside_it():
    accepted = Accepted("The owner is on leave.", "p:1", "2026-11-01T00:00:00Z", date(2026, 12, 1))
    kept = Known("2026-11-01T00:00:00Z", ("dev-1/elm-ehr1",), "medium", False, date(2027, 1, 30), exception=accepted)
    plain = compose(inputs())

    with_it = compose(inputs(known={OWNERLESS: kept}, accepted={"HLT-05": frozenset({"dev-1/elm-ehr1"})}, names={"p:1": "Clara"}))

    (finding,) = (one for one in with_it.document["findings"] if one["id"] == OWNERLESS)
    assert finding["exception"]["by_name"] == "Clara"
    assert (finding["change"], finding["due"]) == ("known", "2027-01-30")
    assert with_it.score.points == plain.score.points
    assert (with_it.with_accepted.points or 0) > (plain.score.points or 0)


def test_what_fails_after_a_risk_was_taken_is_not_covered_by_it():
    composed = compose(inputs(accepted={"HLT-05": frozenset({"dev-1/another part"})}))

    assert composed.with_accepted.points == composed.score.points


def test_an_exception_that_has_ended_is_none():
    over = Accepted("x", "p:1", "2026-01-01T00:00:00Z", date(2026, 11, 18))
    kept = Known("2026-11-01T00:00:00Z", ("dev-1/elm-ehr1",), "medium", False, date(2027, 1, 30), exception=over)

    (finding,) = (one for one in compose(inputs(known={OWNERLESS: kept})).document["findings"] if one["id"] == OWNERLESS)

    assert finding["exception"] is None


def test_what_is_gone_is_fixed_and_what_could_not_be_judged_stays_open():
    kept = Known("2026-11-01T00:00:00Z", (), "high", False, date(2027, 1, 1))
    owned = mapped(monitoring=State.CONNECTED)
    owner = Subject("dev-1", "elm-ehr1", owner="Clara")
    device = type(owned)(owned.host, owner, type(owned.system)(owner, owned.system.cells))

    composed = compose(inputs(device, known={OWNERLESS: kept, "f:NET-04:dev-1": kept}, before=Before("run-0", 40, {"health": 10})))

    assert composed.document["changes"]["fixed"] == [OWNERLESS]
    assert composed.document["changes"]["against"] == "run-0"


def test_a_source_that_is_taken_away_closes_no_finding_and_raises_no_score():
    kept = Known("2026-11-01T00:00:00Z", (), "critical", False, date(2027, 1, 1))

    before, after = compose(inputs()).document, compose(inputs(known={"f:NET-02:dev-1": kept})).document

    (row,) = (one for one in after["checks"] if one["id"] == "NET-02")
    assert (row["verdict"], after["changes"]["fixed"]) == ("unknown", [])
    assert after["answer"]["coverage"]["applicable"] == before["answer"]["coverage"]["applicable"] + 1
    assert after["answer"]["score"] <= before["answer"]["score"]


def test_money_stays_empty_and_says_why_until_somebody_gives_a_rate():
    empty = compose(inputs()).document["answer"]["money"]
    priced = compose(inputs(money=Money("EUR", 9_000))).document

    assert (empty["roadmap_cost"], empty["why"]) == (None, "Nobody has given an hourly rate, so no cost is shown.")
    assert priced["answer"]["money"]["roadmap_cost"]["amount_minor"] == sum(one["cost"]["amount_minor"] for one in priced["roadmap"])


def test_the_last_step_of_the_roadmap_leaves_only_what_is_unknown():
    steps = compose(inputs()).document["roadmap"]

    assert [one["score_after"] for one in steps] == sorted(one["score_after"] for one in steps)
    assert {one["closes"][0] for one in steps} >= {OWNERLESS}


def test_assumptions_name_what_nobody_said():
    assumed = Subject("dev-1", "elm-ehr1", Exposure and Subject("x", "x").role, assumed=("data", "tier"), data=DataClass.OTHER)
    device = type(mapped())(mapped().host, assumed, mapped().system)

    lines = compose(inputs(device)).document["method"]["assumptions"]

    assert "elm-ehr1: how critical it is was not said." in lines


def test_two_reports_beside_each_other_say_what_is_new_and_gone():
    old = compose(inputs(as_of=NOW - timedelta(days=1))).document
    new = compose(inputs(run="run-2")).document
    without = {**new, "findings": [one for one in new["findings"] if one["id"] != OWNERLESS]}

    assert compare(old, new)["new"] == compare(old, new)["fixed"] == []
    assert compare(old, without)["fixed"] == [OWNERLESS]
    assert compare(without, new)["new"] == [OWNERLESS]
