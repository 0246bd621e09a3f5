"""Saved views: who sees them, which one a list opens with."""

from uuid import UUID

import pytest

from mainstay.core.access.models import Person, Tenant
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.clock import FixedClock
from mainstay.kernel.errors import Conflict, Invalid, NotFound
from mainstay.ui.lists import ListSpec, saved
from mainstay.ui.models import SavedView
from mainstay.ui.tests.conftest import NOW


def organisation(name: str, number: int) -> Tenant:
    return Tenant.objects.create(kind="client", number=number, name=name, slug=name, prefix=name[:3].upper(), created_at=NOW)


def member(name: str, home: Tenant, place: UUID) -> Actor:
    """Somebody of `home` who looks at the rows of `place`."""
    person = Person.objects.create(home=home, login=name, name=name, created_at=NOW)
    return Actor(
        kind=ActorKind.PERSON,
        ref=person.pseudonym,
        tenant=place,
        via=Via.WEB,
        roles=frozenset({"owner"}),
        readable=(place,),
        person_id=person.id,
    )


@pytest.fixture
def place(db: None) -> UUID:
    tenant = organisation("harbor", 9001)
    bind(tenant.id)
    return tenant.id


@pytest.fixture
def tara(place: UUID) -> Actor:
    return member("tara", organisation("northwind", 9002), place)


@pytest.fixture
def nadia(tara: Actor) -> Actor:
    return member("nadia", Person.objects.get(login="tara").home, tara.tenant)


@pytest.fixture
def omar(place: UUID, tara: Actor) -> Actor:
    return member("omar", Tenant.objects.get(id=place), place)


def keep(actor: Actor, spec: ListSpec, name: str, visibility: str, default_for: str = "", density: str = "") -> SavedView:
    return saved.save_view(
        actor=actor,
        spec=spec,
        name=name,
        query="state=offline",
        visibility=visibility,
        default_for=default_for,
        density=density,
        clock=FixedClock(),
    )


def names(actor: Actor, spec: ListSpec) -> list[str]:
    return [view.name for view in saved.visible_to(actor, spec)]


def test_a_view_is_seen_by_its_owner_by_the_team_or_by_all(spec: ListSpec, tara: Actor, nadia: Actor, omar: Actor) -> None:
    for word in ("me", "team", "all"):
        keep(tara, spec, f"for {word}", word)

    assert names(tara, spec) == ["for all", "for me", "for team"]
    assert names(nadia, spec) == ["for all", "for team"]
    assert names(omar, spec) == ["for all"]


def test_ones_own_default_comes_before_that_of_the_team(spec: ListSpec, tara: Actor, nadia: Actor, omar: Actor) -> None:
    team = keep(tara, spec, "ours", "team", "team", density="compact")

    assert [saved.default_of(one, spec) for one in (tara, nadia, omar)] == [team, team, None]

    mine = keep(nadia, spec, "mine", "me", "me")

    assert [saved.default_of(one, spec) for one in (tara, nadia)] == [team, mine]
    assert team.density == "compact"


def test_a_team_has_one_default(spec: ListSpec, tara: Actor, nadia: Actor) -> None:
    keep(tara, spec, "first", "team", "team")
    second = keep(nadia, spec, "second", "all", "team")

    assert saved.default_of(tara, spec) == second
    assert SavedView.objects.filter(is_team_default=True).count() == 1


@pytest.mark.parametrize(
    ("visibility", "default_for", "density", "code"),
    [
        ("everyone", "", "", "ui.view_visibility_invalid"),
        ("me", "you", "", "ui.view_choice_invalid"),
        ("me", "", "airy", "ui.view_choice_invalid"),
        ("me", "team", "", "ui.view_default_unseen"),
    ],
)
def test_a_word_that_was_not_offered_keeps_nothing(
    spec: ListSpec, tara: Actor, visibility: str, default_for: str, density: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        keep(tara, spec, "odd", visibility, default_for, density)

    assert refused.value.code == code
    assert SavedView.objects.count() == 0


def test_a_name_is_taken_once_per_person(spec: ListSpec, tara: Actor, nadia: Actor) -> None:
    keep(tara, spec, "same", "all")
    keep(nadia, spec, "same", "all")

    with pytest.raises(Conflict):
        keep(tara, spec, "same", "me")


def test_nobody_deletes_the_view_of_somebody_else(spec: ListSpec, tara: Actor, nadia: Actor) -> None:
    view = keep(tara, spec, "ours", "team")

    with pytest.raises(NotFound):
        saved.delete_view(actor=nadia, spec=spec, view_id=view.id, clock=FixedClock())

    saved.delete_view(actor=tara, spec=spec, view_id=view.id, clock=FixedClock())
    assert SavedView.objects.count() == 0
