"""The lists of assurance, declared once for page, export, API and command line."""

from django.db.models import F
from django.urls import reverse

from mainstay.core.access import queries as access
from mainstay.domains.assurance.models import AuditCheck, AuditedSystem, AuditRun, Finding
from mainstay.domains.assurance.models.audits import TRIGGERS, VERDICTS
from mainstay.domains.assurance.models.words import CHANGES, DATA_CLASSES, EXPOSURES, KINDS, SEVERITIES
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

SEVERITY_WORDS = {str(rank): word for rank, word in SEVERITIES}
SEVERITY_TONES = {"1": "critical", "2": "critical", "3": "warning", "4": "info", "5": "neutral"}
STATE_TONES = {"open": "warning", "accepted": "maintenance", "fixed": "ok"}
CHANGE_TONES = {"new": "info", "known": "neutral", "returned": "warning", "changed": "warning"}
VERDICT_TONES = {"pass": "ok", "fail": "critical", "partial": "warning", "unknown": "unknown", "not_applicable": "neutral"}


def _owner(row: Finding) -> str | None:
    return access.label_of(row.owner) if row.owner else None


RUNS = ListSpec(
    name="assurance.audits",
    title="Audits",
    noun="audit",
    permission="assurance.audit.list",
    rows=lambda actor: AuditRun.objects.filter(tenant__in=actor.readable),
    columns=(
        Column("as_of", "As of", Kind.TIME, link=True),
        Column("scope_name", "Of"),
        Column("kind", "Scope", Kind.CHOICE, choices=dict(KINDS)),
        Column("score", "Score", Kind.NUMBER),
        Column("grade", "Grade"),
        Column("coverage", "Seen", Kind.NUMBER, field="coverage_pct", unit="%"),
        Column("findings", "Findings", Kind.NUMBER, field="findings_open"),
        Column("critical", "Critical", Kind.NUMBER, field="findings_critical"),
        Column("new", "New", Kind.NUMBER, field="findings_new"),
        Column("fixed", "Fixed", Kind.NUMBER, field="findings_fixed"),
        Column("trigger", "Why", Kind.CHOICE, choices=dict(TRIGGERS)),
        Column("score_with_accepted", "Score with accepted risks", Kind.NUMBER, shown=False),
        Column("devices", "Devices", Kind.NUMBER, shown=False),
        Column("scope_id", "Scope id", Kind.ID, shown=False),
        Column("sha256", "SHA-256", shown=False),
    ),
    sort="-as_of",
    search=("scope_name",),
    link=lambda row: reverse("assurance:run", kwargs={"audit_id": row.id}),
    views=(View("Devices", "kind=device"), View("Clients", "kind=client"), View("With critical findings", "critical__gt=0")),
    empty=Empty("No audit yet.", "The first follows by itself, seconds after a device has joined."),
    topic="audit",
)

FINDINGS = ListSpec(
    name="assurance.findings",
    title="Findings",
    noun="finding",
    permission="assurance.finding.list",
    rows=lambda actor: Finding.objects.filter(tenant__in=actor.readable),
    columns=(
        Column("check", "Check", field="check_id", link=True),
        Column("title", "Title"),
        Column("scope_name", "On"),
        Column("severity", "Severity", Kind.CHOICE, choices=SEVERITY_WORDS, tones=SEVERITY_TONES),
        Column("state", "State", Kind.CHOICE, choices=dict(Finding.State.choices), tones=STATE_TONES),
        Column("change", "Change", Kind.CHOICE, choices=dict(CHANGES), tones=CHANGE_TONES),
        Column("subjects", "Subjects", Kind.NUMBER),
        Column("owner", "Owner", field="owner", me=True, value=_owner),
        Column("due", "Due", field="due", value=lambda row: row.due.isoformat()),
        Column("first_seen", "First seen", Kind.TIME),
        Column("last_seen", "Last seen", Kind.TIME, shown=False),
        Column("seen", "What was seen", shown=False, sortable=False),
        Column("area", "Area", shown=False),
        Column("kind", "Scope", Kind.CHOICE, choices=dict(KINDS), shown=False),
        Column("scope_id", "Scope id", Kind.ID, shown=False),
        Column("effort_min", "Effort (min)", Kind.NUMBER, shown=False),
        Column("accepted_until", "Accepted until", shown=False, field="exception_until", value=lambda row: _day(row.exception_until)),
        Column("ticket", "Ticket", Kind.ID, shown=False),
        Column("key", "Key", shown=False),
    ),
    sort="severity,due",
    search=("title", "check_id", "scope_name", "seen"),
    link=lambda row: reverse("assurance:finding", kwargs={"finding_id": row.id}),
    views=(
        View("Open", "state=open"),
        View("Mine", "owner=@me&state=open"),
        View("Nobody's", "owner__empty=true&state=open"),
        View("Critical", "severity=1&state=open"),
        View("Accepted", "state=accepted"),
    ),
    empty=Empty("No finding.", "Either nothing is wrong, or nothing was looked at: the audit says which."),
    topic="finding",
)

CHECKS = ListSpec(
    name="assurance.checks",
    title="Checks",
    noun="check",
    permission="assurance.audit.list",
    rows=lambda actor: AuditCheck.objects.filter(tenant__in=actor.readable).annotate(
        scope_name=F("run__scope_name"), as_of=F("run__as_of")
    ),
    columns=(
        Column("check", "Check", field="check_id", link=True),
        Column("title", "Title"),
        Column("severity", "Severity", Kind.CHOICE, choices=SEVERITY_WORDS, tones=SEVERITY_TONES),
        Column("verdict", "Verdict", Kind.CHOICE, choices=dict(VERDICTS), tones=VERDICT_TONES),
        Column("subjects", "Subjects", Kind.NUMBER),
        Column("failed", "Failed", Kind.NUMBER),
        Column("unknown", "Unknown", Kind.NUMBER),
        Column("reason", "Why unknown"),
        Column("area", "Area"),
        Column("scope_name", "Of"),
        Column("as_of", "As of", Kind.TIME),
        Column("run", "Audit", Kind.ID, field="run_id", shown=False),
    ),
    sort="-as_of,check",
    search=("title", "check_id"),
    link=lambda row: reverse("assurance:run", kwargs={"audit_id": row.run_id}),
    views=(View("Failing", "verdict=fail&verdict=partial"), View("Not looked at", "verdict=unknown")),
    empty=Empty("No check has been made yet.", "An audit makes all of them."),
    topic="audit",
)

SYSTEMS = ListSpec(
    name="assurance.systems",
    title="Systems without an agent",
    noun="system",
    permission="assurance.system.read",
    rows=lambda actor: AuditedSystem.objects.filter(tenant__in=actor.readable),
    columns=(
        Column("name", "Name"),
        Column("kind", "Kind"),
        Column("owner", "Owner"),
        Column("data_class", "Data", Kind.CHOICE, choices=dict(DATA_CLASSES)),
        Column("exposure", "Reached from", Kind.CHOICE, choices=dict(EXPOSURES)),
        Column("tier", "Tier", Kind.NUMBER),
        Column("yearly_cost", "Yearly cost (minor units)", Kind.NUMBER, field="yearly_cost_minor", shown=False),
        Column("said_at", "Said", Kind.TIME, shown=False),
    ),
    sort="name",
    search=("name", "kind", "owner"),
    empty=Empty("No system was entered.", "Systems without an agent come from a CSV or are typed in."),
    topic="system",
)


def _day(value: object) -> str | None:
    return value.isoformat() if value is not None and hasattr(value, "isoformat") else None
