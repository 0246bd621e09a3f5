"""The pages of the System Audit as people meet them."""

import hashlib
import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from tests.support.cast import Member

from mainstay.core.ledger import queries as ledger
from mainstay.domains.assurance.models import AuditedSystem, AuditRun, Finding
from mainstay.domains.assurance.rules.document import PARTS
from mainstay.domains.assurance.tests.conftest import Assurance
from mainstay.kernel.clock import SystemClock

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def signed_in(member: Member) -> Client:
    """A browser in which somebody has signed in with a second factor."""
    client = Client(headers={"host": "localhost"})
    client.force_login(member.person, backend=BACKEND)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": 0}]
    session["account_authentication_methods_user"] = str(member.person.pk)
    session.save()
    return client


@pytest.fixture
def browser(elm: Assurance) -> Client:
    return signed_in(elm.cast.tara)


@pytest.fixture
def run(elm: Assurance) -> AuditRun:
    return elm.audit(elm.device())


def text_of(answer: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def acts(tenant) -> list[str]:
    return [entry.act for entry in ledger.entries(tenant)]


def test_without_a_machine_the_page_says_how_to_get_one(browser: Client) -> None:
    shown = text_of(browser.get("/c/elm/audit/"))

    assert "No audit yet." in shown
    assert "Add a device" in shown


def test_while_the_first_run_is_coming_the_page_says_so_and_listens(elm: Assurance, browser: Client) -> None:
    elm.device()

    answer = browser.get("/c/elm/audit/")

    assert "about 10 seconds" in text_of(answer)
    assert 'data-ms-live="audit"' in answer.content.decode()


def test_the_newest_answer_of_each_scope_is_shown(elm: Assurance, browser: Client, run: AuditRun) -> None:
    elm.later(hours=1)
    newest = elm.audit()

    page = browser.get("/c/elm/audit/").content.decode()

    assert f"/c/elm/audits/{run.id}/" in page
    assert f"/c/elm/audits/{newest.id}/" in page


@pytest.mark.parametrize("part", [name for name, _, _ in PARTS])
def test_each_part_of_an_audit_has_an_address(browser: Client, run: AuditRun, part: str) -> None:
    answer = browser.get(f"/c/elm/audits/{run.id}/part/{part}/")

    assert answer.status_code == 200, text_of(answer)[:400]
    assert "elm-ehr1" in text_of(answer)


def test_the_answer_names_score_and_what_comes_first(browser: Client, run: AuditRun) -> None:
    shown = text_of(browser.get(f"/c/elm/audits/{run.id}/"))

    assert "of 100" in shown
    assert "Five worst" in shown
    assert "Five first actions" in shown


def test_a_part_that_does_not_exist_is_not_found(browser: Client, run: AuditRun) -> None:
    assert browser.get(f"/c/elm/audits/{run.id}/part/poetry/").status_code == 404


def test_an_audit_is_started_from_the_page(elm: Assurance, browser: Client) -> None:
    device = elm.device()

    answer = browser.post("/c/elm/audit/start", {"scope": f"device:{device.id}", "window_days": "7"})

    made = AuditRun.objects.get(tenant=elm.tenant)
    assert (answer.status_code, answer["Location"]) == (302, f"/c/elm/audits/{made.id}/")
    assert (made.kind, made.scope_id, (made.as_of - made.window_from).days) == ("device", device.id, 7)


def test_a_scope_that_is_not_offered_starts_nothing(elm: Assurance, browser: Client) -> None:
    elm.device()

    answer = browser.post("/c/elm/audit/start", {"scope": "device:nobody", "window_days": "7"})

    assert answer.status_code == 422
    assert not AuditRun.objects.filter(tenant=elm.tenant).exists()


def test_the_json_is_exactly_what_the_ledger_names(browser: Client, run: AuditRun) -> None:
    answer = browser.get(f"/c/elm/audits/{run.id}/report.json")

    assert hashlib.sha256(answer.content).hexdigest() == run.sha256
    assert json.loads(answer.content)["run"] == str(run.id)


def test_the_csv_has_a_row_for_each_finding(browser: Client, run: AuditRun) -> None:
    answer = browser.get(f"/c/elm/audits/{run.id}/findings.csv")

    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert len(answer.content.decode("utf-8-sig").split("\r\n")) >= run.findings_open + 1


def test_the_pdf_is_recorded_once_and_is_the_same_each_time(elm: Assurance, browser: Client, run: AuditRun) -> None:
    asked = browser.post(f"/c/elm/audits/{run.id}/render")
    first, second = (browser.get(asked["Location"]).content for _ in range(2))

    assert first == second
    assert first.startswith(b"%PDF-1.7")
    assert acts(elm.tenant).count("assurance.audit.rendered") == 1


def test_two_audits_stand_beside_each_other(elm: Assurance, browser: Client) -> None:
    device = elm.device()
    run = elm.audit(device)
    elm.later(hours=1)
    again = elm.audit(device)

    answer = browser.get(f"/c/elm/audits/{again.id}/compare/{run.id}/")

    assert answer.status_code == 200, text_of(answer)[:400]
    assert "What changed" in text_of(answer)


def test_the_list_of_findings_and_one_finding(elm: Assurance, browser: Client, run: AuditRun) -> None:
    finding = Finding.objects.filter(tenant=elm.tenant).first()

    assert finding.title in text_of(browser.get("/c/elm/findings/")).replace("&#x27;", "'")
    shown = text_of(browser.get(f"/c/elm/findings/{finding.id}/"))
    assert "To close it, about" in shown
    assert "Why it matters." in shown


def test_a_risk_is_taken_with_a_reason_and_an_end(elm: Assurance, browser: Client, run: AuditRun) -> None:
    finding = Finding.objects.filter(tenant=elm.tenant).first()
    # The page reads the real clock.
    until = SystemClock().now().date() + timedelta(days=30)

    refused = browser.post(f"/c/elm/findings/{finding.id}/accept", {"reason": "", "until": until.isoformat()})
    taken = browser.post(f"/c/elm/findings/{finding.id}/accept", {"reason": "Replaced next month", "until": until.isoformat()})

    assert (refused.status_code, taken.status_code) == (422, 302)
    assert Finding.objects.get(id=finding.id).exception_reason == "Replaced next month"
    assert "Replaced next month" in text_of(browser.get(f"/c/elm/findings/{finding.id}/"))


def test_a_finding_is_a_ticket_in_one_click(elm: Assurance, browser: Client, run: AuditRun) -> None:
    finding = Finding.objects.filter(tenant=elm.tenant).first()

    browser.post(f"/c/elm/findings/{finding.id}/ticket")

    assert Finding.objects.get(id=finding.id).ticket_asked_at is not None
    assert "The ticket is being opened" in text_of(browser.get(f"/c/elm/findings/{finding.id}/"))


def test_an_owner_is_named(elm: Assurance, browser: Client, run: AuditRun) -> None:
    finding = Finding.objects.filter(tenant=elm.tenant).first()
    pseudonym = elm.cast.tara.person.pseudonym

    browser.post(f"/c/elm/findings/{finding.id}/assign", {"owner": pseudonym})

    assert Finding.objects.get(id=finding.id).owner == pseudonym


def test_an_import_shows_what_it_would_do_before_it_does_it(elm: Assurance, browser: Client) -> None:
    text = "name,kind,owner\r\nclio,practice management,Clara\r\n"

    preview = browser.post("/c/elm/systems-without-agent/import", {"text": text})
    assert not AuditedSystem.objects.filter(tenant=elm.tenant).exists()
    digest = re.search(r'name="confirm" value="([0-9a-f]{64})"', preview.content.decode())[1]
    done = browser.post("/c/elm/systems-without-agent/import", {"text": text, "confirm": digest})

    assert (preview.status_code, done.status_code) == (200, 302)
    assert AuditedSystem.objects.get(tenant=elm.tenant).name == "clio"


def test_a_bad_row_is_named_and_nothing_is_imported(elm: Assurance, browser: Client) -> None:
    answer = browser.post("/c/elm/systems-without-agent/import", {"text": "name,tier\r\nclio,nine\r\n"})

    assert answer.status_code == 422
    assert "cannot be read" in text_of(answer)
    assert not AuditedSystem.objects.filter(tenant=elm.tenant).exists()


def test_who_may_not_read_the_tenant_finds_no_audit(elm: Assurance, run: AuditRun) -> None:
    assert signed_in(elm.cast.iris).get(f"/audits/{run.id}/").status_code == 404
