"""The list of alerts, declared once for page, export, API and command line."""

from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.urls import reverse

from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.models.alerts import CONDITIONS, PHASES
from mainstay.domains.alerting.rules.pack import PACK
from mainstay.domains.estate.models import Device
from mainstay.kernel.actors import Actor
from mainstay.kernel.severity import Severity
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

SEVERITY_WORDS = {str(int(one)): one.name.capitalize() for one in Severity}
SEVERITY_TONES = {"1": "info", "2": "warning", "3": "critical"}
PHASE_TONES = {"pending": "neutral", "firing": "critical", "recovering": "info", "resolved": "ok", "cancelled": "neutral"}
CONDITION_TONES = {
    "OK": "ok", "WARN": "warning", "CRIT": "critical", "UNKNOWN": "unknown", "UNREACHABLE": "unknown", "NODATA": "stale",
}  # fmt: skip


def _rows(actor: Actor) -> QuerySet[Alert]:
    name = Device.objects.filter(tenant=OuterRef("tenant"), id=OuterRef("device_id")).values("name")[:1]
    return Alert.objects.filter(tenant__in=actor.readable).annotate(
        device_name=Coalesce(Subquery(name, output_field=CharField()), Value("Mainstay"))
    )


ALERTS: ListSpec = ListSpec(
    name="alerting.alerts",
    title="Alerts",
    noun="alert",
    permission="alerting.alert.read",
    rows=_rows,
    columns=(
        Column("summary", "Alert", link=True),
        Column("severity", "Severity", Kind.CHOICE, choices=SEVERITY_WORDS, tones=SEVERITY_TONES),
        Column("phase", "Phase", Kind.CHOICE, choices=dict(PHASES), tones=PHASE_TONES),
        Column("condition", "Condition", Kind.CHOICE, choices=dict(CONDITIONS), tones=CONDITION_TONES),
        Column("device", "Device", field="device_name"),
        Column("fired", "Since", Kind.TIME, field="fired_at"),
        Column("acknowledged", "Acknowledged", Kind.TIME, field="acknowledged_at"),
        Column("rule", "Rule", Kind.CHOICE, field="rule_id", choices={rule.id: rule.title for rule in PACK.values()}, shown=False),
        Column("subject", "Part", shown=False),
        Column("resolved", "Resolved", Kind.TIME, field="resolved_at", shown=False),
        Column("fold", "Fold", Kind.ID, field="fold_id", shown=False),
        Column("device_id", "Device id", Kind.ID, shown=False),
    ),
    sort="-fired",
    search=("summary", "subject"),
    link=lambda row: reverse("alerting:alert", kwargs={"alert_id": row.id}),
    views=(
        View("Now", "phase=firing&phase=recovering&sort=-severity"),
        View("Not acknowledged", "phase=firing&acknowledged__empty=true&sort=-severity"),
        View("Waiting", "phase=pending"),
        View("Resolved", "phase=resolved&sort=-resolved"),
    ),
    empty=Empty("No alert.", f"{len(PACK)} rules are watching."),
    topic="alert",
)
