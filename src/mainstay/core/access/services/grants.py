"""Leave for staff of the provider to act in a client's tenant, and its end."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.models import Grant, Person, Tenant
from mainstay.core.access.services.decide import require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, NotFound

JUST_IN_TIME_MAX = timedelta(hours=8)
REVIEW_AFTER = timedelta(days=90)


@transaction.atomic
def grant_access(
    *,
    actor: Actor,
    person_id: UUID,
    into: UUID,
    kind: str,
    purpose: str,
    clock: Clock,
    until: datetime | None = None,
    ticket: str = "",
) -> Grant:
    """Let a person of the provider act in one of its clients. Evidence goes into the client's log and the platform's.

    Errors: NotFound for a person or client of somebody else; Invalid for a just-in-time grant without ticket or above 8 h.
    """
    require(actor, "access.grant.give")
    person = Person.objects.filter(id=person_id, home_id=actor.tenant).first()
    client = Tenant.objects.filter(id=into, kind=Tenant.Kind.CLIENT, parent_id=actor.tenant).first()
    if person is None or client is None:
        raise NotFound("access.grant_unknown", "There is no such person or client here.")
    at = clock.now()
    _check(kind, purpose, ticket, until, at)
    row = Grant.objects.create(
        person=person,
        into=client,
        kind=kind,
        purpose=purpose,
        ticket=ticket,
        from_at=at,
        until_at=until,
        review_on=(at + REVIEW_AFTER).date() if kind == Grant.Kind.STANDING else None,
        granted_by=actor.ref,
    )
    body = {"person": person.pseudonym, "into": str(into), "kind": kind, "purpose": purpose, "ticket": ticket}
    _record_twice(actor, client.id, "access.grant.given", row.id, clock, body)
    return row


@transaction.atomic
def end_grant(*, actor: Actor, grant_id: UUID, clock: Clock) -> None:
    """End a grant: the provider that gave it may, and so may the client it leads into. Effective at the next request."""
    require(actor, "access.grant.end")
    row = Grant.objects.select_for_update(of=("self",)).select_related("into").filter(id=grant_id, ended_at=None).first()
    if row is None or actor.tenant not in (row.into_id, row.into.parent_id):
        raise NotFound("access.grant_unknown", "There is no such grant.")
    row.ended_at, row.ended_by = clock.now(), actor.ref
    row.save(update_fields=["ended_at", "ended_by"])
    _record_twice(actor, row.into_id, "access.grant.ended", row.id, clock, {})


def _check(kind: str, purpose: str, ticket: str, until: datetime | None, at: datetime) -> None:
    if kind not in Grant.Kind.values or not purpose.strip():
        raise Invalid("access.grant_incomplete", "A grant has a kind and says what it is for.", pointer="purpose")
    if kind == Grant.Kind.JUST_IN_TIME and (until is None or until - at > JUST_IN_TIME_MAX or not ticket):
        raise Invalid("access.grant_too_wide", "A just-in-time grant names its ticket and lasts at most 8 hours.", pointer="until")


def _record_twice(actor: Actor, client: UUID, act: str, grant: UUID, clock: Clock, body: dict[str, str]) -> None:
    """The client sees in its own log who may act there; the platform's log holds the same for the provider's auditor."""
    for log in (client, ledger.PLATFORM):
        bind(log)
        ledger.record(actor.within(log), act, grant, clock=clock, body=body)
    bind(actor.tenant)
