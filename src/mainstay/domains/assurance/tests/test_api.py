"""Audits over HTTP: what was issued is handed out byte for byte, and what people do with findings is done once."""

import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from tests.support.cast import Cast, make_cast

from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.assurance.models import AuditRun, Finding
from mainstay.domains.assurance.tests.conftest import Assurance
from mainstay.domains.desk.tests.conftest import signed_in
from mainstay.kernel.clock import FixedClock

API = "/c/elm/api/v1/assurance"


@pytest.fixture
def web(transactional_db: None) -> Assurance:
    clock = FixedClock(timezone.now())
    cast: Cast = make_cast(clock)
    elm = Assurance(cast, clock)
    with tenant_transaction(elm.tenant):
        elm.device()
    return elm


@pytest.fixture
def tara(web: Assurance) -> Client:
    return signed_in(web.cast.tara)


def post(client: Client, path: str, **body: object):
    return client.post(f"{API}{path}", body, content_type="application/json")


def test_an_audit_is_made_read_listed_and_its_proofs_name_each_finding(web: Assurance, tara: Client):
    made = post(tara, "/audits", kind="client").json()

    report = tara.get(f"{API}/audits/{made['id']}")
    assert hashlib.sha256(report.content).hexdigest() == made["sha256"]
    assert tara.get(f"{API}/audits").json()["items"][0]["id"] == made["id"]
    proofs = tara.get(f"{API}/audits/{made['id']}/proofs").json()
    assert {one["key"] for one in proofs["findings"]} == {one["id"] for one in report.json()["findings"]}
    assert tara.get(f"{API}/audits/{made['id']}/compare/{made['id']}").json()["new"] == []
    assert tara.get(f"{API}/audits/{made['id']}/findings.csv").content.startswith(b"id,check,severity,")


def test_a_finding_is_accepted_withdrawn_assigned_and_ticketed(web: Assurance, tara: Client):
    post(tara, "/audits", kind="client")
    found = tara.get(f"{API}/findings?check=HLT-05").json()["items"][0]["id"]
    until = (web.clock.now().date() + timedelta(days=30)).isoformat()

    assert post(tara, f"/findings/{found}/accept", reason="The owner is away.", until=until).json()["state"] == "accepted"
    assert post(tara, f"/findings/{found}/withdraw").json()["state"] == "open"
    assert post(tara, f"/findings/{found}/assign", owner=web.tara.ref).json()["owner"] == web.tara.ref
    assert post(tara, f"/findings/{found}/ticket").json()["ticket_asked_at"] is not None
    assert tara.get(f"{API}/findings/{found}").json()["key"].startswith("f:HLT-05:")


def test_a_refused_acceptance_changes_nothing(web: Assurance, tara: Client):
    post(tara, "/audits", kind="client")
    found = tara.get(f"{API}/findings?check=HLT-05").json()["items"][0]["id"]

    assert post(tara, f"/findings/{found}/accept", reason="x", until="2020-01-01").status_code == 422

    with tenant_transaction(web.tenant):
        assert Finding.objects.get(id=found).state == "open"


def test_an_import_is_previewed_first_and_a_bad_file_brings_nothing(web: Assurance, tara: Client):
    shown = post(tara, "/systems/import", text="name,tier\nBilling,9\n").json()
    assert shown["faults"] == [{"line": 2, "column": "tier", "reason": "A tier is 1, 2, 3 or 4."}]

    refused = post(tara, "/systems/import", text="name,tier\nBilling,9\n", confirm=shown["digest"])

    assert (refused.status_code, refused.json()["code"]) == (422, "assurance.import_rows")
    assert tara.get(f"{API}/systems").json()["items"] == []


def test_somebody_of_another_provider_sees_no_audit(web: Assurance, tara: Client):
    made = post(tara, "/audits", kind="client").json()

    iris = signed_in(web.cast.iris)

    assert iris.get(f"/api/v1/assurance/audits/{made['id']}").status_code == 404
    with tenant_transaction(web.tenant):
        assert AuditRun.objects.count() == 1
