"""Pages of alerting: what fires, one alert with its story, the rules.

Owns: parsing and rendering. Does not own: any decision (services, rules).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_POST

from mainstay.core.access import queries as access
from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows, require
from mainstay.domains.alerting import queries, services
from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.queries import summary
from mainstay.domains.alerting.rules.words import Phase
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Severity
from mainstay.ui.lists import BulkAct, BulkField, Done, list_urls
from mainstay.ui.palette import Found
from mainstay.ui.today import NeedsYou

SNOOZES = (("3600", "1 hour"), ("14400", "4 hours"), ("86400", "1 day"), ("604800", "1 week"))
_PHASE_ICONS = {"firing": "alert-circle", "resolved": "check", "pending": "clock", "recovering": "refresh", "cancelled": "x"}


class SnoozeForm(forms.Form):
    """For how long, and why."""

    seconds = forms.ChoiceField(label="For", choices=SNOOZES)
    reason = forms.CharField(label="Reason", max_length=300)


def _acknowledge(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    changed = services.acknowledge_alert(actor=actor, alert_id=row_id, note=values.get("note", ""), clock=clock)
    return Done.DONE if changed else Done.UNCHANGED


def _snooze(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    until = clock.now() + timedelta(seconds=int(values["seconds"]))
    changed = services.snooze_alert(actor=actor, alert_id=row_id, until=until, reason=values["reason"], clock=clock)
    return Done.DONE if changed else Done.UNCHANGED


def _unsnooze(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    return Done.DONE if services.unsnooze_alert(actor=actor, alert_id=row_id, clock=clock) else Done.UNCHANGED


ALERTS = queries.ALERTS.with_bulk(
    BulkAct(
        "acknowledge",
        "Acknowledge",
        "alerting.alert.acknowledge",
        run=_acknowledge,
        fields=(BulkField("note", "Note", required=False),),
        key="a",
        effect="Nobody else is called until the alert recovers. What it measures goes on.",
    ),
    BulkAct(
        "snooze",
        "Snooze",
        "alerting.alert.snooze",
        run=_snooze,
        icon="clock",
        key="z",
        undo="unsnooze",
        fields=(BulkField("seconds", "For", choices=dict(SNOOZES)), BulkField("reason", "Reason")),
        effect="It is quiet until then; what is still bad is told again.",
    ),
    BulkAct("unsnooze", "End snooze", "alerting.alert.snooze", run=_unsnooze, icon="bell", effect="What is still bad is told at once."),
)
LISTS = (ALERTS,)


@require_GET
def alert(request: Request, alert_id: UUID) -> HttpResponse:
    """Show one alert: what is wrong, why it was told or not, what to do."""
    found = queries.find_alert(request.actor.readable, alert_id)
    require(request.actor, "alerting.alert.read", found.tenant)
    context = {
        "alert": found,
        # Mainstay's own alerts stand under the id of the organisation; there is no device to lead to.
        "device": estate.device(found.tenant, found.device_id) if found.device_id != found.tenant else None,
        "members": queries.fold_members(found.tenant, found.fold_id) if found.fold_id else [],
        "entries": [_entry(line) for line in queries.why(found.tenant, found.id)],
        "acknowledged_by": access.label_of(found.acknowledged_by) if found.acknowledged_by else "",
        "severity_tone": queries.SEVERITY_TONES[str(found.severity)],
        "phase_tone": queries.PHASE_TONES[found.phase],
        "can_acknowledge": _may(request.actor, "acknowledge") and Phase(found.phase).is_active and found.acknowledged_at is None,
        "can_snooze": _may(request.actor, "snooze") and Phase(found.phase).is_open,
        "chart": _CHARTS.get(found.rule_id),
    }
    return render(request, "alerting/alert.html", context)


@require_POST
def acknowledge(request: Request, alert_id: UUID) -> HttpResponse:
    changed = services.acknowledge_alert(
        actor=request.actor, alert_id=alert_id, note=request.POST.get("note", "")[:500], clock=request.clock
    )
    messages.success(request, "Acknowledged until it recovers." if changed else "It was acknowledged before.")
    return redirect("alerting:alert", alert_id=alert_id)


def snooze(request: Request, alert_id: UUID) -> HttpResponse:
    """Ask for how long and why, then keep quiet until then."""
    found = queries.find_alert(request.actor.readable, alert_id)
    require(request.actor, "alerting.alert.read", found.tenant)
    form = SnoozeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        until = request.clock.now() + timedelta(seconds=int(form.cleaned_data["seconds"]))
        services.snooze_alert(actor=request.actor, alert_id=alert_id, until=until, reason=form.cleaned_data["reason"], clock=request.clock)
        return redirect("alerting:alert", alert_id=alert_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "alerting/snooze.html", {"alert": found, "form": form}, status=status)


@require_POST
def unsnooze(request: Request, alert_id: UUID) -> HttpResponse:
    services.unsnooze_alert(actor=request.actor, alert_id=alert_id, clock=request.clock)
    return redirect("alerting:alert", alert_id=alert_id)


@require_GET
def rules(request: Request) -> HttpResponse:
    """Show the rules in force."""
    require(request.actor, "alerting.rule.read")
    in_force = queries.rules_of(request.actor.tenant)[None]
    return render(request, "alerting/rules.html", {"rules": in_force.values()})


def today(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Name what fires and nobody has taken."""
    rows = queries.active_alerts(actor.readable).filter(
        phase=Phase.FIRING, acknowledged_at=None, snoozed_until=None, severity__gte=Severity.WARNING
    )
    return [_needs(actor, one) for one in rows[:20]]


