"""Reads of core.access: tenants, people, and what a person or token reaches at an instant.

Owns: how assignments and grants become an actor. Never writes.
Invariant: whatever ended a second ago (role, grant, token, account) is not in the actor made now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db.models import Q, QuerySet

from mainstay.core.access.models import Assignment, Grant, Person, Tenant, Token
from mainstay.core.access.roles import PROVIDER_ROLES
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.errors import NotFound

Reach = Mapping[UUID, frozenset[str]]
"""Tenant -> roles held in it."""

_WALLED = (Tenant.Kind.PROVIDER, Tenant.Kind.CLIENT)


@dataclass(frozen=True)
class Scope:
    """Where an actor stands: the tenant written to, those read, and the client named in the address, if any."""

    tenant: UUID
    readable: tuple[UUID, ...]
    named: Tenant | None = None


def tenant(tenant_id: UUID) -> Tenant:
    """Return a tenant. Errors: NotFound."""
    found = Tenant.objects.filter(id=tenant_id).first()
    if found is None:
        raise NotFound("access.tenant_unknown", "There is no such tenant.")
    return found


def tenants() -> list[UUID]:
    """Return every provider and client that is open, for sweeps over all of them."""
    return list(Tenant.objects.filter(kind__in=_WALLED, closed_at=None).order_by("number").values_list("id", flat=True))


def organisation() -> Tenant:
    """Return the organisation that runs this installation. Errors: NotFound before the first start."""
    found = Tenant.objects.filter(kind=Tenant.Kind.PROVIDER).order_by("number").first()
    if found is None:
        raise NotFound("access.not_started", "This installation has no organisation yet: run `mainstay up` once.")
    return found


@lru_cache(maxsize=10_000)
def tenant_number(tenant_id: UUID) -> int:
    """Return the number that stands for a tenant in telemetry. It never changes, hence the memory."""
    return tenant(tenant_id).number


def readable_tenants(actor: Actor) -> list[Tenant]:
    """Return the tenants that an actor may read, the provider first."""
    return list(Tenant.objects.filter(id__in=actor.readable, closed_at=None).order_by("number"))


def people(tenant_id: UUID) -> QuerySet[Person]:
    """Return the people at home in a tenant."""
    return Person.objects.filter(home_id=tenant_id).order_by("name")


def person(person_id: UUID) -> Person:
    """Return a person. Errors: NotFound."""
    found = Person.objects.select_related("home").filter(id=person_id).first()
    if found is None:
        raise NotFound("access.person_unknown", "There is no such person.")
    return found


def names() -> QuerySet[Person]:
    """Return everybody who has a name, for lists that show it beside a reference (`pseudonym`)."""
    return Person.objects.all()


def label_of(ref: str) -> str:
    """Return what a page shows for an actor's reference; the reference itself when its owner was erased."""
    if ref.startswith("p:"):
        return Person.objects.filter(pseudonym=ref).values_list("name", flat=True).first() or ref
    return f"Mainstay ({ref[2:]})" if ref.startswith("s:") else ref


def labels_of(refs: Iterable[str]) -> dict[str, str]:
    """Return the names of many actors by two round trips at most."""
    wanted = set(refs)
    names = dict(Person.objects.filter(pseudonym__in=wanted).values_list("pseudonym", "name"))
    return {ref: names.get(ref) or (f"Mainstay ({ref[2:]})" if ref.startswith("s:") else ref) for ref in wanted}


def reach_of_person(one: Person, at: datetime) -> Reach:
    """Return the roles of a person by tenant: those assigned, and those of the provider where a grant lets them act."""
    reach = _assigned(Assignment.objects.filter(person=one), at)
    at_home = reach.get(one.home_id, frozenset()) & PROVIDER_ROLES
    if at_home and one.home.kind == Tenant.Kind.PROVIDER:
        for client in _granted(one, at):
            reach[client] = reach.get(client, frozenset()) | at_home
    return reach


def reach_of_service(name: str, at: datetime) -> Reach:
    """Return the roles of a named service, such as the local command line."""
    return _assigned(Assignment.objects.filter(service=name), at)


