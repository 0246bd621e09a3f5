"""The cast: the same tenants and people in every test, in the documentation and in the demo.

Owns: who exists. Does not own: their devices and tickets (the tests of each part make what they need).
Source: style page, section 9.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from mainstay.core.access import queries
from mainstay.core.access.models import Assignment, Grant, Person, Tenant
from mainstay.core.access.services.tenants import next_number
from mainstay.kernel.actors import Actor, Via
from mainstay.kernel.clock import Clock

_CAST_FROM = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class Member:
    """Somebody of the cast; `actor` acts at home, `in_(tenant)` in a client."""

    person: Person
    clock: Clock

    @cached_property
    def actor(self) -> Actor:
        return self._actor(None)

    def in_(self, tenant: Tenant) -> Actor:
        return self._actor(tenant.slug)

    def _actor(self, slug: str | None) -> Actor:
        reach = queries.reach_of_person(self.person, self.clock.now())
        return queries.actor_of_person(self.person, reach, queries.scope(reach, self.person.home_id, slug), Via.WEB)


@dataclass(frozen=True)
class Cast:
    """Northwind with its three clients, Southgate with nobody's, and the people in them."""

    northwind: Tenant
    harbor: Tenant
    elm: Tenant
    quay: Tenant
    southgate: Tenant
    tara: Member
    nadia: Member
    omar: Member
    clara: Member
    paul: Member
    ada: Member
    iris: Member
    clock: Clock

    @property
    def members(self) -> dict[str, Member]:
        return {name: getattr(self, name) for name in ("tara", "nadia", "omar", "clara", "paul", "ada", "iris")}


def make_cast(clock: Clock) -> Cast:
    """Write the cast into an empty registry. Needs a database and no bound tenant."""
    northwind = _tenant("provider", None, "Northwind MSP", "northwind", "NW")
    harbor = _tenant("client", northwind, "Harbor Law LLP", "harbor", "HAR")
    elm = _tenant("client", northwind, "Elm Street Clinic", "elm", "ELM", profile="regulated")
    quay = _tenant("client", northwind, "Quay Street Wealth", "quay", "QUAY")
    southgate = _tenant("provider", None, "Southgate IT", "southgate", "SG")
    tara, nadia = _person("Tara", northwind, "technician_3"), _person("Nadia", northwind, "owner")
    for person in (tara, nadia):
        for client in (harbor, elm, quay):
            _grant(person, client)
    people = {
        "tara": tara,
        "nadia": nadia,
        "omar": _person("Omar", harbor, "client_admin"),
        "clara": _person("Clara", elm, "client_manager"),
        "paul": _person("Paul", harbor, "end_user"),
        "ada": _person("Ada", elm, "auditor"),
        "iris": _person("Iris", southgate, "technician_3"),
    }
    return Cast(northwind, harbor, elm, quay, southgate, clock=clock, **{name: Member(one, clock) for name, one in people.items()})


def _tenant(kind: str, parent: Tenant | None, name: str, slug: str, prefix: str, profile: str = "standard") -> Tenant:
    return Tenant.objects.create(
        kind=kind, number=next_number(), parent=parent, name=name, slug=slug, prefix=prefix, profile=profile, created_at=_CAST_FROM
    )


def _person(name: str, home: Tenant, role: str) -> Person:
    person = Person(home=home, login=name.lower(), name=name, created_at=_CAST_FROM)
    person.set_unusable_password()
    person.save()
    Assignment.objects.create(person=person, role=role, scope=home, from_at=_CAST_FROM, granted_by="s:cast")
    return person


def _grant(person: Person, client: Tenant) -> None:
    Grant.objects.create(
        person=person, into=client, kind=Grant.Kind.STANDING, purpose="managed services", from_at=_CAST_FROM, granted_by="s:cast"
    )
