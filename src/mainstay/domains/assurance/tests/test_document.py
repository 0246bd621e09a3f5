"""The report in words: what stands where, what is never made up, and what a thick report costs."""

import pytest

from mainstay.domains.assurance.rules.document import PARTS, compose, compose_part, finding_block
from mainstay.domains.assurance.rules.document.findings import step
from mainstay.domains.assurance.rules.document.words import amount, instant, minutes
from mainstay.domains.assurance.tests.sample import report
from mainstay.ui.documents import pdf_bytes

HASH = "ab" * 32


def headings(document):
    return [block["text"] for block in document["blocks"] if block["type"] == "heading" and block["level"] == 1]


def blocks(document, kind):
    return [block for block in document["blocks"] if block["type"] == kind]


def text_of(value):
    if isinstance(value, dict):
        return " ".join(text_of(each) for each in value.values())
    return " ".join(map(text_of, value)) if isinstance(value, list) else str(value)


def test_the_parts_stand_in_the_order_of_the_report():
    assert headings(compose(report(), sha256=HASH)) == [title for _, title, _ in PARTS]


def test_the_answer_says_score_meaning_and_what_comes_first():
    score, summary, figures, worst, first, money = compose_part(report(), "answer")

    assert (score["value"], score["grade"]) == ("59", "Grade D: exposed")
    assert score["text"] == (
        "231 of 264 points were judged (87 %); what was not seen counts as not passed. "
        "Held down: at most 59 while a critical finding is open. It would be 64 if accepted risks counted as closed."
    )
    assert len(summary["paragraphs"]) == 2
    assert [(one["label"], one["value"]) for one in figures["items"]][:2] == [("Open findings", "25"), ("Critical and high", "12")]
    assert [one["ref"] for one in worst["items"]] == report()["answer"]["worst"]
    assert len(first["items"]) == 5
    assert money["text"].endswith("None is made up.")


def test_a_score_that_rests_on_too_little_stands_in_brackets():
    given = report()
    given["answer"]["grade"] = "not enough seen"

    assert compose_part(given, "answer")[0]["value"] == "(59)"


def test_no_score_is_no_zero():
    given = report()
    given["answer"] |= {"score": None, "score_with_accepted": None, "grade": "not enough seen"}

    assert compose_part(given, "answer")[0]["value"] == "(–)"


def test_a_finding_carries_evidence_remedy_effort_and_controls():
    given = report()
    found = finding_block(given, given["findings"][0]["id"])

    assert found["evidence"][0]["command"] == "sshd -T -C user=root,host=h,addr=127.0.0.1"
    assert found["evidence"][0]["sha256"] == given["findings"][0]["evidence"][0]["raw_sha256"]
    assert found["title"] == "Root can log in over SSH with a password"
    assert found["steps_title"] == "To close it, about 20 min, or by the runbook restart_service"
    assert ["Controls", "AC-17, SC-8"] in found["facts"]
    assert ["Supports", "hipaa 164.312(e)(1), csf PR.AA-05"] in found["facts"]


def test_an_accepted_risk_stands_beside_its_finding_and_still_counts():
    given = report()
    sentences = dict(finding_block(given, given["findings"][6]["id"])["sentences"])

    assert (
        sentences["Accepted."]
        == "The machine is replaced in December. Taken by Clara until 31 December 2026; it still counts in the score."
    )


def test_a_part_without_anything_says_so():
    empty = report(0)
    empty["automation"], empty["frameworks"], empty["map"]["dependencies"] = [], [], []

    assert "No finding is open." in text_of(compose_part(empty, "findings"))
    assert "No framework was chosen" in text_of(compose_part(empty, "exposure"))
    assert "there is nothing to draw" in text_of(compose_part(empty, "map"))
    assert pdf_bytes(compose(empty, sha256=HASH)).startswith(b"%PDF-")


def test_the_picture_runs_from_who_needs_to_what_is_needed():
    graph = next(block for block in compose_part(report(), "map") if block["type"] == "graph")

    assert {node["label"]: node["x"] for node in graph["nodes"]} == {
        "harbor-web1": 0,
        "quay-pc7": 0,
        "harbor-dc1": 365,
        "203.0.113.9": 730,
        "elm-ehr1": 730,
    }
    assert [node["tone"] for node in graph["nodes"] if node["label"] == "elm-ehr1"] == ["critical"]
    assert "harbor-web1 needs elm-ehr1" in graph["alt"]


def test_the_document_never_promises_compliance():
    said = text_of(compose(report(), sha256=HASH)).lower()

    assert "makes you compliant" not in said
    assert "does not make anybody compliant" in said


def test_the_demo_is_named_in_the_document():
    assert compose(report(is_demo=True), sha256=HASH)["demo"] is True


def test_the_paper_is_the_same_each_time():
    assert pdf_bytes(compose(report(), sha256=HASH)) == pdf_bytes(compose(report(), sha256=HASH))


def test_five_hundred_findings_fit_into_one_file():
    document = compose(report(500), sha256=HASH)

    assert len(blocks(document, "finding")) == 500
    assert pdf_bytes(document).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("Lock it now: passwd -l NAME", ("Lock it now:", "passwd -l NAME", "")),
        ("systemctl restart systemd-journald", ("", "systemctl restart systemd-journald", "")),
        (
            "Give it an id: usermod -u 1500 NAME (stop its processes first)",
            ("Give it an id:", "usermod -u 1500 NAME", "(stop its processes first)"),
        ),
        ("At a cloud provider: turn on volume encryption", ("At a cloud provider: turn on volume encryption", "", "")),
        ("Open the row of the system", ("Open the row of the system", "", "")),
    ],
)
def test_a_line_to_type_stands_apart_from_its_sentence(said, parts):
    assert tuple(step(said).values()) == parts


@pytest.mark.parametrize(
    ("given", "shown"), [({"amount_minor": 123456, "currency": "USD"}, "1,234.56 USD"), ({"amount_minor": None}, ""), (None, "")]
)
def test_money_that_nobody_gave_is_not_shown(given, shown):
    assert amount(given) == shown


def test_times_read_as_people_write_them():
    assert instant("2026-11-20T09:30:00.000Z") == "20 November 2026, 09:30 UTC"
    assert [minutes(count) for count in (0, 25, 60, 135)] == ["0 min", "25 min", "1 h", "2 h 15 min"]
