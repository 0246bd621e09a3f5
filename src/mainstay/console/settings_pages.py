"""Settings: trust, people, tokens, and the health of Mainstay itself."""

import json
from collections.abc import Mapping
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from mainstay.console import health
from mainstay.console.lists import PEOPLE
from mainstay.console.lists import TOKENS as TOKEN_LIST
from mainstay.core.access import services as access
from mainstay.core.access.roles import NOT_FOR_PEOPLE, Role
from mainstay.core.access.services import require
from mainstay.domains.automation import queries as automation
from mainstay.domains.automation.models import TrustDocument
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import MainstayError
from mainstay.ui.lists import BulkAct, Done, list_page
from mainstay.ui.lists.viewer import actor_of, clock_of
from mainstay_trust import dsse

DAYS_OFFERED = ((30, "30 days"), (90, "90 days"), (365, "1 year"))


def _revoke(actor: Actor, row_id: UUID, values: Mapping[str, str], clock: Clock) -> Done:
    access.revoke_token(actor=actor, token_id=row_id, clock=clock)
    return Done.DONE


TOKENS = TOKEN_LIST.with_bulk(BulkAct("revoke", "Revoke", "access.token.revoke", run=_revoke, icon="x", danger=True))


class TokenForm(forms.Form):
    """A token for a program or for the command line."""

    label = forms.CharField(max_length=100, label="What for", help_text="The program or machine that will use it.")
    days = forms.TypedChoiceField(choices=DAYS_OFFERED, coerce=int, initial=90, label="Ends after")


class PersonForm(forms.Form):
    """A person, with the first role."""

    name = forms.CharField(max_length=200, label="Name")
    login = forms.CharField(max_length=150, label="Signs in as", help_text="A mail address is a good choice.")
    mail = forms.EmailField(required=False, label="Mail")
    role = forms.ChoiceField(
        choices=[(role.value, role.value.replace("_", " ")) for role in Role if role not in NOT_FOR_PEOPLE], label="Role"
    )


def overview(request: HttpRequest) -> HttpResponse:
    """The pages of settings, each with what it says now."""
    actor = actor_of(request)
    require(actor, "access.tenant.read")
    policy = automation.newest_document(actor.tenant, "policy")
    context = {"policy": policy, "people": PEOPLE.rows(actor).count(), "tokens": TOKENS.rows(actor).filter(state="valid").count()}
    return render(request, "console/settings.html", context)


def trust(request: HttpRequest) -> HttpResponse:
    """Ceremony state, keys and their holders, and what a thief of this server could do at worst."""
    actor = actor_of(request)
    require(actor, "automation.trust.read")
    root, policy = (automation.newest_document(actor.tenant, kind) for kind in ("root", "policy"))
    context = {
        "root": root,
        "policy": policy,
        "bound": automation.worst_case(policy),
        "keys": _key_lines(root),
        "services": [] if policy is None else _services(actor),
        "devices": estate.devices([actor.tenant]).filter(state="active").order_by("name"),
    }
    return render(request, "console/trust.html", context)


def _services(actor: Actor) -> list[object]:
    policy = automation.policy_of(actor.tenant)
    return list(policy.services) if policy else []


def _key_lines(root: TrustDocument | None) -> list[dict[str, str]]:
    """Return the offline keys of a root with their roles: who must sign what."""
    if root is None:
        return []
    payload = json.loads(dsse.from_json(root.envelope).payload)
    return [
        {
            "id": key_id,
            "holder": str(key["holder"]),
            "roles": ", ".join(name for name, role in payload["roles"].items() if key_id in role["keys"]),
        }
        for key_id, key in payload["keys"].items()
    ]


def people(request: HttpRequest) -> HttpResponse:
    return list_page(request, PEOPLE, template="console/people.html")


@require_http_methods(["GET", "POST"])
def add_person(request: HttpRequest) -> HttpResponse:
    """Add a person and show the invitation link once."""
    actor, clock = actor_of(request), clock_of(request)
    require(actor, "access.person.add")
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = access.add_person(actor=actor, clock=clock, **form.cleaned_data)
        except MainstayError as problem:
            form.add_error(None, problem.message)
        else:
            link = access.make_link(actor=actor, clock=clock, person=person)
            return render(request, "console/person_added.html", {"added": person, "url": f"{settings.LAYOUT.url}/hello/{link}"})
    return render(request, "console/person_add.html", {"form": form}, status=422 if form.errors else 200)


def tokens(request: HttpRequest) -> HttpResponse:
    return list_page(request, TOKENS, template="console/tokens.html")


@require_http_methods(["GET", "POST"])
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it once."""
    actor, clock = actor_of(request), clock_of(request)
    require(actor, "access.token.create")
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        token, text = access.create_token(actor=actor, label=form.cleaned_data["label"], days=form.cleaned_data["days"], clock=clock)
        return render(request, "console/token_created.html", {"token": token, "text": text, "url": settings.LAYOUT.url})
    return render(request, "console/token_create.html", {"form": form}, status=422 if form.errors else 200)


def about(request: HttpRequest) -> HttpResponse:
    """The health of Mainstay itself: `mainstay doctor` as a page."""
    actor = actor_of(request)
    require(actor, "jobs.queue.read")
    return render(request, "console/about.html", {"checks": health.checks(actor, clock_of(request)), "processes": health.processes()})
