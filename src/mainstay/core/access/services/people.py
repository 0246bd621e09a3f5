"""People, their roles, and their sessions."""

from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import transaction

from mainstay.core.access import queries
from mainstay.core.access.models import Assignment, Grant, Person, Token
from mainstay.core.access.roles import NOT_FOR_PEOPLE, PROVIDER_ROLES, Role, held
from mainstay.core.access.services.decide import require
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused


@transaction.atomic
def add_person(*, actor: Actor, name: str, login: str, role: str, clock: Clock, mail: str = "") -> Person:
    """Add a person to the actor's tenant with one role. They sign in by an invitation link (`make_link`)."""
    require(actor, "access.person.add")
    _check_role(actor, role)
    login = login.strip().casefold()
    if not name.strip() or not login:
        raise Invalid("access.person_unnamed", "A person needs a name and a name to sign in with.")
    if Person.objects.filter(login=login).exists():
        raise Conflict("access.person_login_taken", "Somebody already signs in with that name.")
    person = Person(home_id=actor.tenant, login=login, name=name.strip(), mail=mail, created_at=clock.now())
    person.set_unusable_password()
    person.save()
    Assignment.objects.create(person=person, role=role, scope_id=actor.tenant, from_at=clock.now(), granted_by=actor.ref)
    ledger.record(actor, "access.person.added", person.id, clock=clock, body={"name": person.name, "login": login, "role": role})
    return person


@transaction.atomic
def assign_role(*, actor: Actor, person_id: UUID, role: str, clock: Clock, reason: str = "") -> Assignment:
    """Give a person of this tenant a further role in it."""
    require(actor, "access.role.assign")
    _check_role(actor, role)
    person = _locked(actor, person_id)
    row = Assignment.objects.create(
        person=person, role=role, scope_id=actor.tenant, from_at=clock.now(), reason=reason, granted_by=actor.ref
    )
    ledger.record(actor, "access.role.assigned", row.id, clock=clock, body={"person": person.pseudonym, "role": role, "reason": reason})
    return row


@transaction.atomic
def end_assignment(*, actor: Actor, assignment_id: UUID, clock: Clock) -> None:
    """Take a role away from now on. Errors: Conflict when nobody would be left who may change access."""
    require(actor, "access.role.end")
    row = Assignment.objects.select_for_update().filter(id=assignment_id, scope_id=actor.tenant).first()
    if row is None:
        raise NotFound("access.assignment_unknown", "There is no such role.")
    if row.role == Role.OWNER and not _other_owner(actor.tenant, row.person_id, clock):
        raise Conflict("access.last_owner", "This is the last owner: give somebody else the role first.")
    row.until_at = clock.now()
    row.save(update_fields=["until_at"])
    ledger.record(actor, "access.role.ended", row.id, clock=clock, body={"role": row.role})


@transaction.atomic
def disable_person(*, actor: Actor, person_id: UUID, clock: Clock) -> None:
    """Shut a person out: account, sessions, tokens and grants, all at their next request."""
    require(actor, "access.person.disable")
    person = _locked(actor, person_id)
    if person.id == actor.person_id:
        raise Conflict("access.person_is_oneself", "You cannot shut yourself out; ask another owner.")
    at = clock.now()
    owns = Assignment.objects.filter(person=person, role=Role.OWNER, scope_id=actor.tenant, until_at=None).exists()
    if owns and not _other_owner(actor.tenant, person.id, clock):
        raise Conflict("access.last_owner", "This is the last owner: give somebody else the role first.")
    person.is_active = False
    person.save(update_fields=["is_active"])
    Token.objects.filter(owner=person, revoked_at=None).update(revoked_at=at)
    Grant.objects.filter(person=person, ended_at=None).update(ended_at=at, ended_by=actor.ref)
    _end_sessions(person.id)
    ledger.record(actor, "access.person.disabled", person.id, clock=clock)


@transaction.atomic
def end_sessions(*, actor: Actor, clock: Clock, person_id: UUID | None = None) -> int:
    """End every session of a person; without a name, one's own. Returns how many there were."""
    own = person_id is None or person_id == actor.person_id
    require(actor, "access.session.end" if own else "access.person.disable")
    target = actor.person_id if person_id is None else person_id
    if target is None:
        return 0
    if not own:
        _locked(actor, target)
    number = _end_sessions(target)
    ledger.record(actor, "access.session.ended", target, clock=clock, body={"sessions": number})
    return number


def _end_sessions(person_id: UUID) -> int:
    rows = list(UserSession.objects.filter(user_id=person_id))
    for row in rows:
        row.end()
    return len(rows)


def _locked(actor: Actor, person_id: UUID) -> Person:
    person = Person.objects.select_for_update().filter(id=person_id, home_id=actor.tenant).first()
    if person is None:
        raise NotFound("access.person_unknown", "There is no such person.")
    return person


def _check_role(actor: Actor, role: str) -> None:
    """Nobody gives away more than they hold. Errors: Invalid, Refused."""
    if role not in set(Role) - NOT_FOR_PEOPLE:
        raise Invalid("access.role_unknown", f"There is no role {role} for people.", pointer="role")
    mine = held(actor.roles)
    kind = queries.tenant(actor.tenant).kind
    if role in PROVIDER_ROLES and kind != "provider":
        raise Invalid("access.role_of_provider", f"The role {role} exists at the provider only.", pointer="role")
    if Role.ADMIN not in mine and role not in mine:
        raise Refused("access.role_above_own", "You cannot give a role that you do not hold.", role=role)
    if role in (Role.OWNER, Role.EMERGENCY) and Role.OWNER not in mine:
        raise Refused("access.role_above_own", "Only an owner makes another owner.", role=role)


def _other_owner(tenant: UUID, person_id: UUID | None, clock: Clock) -> bool:
    rows = queries.assignments(tenant, clock.now()).filter(role=Role.OWNER, person__is_active=True)
    return any(row.person_id != person_id for row in rows)
