"""Today, the palette, and the table of the console's addresses."""

import socket
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from mainstay.console import api, ledger_pages, settings_pages, setup, streams, today
from mainstay.console.lists import LEDGER, PEOPLE, TOKENS
from mainstay.core.access.services import require
from mainstay.domains.alerting import pages as alerting
from mainstay.domains.desk import pages as desk
from mainstay.domains.estate import pages as estate
from mainstay.kernel.actors import Actor
from mainstay.ui import navigation
from mainstay.ui.lists import list_urls
from mainstay.ui.lists.viewer import actor_of, clock_of
from mainstay.ui.palette import Found, ranked

LISTS = (LEDGER, PEOPLE, TOKENS)
SEARCHED: tuple[Callable[[Actor, str, int], list[Found]], ...] = (estate.search, alerting.search, desk.search)
# Metric group (address of its chart), title, unit.
MACHINE_CHARTS = (
    ("cpu", "Processor", "%"),
    ("memory", "Memory available", "%"),
    ("disk", "Disk", "bytes/s"),
    ("network", "Network", "bytes/s"),
)
SEARCH_TEXT_MAX = 100
HITS_PER_PART = 8


@require_GET
def show_today(request: HttpRequest) -> HttpResponse:
    """What needs you, what was fixed without you, this machine now, and what is still to be set up."""
    actor, clock = actor_of(request), clock_of(request)
    require(actor, "estate.device.read")
    steps = setup.steps(actor, clock.now())
    context = {
        "needs": today.needs_you(actor, clock),
        "handled": today.handled(actor, clock),
        "quiet": today.quiet(actor, clock.now()),
        "machine": today.own_device(actor, socket.gethostname()),
        "lately": today.lately(actor),
        "machine_charts": MACHINE_CHARTS,
        "steps": steps,
        "steps_done": sum(step.is_done for step in steps),
    }
    return render(request, "console/today.html", context)


@require_GET
def search(request: HttpRequest) -> JsonResponse:
    """Answer the palette: pages first while nothing is typed, records of every domain afterwards."""
    actor = actor_of(request)
    require(actor, "access.tenant.read")
    text = request.GET.get("q", "").strip()[:SEARCH_TEXT_MAX].replace("\x00", "")
    hits = [*_places(text), *(_records(actor, text) if text else [])]
    return JsonResponse({"hits": [{"title": hit.title, "kind": hit.kind, "url": hit.url, "hint": hit.hint} for hit in ranked(text, hits)]})


def _places(text: str) -> list[Found]:
    wanted = text.lstrip("/").casefold()
    places = [
        Found(place.label, "Page", navigation.address(place.name), word.label if word.label != place.label else "")
        for word in (*navigation.NINE, navigation.SETTINGS)
        for place in word.places
    ]
    return [place for place in places if place.url and wanted in f"{place.hint} {place.title}".casefold()]


def _records(actor: Actor, text: str) -> list[Found]:
    return [hit for look in SEARCHED for hit in look(actor, text, HITS_PER_PART)]


urlpatterns: list[URLPattern] = [
    path("", show_today, name="today"),
    path("search", search, name="search"),
    path("live", streams.stream, name="live"),
    *list_urls("ledger/", LEDGER, name="ledger", view=ledger_pages.show),
    path("ledger/entries/<int:entry_id>/", require_GET(ledger_pages.entry), name="ledger-entry"),
    path("ledger/verify", require_POST(ledger_pages.verify), name="ledger-verify"),
    path("ledger/export", require_POST(ledger_pages.export), name="ledger-export"),
    path("settings/", require_GET(settings_pages.overview), name="settings"),
    path("settings/trust/", require_GET(settings_pages.trust), name="trust"),
    *list_urls("settings/people/", PEOPLE, name="people", view=settings_pages.people),
    path("settings/people/add", settings_pages.add_person, name="person-add"),
    *list_urls("settings/tokens/", settings_pages.TOKENS, name="tokens", view=settings_pages.tokens),
    path("settings/tokens/create", settings_pages.create_token, name="token-create"),
    path("settings/health/", require_GET(settings_pages.about), name="about"),
    path("settings/api/", require_GET(api.reference), name="api-docs"),
]
