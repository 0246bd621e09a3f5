"""Pages of automation: runbooks, runs with their trace, self-healing, trust documents over the API."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.automation import queries, services
from mainstay.domains.automation.rules.definitions import RUNBOOKS
from mainstay.domains.automation.rules.healing import Mode
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.ui.lists import list_urls
from mainstay.ui.today import Handled

LISTS = (queries.RUNS,)


def runbooks(request: Request) -> HttpResponse:
    """The shipped runbooks, how far each may go, and what self-healing decided last."""
    require(request.actor, "automation.runbook.read")
    rows = [(runbook, queries.heal_mode(request.actor.tenant, runbook.trigger)) for runbook in RUNBOOKS.values()]
    context = {"rows": rows, "modes": list(Mode), "events": queries.heal_events(request.actor.readable)}
    return render(request, "automation/runbooks.html", context)


@require_POST
def set_mode(request: Request, name: str) -> HttpResponse:
    """Choose how far a runbook may go."""
    runbook = RUNBOOKS.get(name)
    if runbook is None or request.POST.get("mode") not in set(Mode):
        raise Invalid("automation.bad_mode", "Choose off, shadow, suggest, ask or act.", pointer="mode")
    services.set_heal_mode(actor=request.actor, trigger=runbook.trigger, mode=Mode(request.POST["mode"]), clock=request.clock)
    return redirect("automation:runbooks")


def run(request: Request, run_id: UUID) -> HttpResponse:
    """One run, with everything that led to it and came of it."""
    require(request.actor, "automation.run.read")
    found = queries.run(request.actor.readable, run_id)
    return render(request, "automation/run.html", {"trace": queries.trace(found), "run": found})


@require_POST
def cancel(request: Request, run_id: UUID) -> HttpResponse:
    """Ask a run to stop between two steps."""
    services.ask_cancel(actor=request.actor, run_id=run_id, clock=request.clock)
    return redirect("automation:run", run_id=run_id)


def handled(actor: Actor, clock: Clock) -> list[Handled]:
    """What was fixed without a person: for the page of today."""
    return queries.healed_lately(actor.readable, clock.now())


urlpatterns = [
    *list_urls("runs/", queries.RUNS, name="runs"),
    path("runs/<uuid:run_id>/", run, name="run"),
    path("runs/<uuid:run_id>/cancel", cancel, name="run-cancel"),
    path("runbooks/", runbooks, name="runbooks"),
    path("runbooks/<slug:name>/mode", set_mode, name="runbook-mode"),
]
