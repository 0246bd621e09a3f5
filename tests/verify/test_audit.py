"""An audit's report, its findings and its PDF against the ledger, as an outsider checks them."""

import hashlib
import json

import pytest

from mainstay.domains.assurance.rules.document import compose
from mainstay.domains.assurance.tests.sample import report
from mainstay.ui.documents import pdf_bytes
from mainstay_trust import canonical, pack
from mainstay_verify import mainstay_verify as verifier

from .packs import ORIGIN, Log, entries, policy


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def audit():
    """Report, bytes, PDF."""
    given = report()
    given["proofs"]["log"] = ORIGIN
    data = canonical.encode(given)
    return given, data, pdf_bytes(compose(given, sha256=digest(data)))


def ledger_of(given, data, pdf, *, disclosed=True):
    log = Log()
    log.act("desk.incident.opened", {"title": "before"})
    for finding in given["findings"]:
        log.act("assurance.finding.issued", {"key": finding["id"], "sha256": digest(canonical.encode(finding))}, disclosed=disclosed)
    log.act("assurance.audit.issued", {"run": given["run"], "sha256": digest(data)})
    log.act("assurance.audit.rendered", {"run": given["run"], "pdf_sha256": digest(pdf), "renderer": "template 1, typst 0.15.2"})
    return log


@pytest.fixture
def run(tmp_path, capsys):
    (tmp_path / "policy.txt").write_text(policy(), "utf-8")

    def run(data, log=None, pdf=None, has_policy=True):
        argv = ["audit", str(tmp_path / "report.json"), "--json"]
        (tmp_path / "report.json").write_bytes(data)
        if has_policy:
            argv += ["--policy", str(tmp_path / "policy.txt")]
        if log is not None:
            (tmp_path / "pack.zip").write_bytes(pack.zip_bytes(entries(log, devices=[])))
            argv += ["--pack", str(tmp_path / "pack.zip")]
        if pdf is not None:
            (tmp_path / "report.pdf").write_bytes(pdf)
            argv += ["--pdf", str(tmp_path / "report.pdf")]
        return verifier.main(argv), json.loads(capsys.readouterr().out)

    return run


def test_report_findings_and_pdf_are_proven(audit, run):
    _given, data, pdf = audit

    code, judged = run(data, ledger_of(*audit), pdf)

    assert code == 0, judged
    assert (judged["findings_proven"], judged["issued"], judged["rendered"]) == (25, 26, 27)
    assert judged["report"]["sha256"] == digest(data)


def test_keys_that_the_pack_declares_are_below_the_policy(audit, run):
    assert run(audit[1], ledger_of(*audit), audit[2], has_policy=False)[0] == 3


def test_a_changed_finding_is_named(audit, run):
    given, _, pdf = audit
    changed = json.loads(json.dumps(given))
    changed["findings"][4]["severity"] = "low"
    data = canonical.encode(changed)

    code, judged = run(data, ledger_of(*audit), pdf)

    assert code == 1
    assert {finding["entry"].split("/")[-1] for finding in judged["findings"]} == {
        "PDF",
        "report.json",
        f"finding {changed['findings'][4]['id']}",
    }
    assert judged["findings_proven"] == 24


def test_a_finding_that_was_left_out_changes_the_report(audit, run):
    given = json.loads(json.dumps(audit[0]))
    del given["findings"][0]

    code, judged = run(canonical.encode(given), ledger_of(*audit))

    assert (code, judged["findings_proven"], judged["issued"]) == (1, 24, None)


def test_a_changed_pdf_is_tampering(audit, run):
    _given, data, pdf = audit

    code, judged = run(data, ledger_of(*audit), pdf.replace(b"%%EOF", b"%%EO ", 1))

    assert (code, judged["first_bad"]["entry"]) == (1, "PDF")


def test_the_pdf_of_another_report_is_tampering(audit, run):
    given, data, _ = audit
    other = pdf_bytes(compose(given, sha256="00" * 32))

    code, judged = run(data, ledger_of(given, data, other), other)

    assert (code, judged["first_bad"]["reason"]) == (1, "it names another report than this one")


def test_without_a_pack_the_answer_is_incomplete(audit, run):
    assert run(audit[1])[0] == 2


def test_a_report_that_was_printed_prettily_is_not_the_one_that_was_issued(audit, run):
    code, judged = run(json.dumps(audit[0], indent=2).encode(), ledger_of(*audit))

    assert code == 2
    assert "not canonical" in judged["first_bad"]["reason"]


def test_a_pack_from_before_the_audit_is_incomplete(audit, run):
    log = Log()
    log.act("desk.incident.opened", {"title": "before"})

    assert run(audit[1], log)[0] == 2


def test_closed_bodies_are_incomplete_and_no_tampering(audit, run):
    assert run(audit[1], ledger_of(*audit, disclosed=False))[0] == 2


def test_a_report_of_another_ledger_is_refused(audit, run):
    given = json.loads(json.dumps(audit[0]))
    given["proofs"]["log"] = ORIGIN.replace("aaaa", "bbbb", 1)
    data = canonical.encode(given)

    assert run(data, ledger_of(given, data, b""))[0] == 1


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"kind":"system_audit","v":1}', b'{"kind":"system_audit","v":2}', b"\xff\xfe"])
def test_what_is_no_report_is_malformed(run, data):
    assert run(data)[0] == 2