def last_resolved(actor: Actor) -> datetime | None:
    """Return when the newest alert was over: since then it has been quiet."""
    return summary.last_resolved_at(actor.readable)


def worst(actor: Actor) -> tuple[int, int]:
    """Return how many alerts fire that nobody has taken, and the highest severity among them."""
    return summary.worst_open(actor.readable) if allows(actor, "alerting.alert.read") else (0, 0)


def search(actor: Actor, text: str, limit: int) -> list[Found]:
    """Find open alerts by their words."""
    rows = queries.active_alerts(actor.readable).filter(summary__icontains=text)[:limit]
    return [Found(title=one.summary, kind="alert", url=_address(one), hint=one.get_phase_display()) for one in rows]


_CHARTS = {
    "filesystem.filling": "filesystems",
    "filesystem.predicted_full": "filesystems",
    "memory.pressure": "memory",
    "load.saturated": "load",
}


def _needs(actor: Actor, one: Alert) -> NeedsYou:
    is_critical = one.severity >= Severity.CRITICAL
    here = one.tenant == actor.tenant and _may(actor, "acknowledge")
    return NeedsYou(
        rank="b" if is_critical else "f", title=one.summary, text=one.next_action, url=_address(one), label="Look at it",
        at=one.fired_at or one.bad_since, tone="critical" if is_critical else "warning", of=one.id,
        act=reverse("alerting:alert-acknowledge", kwargs={"alert_id": one.id}) if here else "", act_label="Acknowledge" if here else "",
    )  # fmt: skip


def _entry(line: queries.Why) -> dict[str, object]:
    held = f" Not announced: {line.held_back.replace('_', ' ')}." if line.held_back else ""
    return {
        "at": line.at,
        "title": line.reason.replace("_", " ").capitalize(),
        "text": line.sentence + held,
        "tone": queries.CONDITION_TONES[line.condition],
        "icon": _PHASE_ICONS.get(line.to_phase, "bell"),
        "who": access.label_of(line.actor),
        "url": "",
        "ledger": None,
    }


def _may(actor: Actor, act: str) -> bool:
    return allows(actor, f"alerting.alert.{act}")


def _address(one: Alert) -> str:
    return reverse("alerting:alert", kwargs={"alert_id": one.id})


urlpatterns = [
    *list_urls("alerts/", ALERTS, name="alerts"),
    path("alerts/<uuid:alert_id>/", alert, name="alert"),
    path("alerts/<uuid:alert_id>/acknowledge/", acknowledge, name="alert-acknowledge"),
    path("alerts/<uuid:alert_id>/snooze/", snooze, name="alert-snooze"),
    path("alerts/<uuid:alert_id>/unsnooze/", unsnooze, name="alert-unsnooze"),
    path("alert-rules/", rules, name="rules"),
]
