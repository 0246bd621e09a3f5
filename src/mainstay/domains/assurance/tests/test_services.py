"""Audits, findings and answers against a real database: what is written, what is proven, and what a refusal leaves as it was."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from mainstay.core.access.models import Tenant
from mainstay.core.jobs.outbox import Event
from mainstay.core.ledger import queries as ledger_queries
from mainstay.core.ledger.models import Entry
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.assurance import queries, services, tasks
from mainstay.domains.assurance.models import AuditCheck, AuditedSystem, AuditFinding, AuditRun, Finding, Plan
from mainstay.domains.assurance.queries import inputs
from mainstay.domains.assurance.rules.catalogue import CATALOGUE
from mainstay.domains.assurance.tests.conftest import Assurance
from mainstay.domains.desk.models import Ticket
from mainstay.flows import audit_finding_to_ticket
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused
from mainstay_trust.canonical import encode

OWNERLESS = "HLT-05"
DAY = timedelta(days=1)


def acts(elm: Assurance, act: str) -> list[Entry]:
    return list(Entry.objects.filter(tenant=elm.tenant, act=act).order_by("id"))


# --- a run


def test_an_audit_of_a_device_is_issued_with_its_hash_in_the_ledger(elm: Assurance):
    run = elm.audit(elm.device())

    data = queries.report_bytes(elm.tara, run.id)
    assert hashlib.sha256(data).hexdigest() == run.sha256
    (entry,) = acts(elm, "assurance.audit.issued")
    assert (entry.id, entry.obj) == (run.ledger_entry, f"assurance.audit:{run.id}")
    body = ledger_queries.body_of(elm.tenant, entry.id)
    assert body is not None
    assert (body["sha256"], body["findings"]) == (run.sha256, run.findings_open)


def test_each_finding_of_the_report_has_an_entry_with_its_own_hash(elm: Assurance):
    run = elm.audit(elm.device())

    rows = {row["id"]: row for row in queries.report(elm.tara, run.id)["findings"]}
    sightings = AuditFinding.objects.filter(run=run).select_related("finding")
    assert {one.finding.key for one in sightings} == set(rows)
    for one in sightings:
        body = ledger_queries.body_of(elm.tenant, one.ledger_entry)
        assert body is not None
        assert body["sha256"] == one.sha256 == hashlib.sha256(encode(rows[one.finding.key])).hexdigest()
    assert len(acts(elm, "assurance.finding.issued")) == len(rows) > 0


def test_every_check_of_the_catalogue_is_kept_with_its_verdict(elm: Assurance):
    run = elm.audit(elm.device())

    assert set(AuditCheck.objects.filter(run=run).values_list("check_id", flat=True)) == set(CATALOGUE)
    assert AuditCheck.objects.get(run=run, check_id="INT-01").reason == "running"


def test_a_kept_finding_is_named_by_its_problem_and_a_kept_check_by_its_goal(elm: Assurance):
    run = elm.audit(elm.device())

    kept = {one.check_id: one.title for one in Finding.objects.filter(last_run=run.id)}
    assert kept == {name: CATALOGUE[name].problem for name in kept} != {}
    assert {one.title for one in AuditCheck.objects.filter(run=run)} == {one.title for one in CATALOGUE.values()}


def test_two_audits_of_one_instant_differ_in_the_run_id_only(elm: Assurance):
    device = elm.device()

    first, second = (elm.audit(device) for _ in range(2))

    one, other = (queries.report_bytes(elm.tara, run.id).decode() for run in (first, second))
    assert first.sha256 != second.sha256
    assert one.replace(str(first.id), str(second.id)) == other


def test_an_issued_report_cannot_be_changed(elm: Assurance):
    run = elm.audit(elm.device())

    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        AuditRun.objects.filter(id=run.id).update(score=100)


def test_the_second_audit_knows_what_the_first_saw_and_what_is_gone(elm: Assurance):
    device = elm.device()
    first = elm.audit(device)
    services.describe_device(actor=elm.tara, device_id=device.id, owner="Clara", clock=elm.clock)
    elm.later(hours=1)
    elm.heartbeat(device)

    second = elm.audit(device)

    changes = queries.report(elm.tara, second.id)["changes"]
    assert changes == {
        "against": str(first.id),
        "new": [],
        "fixed": [elm.finding(OWNERLESS).key],
        "returned": [],
        "changed": [elm.finding("ITG-01").key],
    }
    assert (elm.finding(OWNERLESS).state, elm.finding(OWNERLESS).fixed_at) == ("fixed", elm.clock.now())
    assert queries.compare(elm.tara, first.id, second.id)["fixed"] == [elm.finding(OWNERLESS).key]
    assert (second.previous, second.findings_fixed) == (first.id, 1)


def test_a_finding_that_comes_back_is_returned_and_its_time_begins_again(elm: Assurance):
    device = elm.device()
    elm.audit(device)
    services.describe_device(actor=elm.tara, device_id=device.id, owner="Clara", clock=elm.clock)
    elm.later(hours=1)
    elm.audit(device)
    services.describe_device(actor=elm.tara, device_id=device.id, owner="", clock=elm.clock)
    elm.later(days=10)

    elm.audit(device)

    back = elm.finding(OWNERLESS)
    assert (back.state, back.change, back.first_seen) == ("open", "returned", elm.clock.now())
    assert back.due == elm.clock.now().date() + timedelta(days=90)


def test_facts_older_than_a_day_are_unknown_and_close_no_finding(elm: Assurance):
    device = elm.device()
    elm.audit(device)
    before = set(Finding.objects.filter(state="open", area__in=("network", "system")).values_list("check_id", flat=True))
    elm.later(hours=25)

    run = elm.audit(device)

    stale = set(AuditCheck.objects.filter(run=run, reason="stale").values_list("check_id", flat=True))
    assert before
    assert before <= stale
    assert set(Finding.objects.filter(state="open").values_list("check_id", flat=True)) >= before


def test_a_heartbeat_that_confirms_all_facts_keeps_them_fresh(elm: Assurance):
    device = elm.device()
    elm.later(hours=25)
    elm.heartbeat(device)

    run = elm.audit(device)

    assert not AuditCheck.objects.filter(run=run, reason__contains="stale").exists()


@pytest.mark.parametrize("is_demo", [True, False])
def test_a_report_says_whether_it_is_of_a_demonstration(elm: Assurance, monkeypatch: pytest.MonkeyPatch, is_demo: bool):
    layout = replace(settings.LAYOUT, settings={**settings.LAYOUT.settings, "web.demo": is_demo})
    monkeypatch.setattr(settings, "LAYOUT", layout)

    assert queries.report(elm.tara, elm.audit(elm.device()).id)["demo"] is is_demo


def test_a_client_audit_covers_every_device_and_the_tenant_itself(elm: Assurance):
    elm.device("elm-ehr1")
    elm.device("elm-ehr2")

    report = queries.report(elm.tara, elm.audit().id)

    assert [one["name"] for one in report["map"]["devices"]] == ["elm-ehr1", "elm-ehr2"]
    (ownerless,) = (one for one in report["findings"] if one["check"] == OWNERLESS)
    assert ownerless["subjects"] == {"count": 2, "of": 2, "list": ["elm-ehr1", "elm-ehr2"]}
    assert {one["id"]: one["verdict"] for one in report["checks"]}["GOV-02"] == "not_applicable"
    assert {"check": "GOV-02", "reason": "no_answer", "subjects": 0} in report["not_looked_at"]


def test_a_site_audit_covers_the_devices_of_the_site(elm: Assurance):
    site = Tenant.objects.create(
        kind="site", number=9_001, parent=elm.cast.elm, name="Main Street", slug="main", prefix="ELM", created_at=elm.clock.now()
    )
    elm.device("elm-ehr1", site=site.id)
    elm.device("elm-ehr2")

    run = elm.audit(kind="site", scope_id=site.id)

    assert (run.scope_name, run.devices) == ("Main Street", 1)


def test_a_device_or_site_of_somebody_else_and_a_strange_scope_are_refused_and_nothing_is_written(elm: Assurance):
    for kind, scope, problem in (("device", new_id(), NotFound), ("site", elm.cast.harbor.id, NotFound), ("galaxy", None, Invalid)):
        with pytest.raises(problem):
            services.start_audit(actor=elm.tara, kind=kind, scope_id=scope, clock=elm.clock)

    assert not AuditRun.objects.exists()


def test_who_may_not_audit_is_refused(elm: Assurance):
    with pytest.raises(Refused):
        services.start_audit(actor=elm.cast.ada.actor, kind="client", clock=elm.clock)


def test_an_audit_of_twenty_devices_asks_the_database_no_more_for_reading_than_one_of_two(elm: Assurance):
    def selects(count: int) -> int:
        for number in range(count):
            elm.device(f"d{count}-{number}")
        with CaptureQueriesContext(connection) as seen:
            scope = inputs.scope_rows(elm.tenant, "client", None)
            inputs.inputs(elm.tenant, new_id(), scope, as_of=elm.clock.now(), window=DAY)
        return len(seen)

    assert selects(2) == selects(18)


# --- findings


def test_a_taken_risk_stays_open_in_the_score_and_lifts_the_other_score_only(elm: Assurance):
    device = elm.device()
    first = elm.audit(device)
    finding = elm.finding(OWNERLESS)
    services.accept_finding(
        actor=elm.tara, finding_id=finding.id, reason="The owner comes back in May.", until=elm.clock.now().date() + DAY, clock=elm.clock
    )
    elm.later(hours=1)
    elm.heartbeat(device)

    second = elm.audit(device)

    assert (second.score, second.score_with_accepted > first.score) == (first.score, True)
    (row,) = (one for one in queries.report(elm.tara, second.id)["findings"] if one["check"] == OWNERLESS)
    assert (row["exception"]["reason"], row["exception"]["by_name"]) == ("The owner comes back in May.", "Tara")


def test_a_taken_risk_ends_with_its_day(elm: Assurance):
    device = elm.device()
    elm.audit(device)
    finding = elm.finding(OWNERLESS)
    services.accept_finding(
        actor=elm.tara, finding_id=finding.id, reason="For one day only.", until=elm.clock.now().date() + DAY, clock=elm.clock
    )
    elm.later(days=2)

    run = elm.audit(device)

    assert elm.finding(OWNERLESS).state == "open"
    assert run.score == run.score_with_accepted


@pytest.mark.parametrize(("reason", "days"), [("short", 1), ("A good long reason.", 0), ("A good long reason.", 367)])
def test_a_risk_without_a_reason_or_with_a_wrong_end_is_not_taken(elm: Assurance, reason: str, days: int):
    elm.audit(elm.device())
    finding = elm.finding(OWNERLESS)

    with pytest.raises(Invalid):
        services.accept_finding(
            actor=elm.tara, finding_id=finding.id, reason=reason, until=elm.clock.now().date() + days * DAY, clock=elm.clock
        )

    assert elm.finding(OWNERLESS).state == "open"
    assert acts(elm, "assurance.finding.accepted") == []


def test_a_taken_risk_can_be_withdrawn_once(elm: Assurance):
    elm.audit(elm.device())
    finding = elm.finding(OWNERLESS)
    services.accept_finding(
        actor=elm.tara, finding_id=finding.id, reason="A good long reason.", until=elm.clock.now().date() + DAY, clock=elm.clock
    )

    services.withdraw_exception(actor=elm.tara, finding_id=finding.id, clock=elm.clock)

    assert (elm.finding(OWNERLESS).state, elm.finding(OWNERLESS).exception_until) == ("open", None)
    with pytest.raises(Conflict):
        services.withdraw_exception(actor=elm.tara, finding_id=finding.id, clock=elm.clock)


def test_an_owner_stays_with_a_finding_from_audit_to_audit(elm: Assurance):
    device = elm.device()
    elm.audit(device)
    services.assign_finding(actor=elm.tara, finding_id=elm.finding(OWNERLESS).id, owner=elm.tara.ref, clock=elm.clock)
    elm.later(hours=1)
    elm.heartbeat(device)

    run = elm.audit(device)

    (row,) = (one for one in queries.report(elm.tara, run.id)["findings"] if one["check"] == OWNERLESS)
    assert (row["owner"], row["owner_name"], row["change"]) == (elm.tara.ref, "Tara", "known")


def test_one_click_makes_one_ticket_of_a_finding_however_often_it_is_told(elm: Assurance):
    elm.audit(elm.device())
    finding = elm.finding(OWNERLESS)
    for _ in range(2):
        services.ask_for_ticket(actor=elm.tara, finding_id=finding.id, clock=elm.clock)
    told = Event(new_id(), elm.tenant, "finding.ticket_asked", finding.id, {}, elm.clock.now(), "s:test")

    for _ in range(2):
        audit_finding_to_ticket.open_ticket(told, elm.worker, elm.clock)

    ticket = Ticket.objects.get()
    assert (elm.finding(OWNERLESS).ticket, ticket.incident.rule) == (ticket.id, "audit.HLT-05")
    assert len(acts(elm, "assurance.finding.ticket_asked")) == len(acts(elm, "assurance.finding.ticketed")) == 1


def test_a_finding_that_is_gone_can_neither_be_accepted_nor_ticketed(elm: Assurance):
    elm.audit(elm.device())
    Finding.objects.filter(check_id=OWNERLESS).update(state="fixed")

    with pytest.raises(Conflict):
        services.ask_for_ticket(actor=elm.tara, finding_id=elm.finding(OWNERLESS).id, clock=elm.clock)


def test_findings_as_csv_have_no_cell_that_a_spreadsheet_would_run(elm: Assurance):
    run = elm.audit(elm.device('=HYPERLINK("x")'))

    text = queries.findings_csv(elm.tara, run.id)

    assert text.startswith("id,check,severity,")
    assert "'=HYPERLINK" in text
    assert ',"=HYPERLINK' not in text


# --- what people say


CSV = "name,owner,data_class,tier,monitoring,backup\nBilling,Clara,regulated,1,possible,possible\n"


def test_a_preview_stores_nothing_and_its_digest_stores_all(elm: Assurance):
    preview = services.import_systems(actor=elm.tara, text=CSV, clock=elm.clock)
    assert (preview.new, preview.is_done, AuditedSystem.objects.count()) == (("Billing",), False, 0)

    done = services.import_systems(actor=elm.tara, text=CSV, confirm=preview.digest, clock=elm.clock)

    assert (done.is_done, AuditedSystem.objects.get().name) == (True, "Billing")
    assert len(acts(elm, "assurance.system.imported")) == 1


def test_one_bad_row_keeps_the_whole_file_out(elm: Assurance):
    text = CSV + "Other,,secret,,,\n"
    preview = services.import_systems(actor=elm.tara, text=text, clock=elm.clock)

    with pytest.raises(Invalid) as problem:
        services.import_systems(actor=elm.tara, text=text, confirm=preview.digest, clock=elm.clock)

    assert problem.value.fields["problems"][0]["line"] == 3
    assert not AuditedSystem.objects.exists()


def test_only_the_text_that_was_shown_can_be_confirmed(elm: Assurance):
    shown = services.import_systems(actor=elm.tara, text=CSV, clock=elm.clock)

    with pytest.raises(Conflict):
        services.import_systems(actor=elm.tara, text=CSV + "Other,,,,,\n", confirm=shown.digest, clock=elm.clock)

    assert not AuditedSystem.objects.exists()


def test_an_imported_system_that_nobody_watches_is_a_gap_of_the_matrix(elm: Assurance):
    digest = services.import_systems(actor=elm.tara, text=CSV, clock=elm.clock).digest
    services.import_systems(actor=elm.tara, text=CSV, confirm=digest, clock=elm.clock)

    report = queries.report(elm.tara, elm.audit().id)

    (row,) = report["matrix"]["rows"]
    assert (row["system"], row["cells"]["monitoring"]["state"]) == ("Billing", "possible")
    (gap,) = (one for one in report["findings"] if one["check"] == "ITG-01")
    assert gap["seen"] == "Billing lacks: backup, monitoring."


def test_a_database_that_nobody_described_counts_as_confidential_and_says_so(elm: Assurance):
    report = queries.report(elm.tara, elm.audit(elm.device()).id)

    (device,) = report["map"]["devices"]
    assert (device["data"], "data" in device["assumed"]) == ("confidential", True)
    assert report["map"]["single_points"][0]["why"] == "data_without_backup"


def test_what_an_hour_costs_fills_the_money_and_a_legal_date_moves_a_step_to_the_front(elm: Assurance):
    date = (elm.clock.now().date() + 10 * DAY).isoformat()
    services.set_economics(
        actor=elm.cast.nadia.in_(elm.cast.elm), currency="USD", rate_per_hour_minor=12_000,
        deadlines={OWNERLESS: {"date": date, "source": "contract 7"}}, clock=elm.clock,
    )  # fmt: skip

    report = queries.report(elm.tara, elm.audit(elm.device()).id)

    (step,) = (one for one in report["roadmap"] if one["check"] == OWNERLESS)
    assert (step["stage"], step["deadline"]) == ("now", {"date": date, "source": "contract 7"})
    assert step["cost"] == {"amount_minor": step["effort_min"] * 200, "currency": "USD"}
    assert report["answer"]["money"]["why"] == ""


@pytest.mark.parametrize(
    "what",
    [
        {"currency": "usd"},
        {"currency": "USD", "rate_per_hour_minor": -1},
        {"currency": "USD", "deadlines": {"X-1": {"date": "2026-01-01", "source": "x"}}},
        {"currency": "USD", "deadlines": {OWNERLESS: {"date": "soon", "source": "x"}}},
    ],
)
def test_economics_that_make_no_sense_are_refused(elm: Assurance, what: dict[str, object]):
    with pytest.raises(Invalid):
        services.set_economics(actor=elm.cast.nadia.in_(elm.cast.elm), clock=elm.clock, **what)

    assert queries.economics(elm.tenant) is None


# --- audits that nobody asked for


def facts_came(elm: Assurance, device, *groups: str) -> None:
    payload = {"device": device.id.hex, "groups": list(groups)}
    tasks.on_facts_changed(
        Event(new_id(), elm.tenant, "facts.changed", device.id, payload, elm.clock.now(), "s:test"), elm.worker, elm.clock
    )


def due(elm: Assurance, device) -> AuditRun | None:
    return services.audit_when_due(actor=elm.worker, device_id=device.id, clock=elm.clock)


def test_the_first_audit_follows_the_first_facts_and_the_second_the_sweeps(elm: Assurance):
    device = elm.device()
    facts_came(elm, device, "os")
    assert due(elm, device) is None
    elm.later(seconds=2)

    first = due(elm, device)
    assert first is not None
    assert (first.trigger, "audit_verify" in first.pending) == ("enrolled", True)
    assert due(elm, device) is None

    elm.later(minutes=4)
    elm.report(device, {"audit_verify": {"manager": "dpkg", "packages": 1, "changed": [elm.finding("ITG-01").key], "missing": []}})
    facts_came(elm, device, "audit_verify")
    elm.later(seconds=2)
    second = due(elm, device)

    assert second is not None
    assert (second.trigger, "audit_verify" in second.pending) == ("completed", False)
    assert queries.tenants_with_due_plans(elm.clock.now()) == []


def test_a_device_that_is_quiet_is_audited_daily(elm: Assurance):
    device = elm.device()
    facts_came(elm, device, "os")
    elm.later(seconds=2)
    due(elm, device)
    elm.later(hours=24)

    again = due(elm, device)

    assert again is not None
    assert again.trigger == "scheduled"


def test_a_device_that_has_left_is_audited_no_more(elm: Assurance):
    device = elm.device()
    facts_came(elm, device, "os")
    elm.later(seconds=2)
    device.state = "left"
    device.save(update_fields=["state"])

    assert due(elm, device) is None
    assert Plan.objects.get().due_at is None


def test_a_pdf_is_noted_with_its_hash(elm: Assurance):
    run = elm.audit(elm.device())

    entry = services.note_rendered(actor=elm.tara, run_id=run.id, pdf_sha256="ab" * 32, renderer="typst 0.14", clock=elm.clock)

    body = ledger_queries.body_of(elm.tenant, entry.id)
    assert body == {"pdf_sha256": "ab" * 32, "renderer": "typst 0.14", "report_sha256": run.sha256}
    with pytest.raises(Invalid):
        services.note_rendered(actor=elm.tara, run_id=run.id, pdf_sha256="AB", renderer="x", clock=elm.clock)


def test_the_report_of_a_run_reads_as_json(elm: Assurance):
    run = elm.audit(elm.device())

    assert json.loads(queries.report_bytes(elm.tara, run.id)) == queries.report(elm.tara, run.id)
