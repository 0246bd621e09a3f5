"""New clients and sites."""

import re
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection, transaction

from mainstay.core.access import queries
from mainstay.core.access.models import Assignment, Grant, Tenant
from mainstay.core.access.services.decide import require
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid

CLI_SERVICE = "cli"


@transaction.atomic
def create_client(*, actor: Actor, name: str, slug: str, prefix: str, clock: Clock, zone: str = "UTC", profile: str = "standard") -> Tenant:
    """Open a client of the actor's provider. The person who opens it, and the server's own command line, may act in it.

    Errors: Invalid for a bad slug, prefix or zone; Conflict when the provider has a client of that slug.
    """
    require(actor, "access.tenant.create_client")
    provider = queries.tenant(actor.tenant)
    if provider.kind != Tenant.Kind.PROVIDER:
        raise Invalid("access.tenant_not_provider", "Only a provider has clients.")
    client = _open(Tenant.Kind.CLIENT, provider, name, slug, prefix, zone, profile, clock.now())
    _let_in(actor, client, clock.now())
    ledger.record(
        actor, "access.tenant.opened", client.id, clock=clock, body={"kind": "client", "name": name, "slug": slug, "profile": profile}
    )
    return client


@transaction.atomic
def create_site(*, actor: Actor, client_id: UUID, name: str, slug: str, clock: Clock) -> Tenant:
    """Open a site below the tenant that the actor writes to. A site narrows by policy; its rows belong to the client."""
    require(actor, "access.tenant.create_site", client_id)
    above = queries.tenant(client_id)
    site = _open(Tenant.Kind.SITE, above, name, slug, above.prefix, above.zone, above.profile, clock.now())
    ledger.record(actor, "access.tenant.opened", site.id, clock=clock, body={"kind": "site", "name": name, "slug": slug})
    return site


def next_number() -> int:
    """Return a number that no tenant had before, and none will have again even if this transaction fails."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('access_tenant_number')")
        (number,) = cursor.fetchone()
    return int(number)


def _open(kind: str, parent: Tenant, name: str, slug: str, prefix: str, zone: str, profile: str, at: datetime) -> Tenant:
    _check(slug, prefix, zone, profile)
    if Tenant.objects.filter(parent=parent, slug=slug).exists():
        raise Conflict("access.tenant_slug_taken", f"{parent.name} already has a {kind} at {slug}.")
    return Tenant.objects.create(
        kind=kind,
        number=next_number(),
        parent=parent,
        name=name,
        slug=slug,
        prefix=prefix,
        zone=zone,
        profile=profile,
        created_at=at,
    )


def _check(slug: str, prefix: str, zone: str, profile: str) -> None:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", slug):
        raise Invalid("access.tenant_slug_invalid", "A short name has 1 to 40 small letters, digits and hyphens.", pointer="slug")
    if not re.fullmatch(r"[A-Z]{1,6}", prefix):
        raise Invalid("access.tenant_prefix_invalid", "A ticket prefix has 1 to 6 capital letters.", pointer="prefix")
    if profile not in Tenant.Profile.values:
        raise Invalid("access.tenant_profile_unknown", "The profile is standard or regulated.", pointer="profile")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid("access.tenant_zone_unknown", f"There is no time zone {zone}.", pointer="zone") from error


def _let_in(actor: Actor, client: Tenant, at: datetime) -> None:
    """Without this the one who opened the client could not see it, nor could `mainstay` on the server itself."""
    if actor.person_id is not None:
        Grant.objects.create(
            person_id=actor.person_id,
            into=client,
            kind=Grant.Kind.STANDING,
            purpose="opened this client",
            from_at=at,
            granted_by=actor.ref,
        )
    Assignment.objects.create(
        service=CLI_SERVICE, role="owner", scope=client, from_at=at, reason="command line on the server", granted_by=actor.ref
    )
