"""One-time links: the way in at first start, and again for whoever can read the server's console."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from mainstay.core.access import queries
from mainstay.core.access.models import Assignment, OneTimeLink, Person
from mainstay.core.access.roles import Role
from mainstay.core.access.services.decide import require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.kernel.actors import Actor, Via, system
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, NotFound

VALID_FOR = timedelta(minutes=15)
INVITATION_VALID_FOR = timedelta(days=3)


@dataclass(frozen=True)
class UsedLink:
    """Who a link signed in, and whether that person was made by it."""

    person: Person
    is_first_owner: bool


@transaction.atomic
def make_link(*, actor: Actor, clock: Clock, person: Person | None = None) -> str:
    """Return the secret part of a fresh link; only its hash is kept.

    For a named person it is an invitation (3 days). Otherwise it signs in the oldest owner for 15 minutes, or makes the first
    one. Runs in a transaction bound to the actor's tenant.
    """
    require(actor, "access.link.make")
    secret = secrets.token_urlsafe(32)
    target = person or first_owner(clock)
    purpose = OneTimeLink.Purpose.INVITE if person else OneTimeLink.Purpose.SIGN_IN if target else OneTimeLink.Purpose.FIRST_OWNER
    if person is not None and person.home_id != actor.tenant:
        raise NotFound("access.person_unknown", "There is no such person.")
    row = OneTimeLink.objects.create(
        purpose=purpose,
        secret_sha256=_hash(secret),
        home_id=actor.tenant,
        person=target,
        created_at=clock.now(),
        expires_at=clock.now() + (INVITATION_VALID_FOR if person else VALID_FOR),
    )
    ledger.record(actor, "access.link.made", row.id, clock=clock, body={"purpose": str(purpose)})
    return secret


def find_link(secret: str, clock: Clock) -> OneTimeLink:
    """Return a link that can still be used. Errors: NotFound, the same for used, old and never made."""
    row = OneTimeLink.objects.filter(secret_sha256=_hash(secret), used_at=None, expires_at__gt=clock.now()).first()
    if row is None:
        raise NotFound("access.link_unknown", "This link was used, is too old, or never existed. `mainstay link` prints a new one.")
    return row


@transaction.atomic
def use_link(*, secret: str, name: str, login: str, clock: Clock) -> UsedLink:
    """Use up a link and return the person to sign in; the first link ever makes the first owner.

    Its holder has no account yet, so there is no actor to ask: the link itself is the permission.
    """
    found = find_link(secret, clock)
    row = OneTimeLink.objects.select_for_update(of=("self",)).get(id=found.id)
    if row.used_at is not None:
        raise NotFound("access.link_unknown", "This link was used a moment ago.")
    row.used_at = clock.now()
    row.save(update_fields=["used_at"])
    bind(row.home_id)
    person = row.person or _make_first_owner(row, name, login, clock)
    by = system("link", row.home_id, via=Via.WEB)
    ledger.record(by, "access.link.used", row.id, clock=clock, body={"person": person.pseudonym, "purpose": row.purpose})
    return UsedLink(person, row.person is None)


def first_owner(clock: Clock) -> Person | None:
    """Return the active owner of the organisation who has been one for the longest."""
    rows = queries.assignments(queries.organisation().id, clock.now()).filter(role=Role.OWNER, person__is_active=True)
    oldest = rows.order_by("from_at").first()
    return oldest.person if oldest else None


def _make_first_owner(row: OneTimeLink, name: str, login: str, clock: Clock) -> Person:
    # Two links may have been made before the first was used; the second one must not make a second first owner.
    if first_owner(clock) is not None:
        raise Conflict("access.owner_exists", "There is an owner already. `mainstay link` prints a link that signs in.")
    name, login = name.strip(), login.strip().casefold()
    if not name or not login or len(name) > 200 or len(login) > 150:
        raise Invalid("access.person_unnamed", "Say your name, and the name you want to sign in with.")
    person = Person(home_id=row.home_id, login=login, name=name, created_at=clock.now())
    person.set_unusable_password()
    person.save()
    Assignment.objects.create(
        person=person, role=Role.OWNER, scope_id=row.home_id, from_at=clock.now(), reason="first start", granted_by="s:link"
    )
    by = system("link", row.home_id, via=Via.WEB)
    ledger.record(by, "access.person.added", person.id, clock=clock, body={"name": name, "login": login, "role": str(Role.OWNER)})
    return person


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
