"""Pages of the help desk: the list of incidents, an incident with its timeline, and why each clock says what it says.

Owns: parsing and rendering. Does not own: any decision (services, rules).
"""

from collections.abc import Mapping
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_POST

from mainstay.core.access import queries as access
from mainstay.core.access.requests import Request
from mainstay.core.access.services import allows, require
from mainstay.domains.desk import queries, services
from mainstay.domains.desk.rules.policy import WaitingReason
from mainstay.domains.desk.rules.priority import PRIORITY_LOWEST
from mainstay.domains.desk.rules.references import parse_reference
from mainstay.domains.desk.rules.tickets import LIVE, CauseCode, ResolutionCode, Status, Visibility
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.ui.lists import BulkAct, BulkField, Done, list_urls
from mainstay.ui.palette import Found
from mainstay.ui.today import NeedsYou

_BY_HAND = [code for code in ResolutionCode if code not in (ResolutionCode.RECOVERED, ResolutionCode.HEALED)]


def _words(choices: type[ResolutionCode | CauseCode | WaitingReason | Visibility]) -> list[tuple[str, str]]:
    return [(str(choice), choice.replace("_", " ").capitalize()) for choice in choices]


class NoteForm(forms.Form):
    """A note or reply. The label of the visibility is what the composer's colour says too."""

    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 4}), max_length=20_000)
    visibility = forms.ChoiceField(
        label="Who sees it",
        choices=[("internal", "Internal: staff only"), ("co_managed", "Both teams"), ("public", "Public: the client")],
        initial=Visibility.INTERNAL,
    )


class ResolveForm(forms.Form):
    """What a resolution needs."""

    resolution_code = forms.ChoiceField(label="How it ended", choices=[(code, code.replace("_", " ").capitalize()) for code in _BY_HAND])
    cause_code = forms.ChoiceField(label="Cause", choices=_words(CauseCode), initial=CauseCode.UNKNOWN)
    note = forms.CharField(label="What was done", widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=20_000)


class WaitForm(forms.Form):
    """Whom an incident waits for, and until when where that was agreed."""

    waiting_for = forms.ChoiceField(label="Waits for", choices=_words(WaitingReason))
    resume_at = forms.DateTimeField(label="Go on at", required=False, help_text="Needed for scheduled work, in UTC.")
    reason = forms.CharField(label="Why", required=False, max_length=300)


class PriorityForm(forms.Form):
    """An override of the priority, never without a reason."""

    priority = forms.ChoiceField(label="Priority", choices=[(str(level), f"P{level}") for level in range(1, PRIORITY_LOWEST + 1)])
    reason = forms.CharField(label="Why", max_length=300)


