"""Saved views: a name for a state of a list.

Owns: reading and writing them, whose they are. Does not own: what the query string means when it is opened (`@me` is whoever looks).
"""

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from mainstay.core.access import queries as access
from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, NotFound
from mainstay.ui.lists.spec import ListSpec
from mainstay.ui.models import SavedView

NAME_MAX = 80
QUERY_MAX = 4_000
VIEWS_MAX = 100
DEFAULTS = ("", "me", "team")
DENSITIES = ("", "comfortable", "compact")


def visible_to(actor: Actor, spec: ListSpec) -> list[SavedView]:
    """Return the person's own views, those of the team and those shared with everybody here, by name."""
    shown = Q(visibility=SavedView.Visibility.ALL)
    if actor.person_id is not None:
        shown |= Q(owner=actor.person_id) | Q(visibility=SavedView.Visibility.TEAM, team=_team(actor.person_id))
    return list(SavedView.objects.filter(shown, tenant__in=actor.readable, list=spec.name).order_by("name", "id")[:VIEWS_MAX])


def default_of(actor: Actor, spec: ListSpec) -> SavedView | None:
    """Return the view that the list opens with: the person's own default, else that of the team."""
    if actor.person_id is None:
        return None
    rows = SavedView.objects.filter(tenant=actor.tenant, list=spec.name)
    own = rows.filter(owner=actor.person_id, is_default=True).first()
    return own or rows.filter(team=_team(actor.person_id), is_team_default=True).first()


@transaction.atomic
def save_view(
    *, actor: Actor, spec: ListSpec, name: str, query: str, visibility: str, clock: Clock, default_for: str = "", density: str = ""
) -> SavedView:
    """Keep a state of a list under a name.

    Errors: Invalid for a missing or long name or query, or a word that is none of the offered ones, or a default of the team
    that the team cannot see; Conflict("ui.view_name_taken") when the person has one of that name.
    """
    require(actor, "ui.saved_view.create")
    name = name.strip()
    if actor.person_id is None:
        raise Invalid("ui.view_needs_person", "Only a person can keep a view.")
    _check(name, query, visibility, default_for, density)
    rows = SavedView.objects.filter(tenant=actor.tenant, list=spec.name)
    if rows.filter(owner=actor.person_id, name=name).exists():
        raise Conflict("ui.view_name_taken", f"You already have a view “{name}” here. Choose another name, or delete that one first.")
    team = _team(actor.person_id)
    if default_for == "me":
        rows.filter(owner=actor.person_id, is_default=True).update(is_default=False)
    if default_for == "team":
        rows.filter(team=team, is_team_default=True).update(is_team_default=False)
    view = SavedView.objects.create(
        tenant=actor.tenant,
        list=spec.name,
        name=name,
        owner=actor.person_id,
        team=team,
        visibility=visibility,
        is_default=default_for == "me",
        is_team_default=default_for == "team",
        density=density,
        query=query.lstrip("?"),
        created_at=clock.now(),
    )
    ledger.record(actor, "ui.saved_view.created", view.id, clock=clock, body={"list": spec.name, "name": name, "visibility": visibility})
    return view


@transaction.atomic
def delete_view(*, actor: Actor, spec: ListSpec, view_id: UUID, clock: Clock) -> None:
    """Delete one of the person's own views. Errors: NotFound, also for a view of somebody else."""
    require(actor, "ui.saved_view.delete")
    view = SavedView.objects.select_for_update().filter(tenant=actor.tenant, list=spec.name, id=view_id).first()
    if view is None or view.owner != actor.person_id:
        raise NotFound("ui.view_unknown", "There is no such view of yours.")
    view.delete()
    ledger.record(actor, "ui.saved_view.deleted", view_id, clock=clock, body={"list": spec.name, "name": view.name})


def _team(person_id: UUID) -> UUID:
    """Return whom `team` means: everybody who works for the same organisation."""
    return access.person(person_id).home_id


def _check(name: str, query: str, visibility: str, default_for: str, density: str) -> None:
    if not name or len(name) > NAME_MAX or len(query) > QUERY_MAX:
        raise Invalid("ui.view_name_invalid", f"A view needs a name of at most {NAME_MAX} characters.", pointer="name")
    if visibility not in SavedView.Visibility.values:
        raise Invalid("ui.view_visibility_invalid", "Choose who sees the view.", pointer="visibility")
    if default_for not in DEFAULTS or density not in DENSITIES:
        raise Invalid("ui.view_choice_invalid", "Choose one of the offered words.", pointer="default_for")
    if default_for == "team" and visibility == SavedView.Visibility.ME:
        raise Invalid("ui.view_default_unseen", "A view that only you see cannot be the default of your team.", pointer="default_for")