def _assigned(rows: QuerySet[Assignment], at: datetime) -> dict[UUID, frozenset[str]]:
    reach: dict[UUID, frozenset[str]] = {}
    live = rows.filter(_live(at), scope__closed_at=None, scope__kind__in=_WALLED)
    for scope, role in live.values_list("scope_id", "role"):
        reach[scope] = reach.get(scope, frozenset()) | {role}
    return reach


def _granted(one: Person, at: datetime) -> list[UUID]:
    """A grant counts only into a client of the provider at which the person works."""
    live = Grant.objects.filter(_live(at), person=one, ended_at=None, into__closed_at=None, into__parent=one.home_id)
    return list(live.values_list("into_id", flat=True))


def _live(at: datetime) -> Q:
    return Q(from_at__lte=at) & (Q(until_at=None) | Q(until_at__gt=at))


def scope(reach: Reach, home: UUID, slug: str | None) -> Scope:
    """Place an actor: at home with everything readable, or in the one client that the address names.

    Errors: NotFound when the name is unknown or not within reach; nobody can tell which.
    """
    if slug is None:
        return _everywhere(reach, home)
    named = Tenant.objects.filter(slug=slug, id__in=list(reach)).order_by("number").first()
    if named is None:
        raise NotFound("access.address_unknown", "There is nothing at this address.")
    return Scope(named.id, (named.id,), named)


def _everywhere(reach: Reach, home: UUID) -> Scope:
    """Without a named client an actor stands at home and reads, beside it, where it holds at least the same roles.

    The decision is made once for the roles at home, so a tenant where less is held must be visited by its own address.
    """
    if home not in reach:
        home = min(reach, default=home)
    held = reach.get(home, frozenset())
    others = sorted(one for one, roles in reach.items() if one != home and roles >= held)
    return Scope(home, (home, *others))


def actor_of_person(one: Person, reach: Reach, where: Scope, via: Via) -> Actor:
    """Make the actor of a person in a scope."""
    return Actor(
        kind=ActorKind.PERSON,
        ref=one.pseudonym,
        tenant=where.tenant,
        via=via,
        roles=reach.get(where.tenant, frozenset()),
        readable=where.readable,
        person_id=one.id,
        label=one.name,
    )


def actor_of_token(token: Token, reach: Reach, where: Scope) -> Actor:
    """Make the actor of a token: its owner within the token's limits, or the service that it was made for."""
    owner = token.owner
    return Actor(
        kind=ActorKind.PERSON if owner else ActorKind.SYSTEM,
        ref=owner.pseudonym if owner else f"s:{token.service}",
        tenant=where.tenant,
        via=Via.API if owner else Via.CLI,
        roles=reach.get(where.tenant, frozenset()),
        readable=where.readable,
        actions=frozenset(token.actions) if token.actions is not None else None,
        person_id=owner.id if owner else None,
        label=owner.name if owner else "command line on the server",
    )


def reach_of_token(token: Token, at: datetime) -> Reach:
    """Return what a token reaches now: never more than its owner does at this moment."""
    if token.owner is not None:
        reach = reach_of_person(token.owner, at) if token.owner.is_active else {}
    else:
        reach = reach_of_service(token.service, at)
    if token.tenants is None:
        return reach
    allowed = {UUID(one) for one in token.tenants}
    return {one: roles for one, roles in reach.items() if one in allowed}


def live_token(key_id: str, at: datetime) -> Token | None:
    """Return a token that is neither revoked nor over."""
    rows = Token.objects.select_related("owner__home", "home")
    return rows.filter(key_id=key_id, revoked_at=None, expires_at__gt=at).first()


def tokens(tenant_id: UUID) -> QuerySet[Token]:
    """Return the tokens made in a tenant, the newest first."""
    return Token.objects.filter(home_id=tenant_id).select_related("owner").order_by("-created_at")


def assignments(tenant_id: UUID, at: datetime) -> QuerySet[Assignment]:
    """Return the roles that are held in a tenant at an instant."""
    return Assignment.objects.filter(_live(at), scope_id=tenant_id).select_related("person").order_by("role")


def grants_into(tenant_id: UUID) -> QuerySet[Grant]:
    """Return every grant into a tenant, the newest first: its people see each of them."""
    return Grant.objects.filter(into_id=tenant_id).select_related("person").order_by("-from_at")
