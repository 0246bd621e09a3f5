"""Today, the palette, and the table of the console's addresses."""

import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from mainstay.console import api, ledger_pages, settings_pages, setup, streams, today
from mainstay.console.lists import LEDGER, PEOPLE, TOKENS
from mainstay.core.access.services import allows, require
from mainstay.domains.alerting import pages as alerting
from mainstay.domains.desk import pages as desk
from mainstay.domains.estate import pages as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.severity import Severity
from mainstay.ui import navigation
from mainstay.ui.context import SCOPE_COOKIE, scopes_of
from mainstay.ui.lists import list_urls
from mainstay.ui.lists.viewer import actor_of, clock_of
from mainstay.ui.palette import Found, narrowed, ranked

LISTS = (LEDGER, PEOPLE, TOKENS)
# Tickets are looked for by themselves: `#` means them alone.
SEARCHED: tuple[Callable[[Actor, str, int], list[Found]], ...] = (estate.search, alerting.search)
# What can be done from anywhere: words, where it begins, the permission that it needs.
ACTS = (
    ("Add a device", "estate:device-add", "estate.enrol_token.create"),
    ("Add a person", "console:person-add", "access.person.add"),
    ("Make a token", "console:token-create", "access.token.create"),
    ("Verify the ledger", "console:ledger", "ledger.log.verify"),
    ("Change what may be repaired by itself", "automation:runbooks", "automation.heal_rule.edit"),
)
# Metric group (address of its chart), title, unit.
MACHINE_CHARTS = (
    ("cpu", "Processor", "%"),
    ("memory", "Memory available", "%"),
    ("disk", "Disk", "bytes/s"),
    ("network", "Network", "bytes/s"),
)
SEARCH_TEXT_MAX = 100
SETUP_COOKIE = "ms_setup"
STATE_TONES = {int(Severity.CRITICAL): "critical", int(Severity.WARNING): "warning"}
HITS_PER_PART = 8


@require_GET
def show_today(request: HttpRequest) -> HttpResponse:
    """What needs you, what was fixed without you, this machine now, and what is still to be set up."""
    actor, clock = actor_of(request), clock_of(request)
    require(actor, "estate.device.read")
    remembered = _remembered_scope(request)
    if remembered:
        return redirect(remembered)
    heard = today.sources(actor, clock.now())
    context = {
        "needs": today.needs_you(actor, clock),
        "handled": today.handled(actor, clock),
        "changes": today.changes(actor, clock),
        "sources": heard,
        "quiet": today.quiet(actor, heard),
        "machine": today.own_device(actor, socket.gethostname()),
        "lately": today.lately(actor),
        "machine_charts": MACHINE_CHARTS,
        **_checklist(request),
    }
    return render(request, "console/today.html", context)


def _checklist(request: HttpRequest) -> dict[str, object]:
    """Return the steps of setting up, unless they are all done or were put away; whoever put them away can have them back."""
    steps = setup.steps(actor_of(request), clock_of(request).now())
    done = sum(step.is_done for step in steps)
    is_away = request.COOKIES.get(SETUP_COOKIE) == "away"
    return {"steps": steps, "steps_done": done, "shows_steps": done < len(steps) and not is_away, "steps_away": is_away}


def _remembered_scope(request: HttpRequest) -> str:
    """Return the address of the organisation that was looked at last, only for `/` itself: every other address is complete."""
    number = request.COOKIES.get(SCOPE_COOKIE, "")
    if not number.isdigit() or getattr(request, "tenant_scope", None) is not None or request.GET:
        return ""
    found = next((one for one in scopes_of(request) if one.number == int(number)), None)
    return f"/c/{found.slug}/" if found else ""


@require_GET
def show_state(request: HttpRequest) -> JsonResponse:
    """Answer what title and icon of every page carry: the worst state, and how many alerts nobody has taken."""
    count, worst = alerting.worst(actor_of(request))
    return JsonResponse({"tone": STATE_TONES.get(worst, "ok"), "count": count})


@require_GET
def search(request: HttpRequest) -> JsonResponse:
    """Answer the palette: pages first while nothing is typed, records of every domain afterwards; a first character narrows."""
    actor = actor_of(request)
    require(actor, "access.tenant.read")
    text, kinds = narrowed(request.GET.get("q", "")[:SEARCH_TEXT_MAX].replace("\x00", ""))
    hits = [hit for kind, look in _LOOKS.items() if kind in kinds for hit in look(actor, text)]
    return JsonResponse({"hits": [{"title": hit.title, "kind": hit.kind, "url": hit.url, "hint": hit.hint} for hit in ranked(text, hits)]})


def _places(actor: Actor, text: str) -> list[Found]:
    wanted = text.casefold()
    places = [
        Found(place.label, "page", navigation.address(place.name), word.label if word.label != place.label else "")
        for word in (*navigation.NINE, navigation.SETTINGS)
        for place in word.places
    ]
    return [place for place in places if place.url and wanted in f"{place.hint} {place.title}".casefold()]


def _records(actor: Actor, text: str) -> list[Found]:
    return [hit for look in SEARCHED for hit in look(actor, text, HITS_PER_PART)] if text else []


def _tickets(actor: Actor, text: str) -> list[Found]:
    return desk.search(actor, text, HITS_PER_PART) if text else []


def _people(actor: Actor, text: str) -> list[Found]:
    if not text or not allows(actor, PEOPLE.permission):
        return []
    rows = PEOPLE.rows(actor).filter(Q(name__icontains=text) | Q(login__icontains=text)).order_by("name")[:HITS_PER_PART]
    people = navigation.address("console:people")
    return [Found(one.name, "person", f"{people}?{urlencode({'q': one.login})}", one.login) for one in rows]


def _acts(actor: Actor, text: str) -> list[Found]:
    """Acts begin on their page: nothing that has an effect runs from here."""
    wanted = text.casefold()
    found = [Found(title, "act", navigation.address(name), "") for title, name, action in ACTS if allows(actor, action)]
    return [one for one in found if one.url and wanted in one.title.casefold()]


_LOOKS: Mapping[str, Callable[[Actor, str], list[Found]]] = {
    "page": _places,
    "record": _records,
    "ticket": _tickets,
    "person": _people,
    "act": _acts,
}

urlpatterns: list[URLPattern] = [
    path("", show_today, name="today"),
    path("search", search, name="search"),
    path("state", show_state, name="state"),
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
