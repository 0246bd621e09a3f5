"""Findings: the list, one finding with its evidence, and what may be done about it: take a risk, name an owner, open a ticket."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from mainstay.core.access import queries as access
from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows, require
from mainstay.domains.assurance import queries, services
from mainstay.domains.assurance.models import Finding
from mainstay.domains.assurance.rules.document import finding_block
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.ui.lists import BulkAct, BulkField, Done
from mainstay.ui.palette import Found

ACCEPTED_DAYS_DEFAULT = 90
SIGHTINGS_MAX = 20
STATE_TONES = {"open": "warning", "accepted": "maintenance", "fixed": "ok"}


class AcceptForm(forms.Form):
    """A risk is taken by somebody, for a reason, until a day."""

    reason = forms.CharField(
        label="Why the risk is taken", widget=forms.Textarea(attrs={"rows": 3}), max_length=2_000,
        help_text="It stays in the report and in the score; this stands beside it.",
    )  # fmt: skip
    until = forms.DateField(
        label="Until", widget=forms.DateInput(attrs={"type": "date"}), help_text="At most a year ahead. Then it counts as open again."
    )


class AssignForm(forms.Form):
    """Somebody who cares for it, or nobody."""

    owner = forms.ChoiceField(label="Owner", required=False)

    def __init__(self, *args: object, people: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # Django's own arguments pass through
        self.fields["owner"] = forms.ChoiceField(label="Owner", required=False, choices=[("", "Nobody"), *people])


def _accept(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    services.accept_finding(actor=actor, finding_id=row_id, reason=values["reason"], until=_day(values["until"]), clock=clock)
    return Done.DONE


def _withdraw(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    services.withdraw_exception(actor=actor, finding_id=row_id, clock=clock)
    return Done.DONE


def _take(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    if queries.finding(actor, row_id).owner == actor.ref:
        return Done.UNCHANGED
    services.assign_finding(actor=actor, finding_id=row_id, owner=actor.ref, clock=clock)
    return Done.DONE


def _ticket(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    before = queries.finding(actor, row_id)
    services.ask_for_ticket(actor=actor, finding_id=row_id, clock=clock)
    return Done.UNCHANGED if before.ticket or before.ticket_asked_at else Done.DONE


FINDINGS = queries.FINDINGS.with_bulk(
    BulkAct("take", "Take", "assurance.finding.assign", run=_take, icon="user", effect="Each finding is yours to close."),
    BulkAct("ticket", "Open tickets", "assurance.finding.ticket", run=_ticket, icon="desk", effect="Each gets a ticket with its steps."),
    BulkAct(
        "accept", "Accept the risk", "assurance.finding.accept", run=_accept, icon="shield",
        fields=(BulkField("reason", "Why the risk is taken"), BulkField("until", "Until (YYYY-MM-DD)")),
        effect="Each finding stays in report and score, with your reason and its end beside it.", undo="withdraw",
    ),
    BulkAct("withdraw", "End acceptance", "assurance.finding.withdraw", run=_withdraw, icon="undo", effect="Each counts as open again."),
)  # fmt: skip


@require_GET
def finding(request: Request, finding_id: UUID) -> HttpResponse:
    """Show a finding as its newest audit saw it."""
    require(request.actor, "assurance.finding.read")
    return render(request, "assurance/finding.html", _context(request, queries.finding(request.actor, finding_id)))


def accept(request: Request, finding_id: UUID) -> HttpResponse:
    """Take the risk of a finding, with a reason and an end."""
    require(request.actor, "assurance.finding.accept")
    found = queries.finding(request.actor, finding_id)
    form = AcceptForm(request.POST or None, initial={"until": request.clock.now().date() + timedelta(days=ACCEPTED_DAYS_DEFAULT)})
    if request.method == "POST" and form.is_valid():
        services.accept_finding(actor=request.actor, finding_id=finding_id, clock=request.clock, **form.cleaned_data)
        messages.success(request, "The risk is taken. It stays in the report, with your reason beside it.")
        return redirect("assurance:finding", finding_id=finding_id)
    return _act(request, found, form, "Accept the risk", "accept")


def assign(request: Request, finding_id: UUID) -> HttpResponse:
    """Name who cares for a finding."""
    require(request.actor, "assurance.finding.assign")
    found = queries.finding(request.actor, finding_id)
    form = AssignForm(request.POST or None, people=_people(request.actor), initial={"owner": found.owner})
    if request.method == "POST" and form.is_valid():
        owner = form.cleaned_data["owner"] or None
        services.assign_finding(actor=request.actor, finding_id=finding_id, owner=owner, clock=request.clock)
        return redirect("assurance:finding", finding_id=finding_id)
    return _act(request, found, form, "Name an owner", "assign")


@require_POST
def withdraw(request: Request, finding_id: UUID) -> HttpResponse:
    services.withdraw_exception(actor=request.actor, finding_id=finding_id, clock=request.clock)
    messages.success(request, "It counts as open again.")
    return redirect("assurance:finding", finding_id=finding_id)


@require_POST
def ticket(request: Request, finding_id: UUID) -> HttpResponse:
    services.ask_for_ticket(actor=request.actor, finding_id=finding_id, clock=request.clock)
    return redirect("assurance:finding", finding_id=finding_id)


def search(actor: Actor, text: str, limit: int) -> list[Found]:
    """Find open findings by their words or their check."""
    if not allows(actor, "assurance.finding.list"):
        return []
    rows = queries.FINDINGS.rows(actor).exclude(state="fixed")
    rows = rows.filter(title__icontains=text) | rows.filter(check_id__iexact=text)
    return [
        Found(f"{one.title}: {one.scope_name}", "finding", _address(one), one.check_id) for one in rows.order_by("-severity", "id")[:limit]
    ]


def _context(request: Request, found: Finding) -> dict[str, object]:
    actor, is_here = request.actor, found.tenant == request.actor.tenant
    may = {act: is_here and allows(actor, f"assurance.finding.{act}") for act in ("accept", "withdraw", "assign", "ticket")}
    is_open = found.state != "fixed"
    return {
        "finding": found,
        # Not `block`: inside a block of a template that name is the block itself.
        "shown": finding_block(queries.report(request.actor, found.last_run), found.key),
        "may": may,
        "state_tone": STATE_TONES[found.state],
        "is_open": is_open,
        "owner": access.label_of(found.owner) if found.owner else "",
        "accepted_by": access.label_of(found.exception_by) if found.exception_by else "",
        "sightings": found.sightings.filter(tenant__in=actor.readable).select_related("run").order_by("-run__as_of", "-id")[:SIGHTINGS_MAX],
        "client": None if is_here else access.tenant(found.tenant),
        "is_overdue": is_open and found.due < request.clock.now().date(),
    }


def _act(request: Request, found: Finding, form: forms.Form, label: str, name: str) -> HttpResponse:
    context = {"finding": found, "form": form, "label": label, "url": reverse(f"assurance:finding-{name}", kwargs={"finding_id": found.id})}
    return render(request, "assurance/act.html", context, status=422 if request.method == "POST" else 200)


def _people(actor: Actor) -> list[tuple[str, str]]:
    tenants = {access.organisation().id, actor.tenant}
    found = [person for tenant in sorted(tenants) for person in access.people(tenant) if person.is_active]
    return [(person.pseudonym, person.name) for person in found]


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value.strip())
    except ValueError as problem:
        raise Invalid("assurance.until_no_date", "The end is a date such as 2027-03-31.", pointer="until") from problem


def _address(one: Finding) -> str:
    return reverse("assurance:finding", kwargs={"finding_id": one.id})