class AssignForm(forms.Form):
    """Somebody of the staff, or nobody."""

    owner = forms.ChoiceField(label="Owner", required=False)

    def __init__(self, *args: object, people: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # Django's own arguments pass through
        self.fields["owner"] = forms.ChoiceField(label="Owner", required=False, choices=[("", "Nobody: back to the queue"), *people])


class ReasonForm(forms.Form):
    """A sentence that says why."""

    reason = forms.CharField(label="Why", max_length=300)


_FORMS: dict[str, tuple[str, type[forms.Form], str]] = {
    "note": ("Note or reply", NoteForm, "desk.incident.note"),
    "resolve": ("Resolve", ResolveForm, "desk.incident.resolve"),
    "assign": ("Assign", AssignForm, "desk.incident.assign"),
    "wait": ("Let it wait", WaitForm, "desk.incident.status"),
    "priority": ("Change the priority", PriorityForm, "desk.incident.priority"),
    "reopen": ("Reopen", ReasonForm, "desk.incident.reopen"),
}


# --- bulk acts of the list ----------------------------------------------------------------------------------------------


def _take(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    before = queries.incident(actor.tenant, row_id).version
    return _done(before, services.take_incident(actor=actor, incident_id=row_id, clock=clock).version)


def _hand_back(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    before = queries.incident(actor.tenant, row_id).version
    return _done(before, services.assign_incident(actor=actor, incident_id=row_id, owner=None, clock=clock).version)


def _resolve(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    services.resolve_incident(
        actor=actor, incident_id=row_id, resolution_code=values["resolution_code"], cause_code=values["cause_code"], clock=clock
    )
    return Done.DONE


def _done(before: int, after: int) -> Done:
    return Done.DONE if after != before else Done.UNCHANGED


INCIDENTS = queries.INCIDENTS.with_bulk(
    BulkAct(
        "take",
        "Take",
        "desk.incident.take",
        run=_take,
        icon="user",
        key="a",
        undo="hand_back",
        effect="You own these incidents; their clocks run on.",
    ),
    BulkAct(
        "hand_back", "Hand back", "desk.incident.assign", run=_hand_back, icon="undo", effect="Nobody owns them; they stand in their queue."
    ),
    BulkAct(
        "resolve",
        "Resolve",
        "desk.incident.resolve",
        run=_resolve,
        effect="Each incident ends with this outcome; its resolution clock stops now. It can be reopened.",
        fields=(
            BulkField("resolution_code", "How it ended", choices={code: code.replace("_", " ").capitalize() for code in _BY_HAND}),
            BulkField("cause_code", "Cause", choices=dict(_words(CauseCode))),
        ),
    ),
)
LISTS = (INCIDENTS,)


# --- pages ----------------------------------------------------------------------------------------------------------


@require_GET
def incident(request: Request, incident_id: UUID) -> HttpResponse:
    """An incident: facts, clocks, timeline, and what may be done."""
    require(request.actor, "desk.incident.read")
    page = queries.incident_page(request.actor, incident_id, request.clock.now())
    return render(request, "desk/incident.html", _context(request, page))


@require_GET
def clocks(request: Request, incident_id: UUID) -> HttpResponse:
    """Why each clock of an incident says what it says, stretch by stretch."""
    require(request.actor, "desk.clock.read")
    page = queries.incident_page(request.actor, incident_id, request.clock.now())
    explanations = queries.sla_explanation(request.actor, incident_id, request.clock.now())
    return render(request, "desk/clocks.html", {"ticket": page.ticket, "explanations": explanations, "binding": page.binding})


@require_GET
def act(request: Request, incident_id: UUID, name: str) -> HttpResponse:
    """The form of an act, on a page of its own."""
    return _show_form(request, incident_id, name, _form(request, name))


@require_POST
def take(request: Request, incident_id: UUID) -> HttpResponse:
    services.take_incident(actor=request.actor, incident_id=incident_id, clock=request.clock)
    return _back(incident_id)


@require_POST
def resume(request: Request, incident_id: UUID) -> HttpResponse:
    services.change_status(actor=request.actor, incident_id=incident_id, to=Status.OPEN, clock=request.clock)
    return _back(incident_id)


@require_POST
def note(request: Request, incident_id: UUID) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _show_form(request, incident_id, "note", form, status=422)
    services.add_note(actor=request.actor, incident_id=incident_id, clock=request.clock, **form.cleaned_data)
    return _back(incident_id)


@require_POST
def resolve(request: Request, incident_id: UUID) -> HttpResponse:
    form = ResolveForm(request.POST)
    if not form.is_valid():
        return _show_form(request, incident_id, "resolve", form, status=422)
    services.resolve_incident(actor=request.actor, incident_id=incident_id, clock=request.clock, **form.cleaned_data)
    return _back(incident_id)


@require_POST
def assign(request: Request, incident_id: UUID) -> HttpResponse:
    form = AssignForm(request.POST, people=_staff(request.actor))
    if not form.is_valid():
        return _show_form(request, incident_id, "assign", form, status=422)
    owner = form.cleaned_data["owner"] or None
    services.assign_incident(actor=request.actor, incident_id=incident_id, owner=owner, clock=request.clock)
    return _back(incident_id)


@require_POST
def wait(request: Request, incident_id: UUID) -> HttpResponse:
    form = WaitForm(request.POST)
    if not form.is_valid():
        return _show_form(request, incident_id, "wait", form, status=422)
    services.change_status(actor=request.actor, incident_id=incident_id, to=Status.WAITING, clock=request.clock, **form.cleaned_data)
    return _back(incident_id)


@require_POST
def priority(request: Request, incident_id: UUID) -> HttpResponse:
    form = PriorityForm(request.POST)
    if not form.is_valid():
        return _show_form(request, incident_id, "priority", form, status=422)
    level, reason = int(form.cleaned_data["priority"]), form.cleaned_data["reason"]
    services.change_priority(actor=request.actor, incident_id=incident_id, priority=level, reason=reason, clock=request.clock)
    return _back(incident_id)


@require_POST
def reopen(request: Request, incident_id: UUID) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _show_form(request, incident_id, "reopen", form, status=422)
    services.reopen_incident(actor=request.actor, incident_id=incident_id, clock=request.clock, **form.cleaned_data)
    return _back(incident_id)


# --- for Today and the palette ------------------------------------------------------------------------------------------


def today(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Incidents that need a person: a promise broken or nearly, or handed over by automation."""
    if not allows(actor, "desk.incident.list"):
        return []
    return [_needs_you(row) for row in queries.pressing_incidents(actor, clock.now())]


def search(actor: Actor, text: str, limit: int) -> list[Found]:
    """Incidents by reference, mistyped ones excepted, or by title."""
    if not allows(actor, "desk.incident.list"):
        return []
    rows = queries.search_incidents(actor, text.removeprefix("#").strip(), limit)
    return [Found(f"{row.reference} {row.title}", "ticket", _address(row.id), row.status) for row in rows]


def _needs_you(row: queries.Pressing) -> NeedsYou:
    address = _address(row.incident_id)
    return NeedsYou(row.rank, row.title, row.text, address, "Open", row.at, row.tone, row.why, of=row.incident_id, covers=row.alerts)


def by_reference(request: Request, reference: str) -> HttpResponse:
    """Lead from a reference that somebody read aloud to its page."""
    require(request.actor, "desk.incident.read")
    return redirect("desk:incident", incident_id=queries.incident_by_reference(request.actor, str(parse_reference(reference))).id)


# --- rendering ------------------------------------------------------------------------------------------------------


def _context(request: Request, page: queries.IncidentPage) -> dict[str, object]:
    ticket, actor = page.ticket, request.actor
    is_live, is_here = ticket.status in LIVE, ticket.tenant == actor.tenant
    may = {name: is_here and allows(actor, permission) for name, (_, _, permission) in _FORMS.items()}
    return {
        "page": page,
        "ticket": ticket,
        "may": may,
        "is_live": is_live,
        "can_take": is_live and is_here and ticket.owner != actor.ref and allows(actor, "desk.incident.take"),
        **({} if is_here else _elsewhere(ticket.tenant, ticket.id)),
        "note_form": NoteForm() if may["note"] else None,
        "status_tone": queries.STATUS_TONES.get(Status(ticket.status), "neutral"),
        "priority_reason": ticket.priority_reason.replace("_", " "),
        "priority_tone": queries.PRIORITY_TONES.get(str(ticket.priority), "neutral"),
    }


def _elsewhere(tenant: UUID, incident_id: UUID) -> dict[str, object]:
    """An address writes to one tenant: what belongs to a client is acted on below `/c/<client>/`."""
    client = access.tenant(tenant)
    return {"client": client.name, "act_address": f"/c/{client.slug}/help-desk/{incident_id}/"}


def _form(request: Request, name: str) -> forms.Form:
    if name == "assign":
        return AssignForm(people=_staff(request.actor))
    return _named(name)[1]()


def _show_form(request: Request, incident_id: UUID, name: str, form: forms.Form, status: int = 200) -> HttpResponse:
    label, _, permission = _named(name)
    require(request.actor, permission)
    ticket = queries.incident(request.actor.tenant, incident_id)
    context = {"ticket": ticket, "form": form, "label": label, "url": reverse(f"desk:incident-{name}", kwargs={"incident_id": incident_id})}
    return render(request, "desk/act.html", context, status=status)


def _named(name: str) -> tuple[str, type[forms.Form], str]:
    if name not in _FORMS:
        raise Invalid("desk.act_unknown", f"There is no act called {name[:40]!r}.")
    return _FORMS[name]


def _staff(actor: Actor) -> list[tuple[str, str]]:
    people = access.people(access.organisation().id)
    return [(person.pseudonym, person.name) for person in people if person.is_active]


def _address(incident_id: UUID) -> str:
    return reverse("desk:incident", kwargs={"incident_id": incident_id})


def _back(incident_id: UUID) -> HttpResponse:
    return redirect("desk:incident", incident_id=incident_id)


_ONE = "help-desk/<uuid:incident_id>/"
urlpatterns = [
    *list_urls("help-desk/", INCIDENTS, name="incidents"),
    path("help-desk/by-reference/<str:reference>", require_GET(by_reference), name="incident-by-reference"),
    path(_ONE, incident, name="incident"),
    path(f"{_ONE}clocks", clocks, name="incident-clocks"),
    path(f"{_ONE}do/<slug:name>", act, name="incident-act"),
    path(f"{_ONE}take", take, name="incident-take"),
    path(f"{_ONE}resume", resume, name="incident-resume"),
    path(f"{_ONE}note", note, name="incident-note"),
    path(f"{_ONE}resolve", resolve, name="incident-resolve"),
    path(f"{_ONE}assign", assign, name="incident-assign"),
    path(f"{_ONE}wait", wait, name="incident-wait"),
    path(f"{_ONE}priority", priority, name="incident-priority"),
    path(f"{_ONE}reopen", reopen, name="incident-reopen"),
]
