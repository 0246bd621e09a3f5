"""What people do with findings: own them, take the risk until a day, or make a ticket of them.

Source: security page, section 5 rules 4 and 11. Invariant: a taken risk has a reason, an approver and an end, and stays a finding.
"""

from datetime import date, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import Erasable
from mainstay.domains.assurance.models import Finding
from mainstay.domains.assurance.queries.audits import lock_finding
from mainstay.domains.assurance.rules.findings import EXCEPTION_DAYS_MAX
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid
from mainstay.kernel.json import Json

REASON_MIN = 10
REASON_MAX = 2_000


@transaction.atomic
def accept_finding(*, actor: Actor, finding_id: UUID, reason: str, until: date, clock: Clock) -> Finding:
    """Take the risk of a finding until the end of a day. It stays a finding, and the score does not rise.

    Errors: NotFound; Conflict for one that is fixed; Invalid for a short reason or an end that is past or over a year away.
    """
    require(actor, "assurance.finding.accept")
    one = _open_finding(actor, finding_id)
    _check_exception(reason, until, clock)
    one.state, one.exception_reason, one.exception_by = Finding.State.ACCEPTED, reason.strip(), actor.ref
    one.exception_at, one.exception_until, one.exception_failing = clock.now(), until, one.failing
    one.save(update_fields=["state", "exception_reason", "exception_by", "exception_at", "exception_until", "exception_failing"])
    body: dict[str, Json | Erasable] = {
        "finding": one.key,
        "until": until.isoformat(),
        "reason": ledger.erasable(one.exception_reason),
        "failing": len(one.failing),
    }
    ledger.record(actor, "assurance.finding.accepted", one.id, clock=clock, body=body)
    _publish(actor, "finding.accepted", one, clock)
    return one


@transaction.atomic
def withdraw_exception(*, actor: Actor, finding_id: UUID, clock: Clock) -> Finding:
    """End a taken risk before its day. Errors: NotFound; Conflict when none was taken."""
    require(actor, "assurance.finding.withdraw")
    one = _open_finding(actor, finding_id)
    if one.exception_until is None:
        raise Conflict("assurance.not_accepted", "Nobody has accepted this finding.")
    one.state, one.exception_reason, one.exception_by = Finding.State.OPEN, "", ""
    one.exception_at, one.exception_until, one.exception_failing = None, None, []
    one.save(update_fields=["state", "exception_reason", "exception_by", "exception_at", "exception_until", "exception_failing"])
    ledger.record(actor, "assurance.finding.exception_ended", one.id, clock=clock, body={"finding": one.key})
    _publish(actor, "finding.withdrawn", one, clock)
    return one


@transaction.atomic
def assign_finding(*, actor: Actor, finding_id: UUID, owner: str | None, clock: Clock) -> Finding:
    """Name who cares for a finding (an actor's ref), or nobody. Errors: NotFound."""
    require(actor, "assurance.finding.assign")
    one = lock_finding(actor.tenant, finding_id)
    if one.owner == (owner or ""):
        return one
    one.owner = (owner or "")[:40]
    one.save(update_fields=["owner"])
    ledger.record(actor, "assurance.finding.assigned", one.id, clock=clock, body={"finding": one.key, "owner": one.owner or None})
    _publish(actor, "finding.assigned", one, clock)
    return one


@transaction.atomic
def ask_for_ticket(*, actor: Actor, finding_id: UUID, clock: Clock) -> Finding:
    """Make a ticket of a finding. Asking twice makes one. Errors: NotFound; Conflict for a finding that is fixed."""
    require(actor, "assurance.finding.ticket")
    one = _open_finding(actor, finding_id)
    if one.ticket_asked_at is not None:
        return one
    one.ticket_asked_at = clock.now()
    one.save(update_fields=["ticket_asked_at"])
    ledger.record(actor, "assurance.finding.ticket_asked", one.id, clock=clock, body={"finding": one.key})
    _publish(actor, "finding.ticket_asked", one, clock)
    return one


@transaction.atomic
def note_ticket(*, actor: Actor, finding_id: UUID, ticket: UUID, clock: Clock) -> Finding:
    """Keep which ticket stands for a finding. The same ticket twice changes nothing. Errors: NotFound."""
    require(actor, "assurance.finding.note_ticket")
    one = lock_finding(actor.tenant, finding_id)
    if one.ticket == ticket:
        return one
    one.ticket = ticket
    one.save(update_fields=["ticket"])
    ledger.record(actor, "assurance.finding.ticketed", one.id, clock=clock, body={"finding": one.key, "ticket": str(ticket)})
    _publish(actor, "finding.ticketed", one, clock)
    return one


def _open_finding(actor: Actor, finding_id: UUID) -> Finding:
    one = lock_finding(actor.tenant, finding_id)
    if one.state == Finding.State.FIXED:
        raise Conflict("assurance.finding_fixed", "This finding is gone; the newest audit no longer sees it.")
    return one


def _check_exception(reason: str, until: date, clock: Clock) -> None:
    today = clock.now().date()
    if not REASON_MIN <= len(reason.strip()) <= REASON_MAX:
        raise Invalid("assurance.reason", f"Say in {REASON_MIN} to {REASON_MAX:,} characters why the risk is taken.", pointer="/reason")
    if not today < until <= today + timedelta(days=EXCEPTION_DAYS_MAX):
        raise Invalid("assurance.until", "A taken risk ends on a day after today, within a year.", pointer="/until")


def _publish(actor: Actor, name: str, one: Finding, clock: Clock) -> None:
    outbox.publish(actor, name, one.id, {"finding": str(one.id), "check": one.check_id}, clock=clock)
