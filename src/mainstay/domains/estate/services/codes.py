"""Enrolment codes: made once, shown once, valid for a day at most. Source: endpoint page, rule N1."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.estate.models import EnrolToken, Route
from mainstay.domains.estate.rules import identity
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor, Via
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, NotFound, Unavailable
from mainstay_trust import enrol

USES_MAX = 500
_DRAWS_MAX = 20


@dataclass(frozen=True)
class NewCode:
    """A fresh code. `code` is the only copy that will ever exist."""

    code: str
    token_id: UUID
    expires_at: datetime


@transaction.atomic
def create_enrol_token(
    *,
    actor: Actor,
    clock: Clock,
    site: UUID | None = None,
    uses: int = 1,
    valid_for_s: int = 3600,
    needs_approval: bool = False,
    labels: Mapping[str, str] | None = None,
) -> NewCode:
    """Make an enrolment code and return its text once. Errors: Invalid when uses or life are outside their limits."""
    require(actor, "estate.enrol_token.create")
    _check_limits(uses, valid_for_s)
    code = _free_code()
    now = clock.now()
    token = EnrolToken.objects.create(
        tenant=actor.tenant,
        code_id=code.code_id,
        proof_key=code.key,
        site=site,
        labels=dict(labels or {}),
        uses_left=uses,
        needs_approval=needs_approval,
        created_at=now,
        expires_at=now + timedelta(seconds=valid_for_s),
    )
    Route.objects.create(kind=Route.Kind.CODE, handle=code.code_id, home=actor.tenant)
    body = {"uses": uses, "expires": int(token.expires_at.timestamp()), "needs_approval": needs_approval}
    ledger.record(actor, "estate.enrol_token.created", token.id, clock=clock, body=body)
    return NewCode(str(code), token.id, token.expires_at)


@transaction.atomic
def void_enrol_token(*, actor: Actor, token_id: UUID, clock: Clock) -> None:
    """Make a code worthless before its time."""
    require(actor, "estate.enrol_token.void")
    token = EnrolToken.objects.select_for_update().filter(tenant=actor.tenant, id=token_id).first()
    if token is None:
        raise NotFound("estate.enrol_token_unknown", "There is no such enrolment code.")
    retire_token(token, clock)
    ledger.record(actor, "estate.enrol_token.voided", token.id, clock=clock)


def local_enrol_code(*, tenant: UUID, clock: Clock) -> str:
    """Return a code by which the machine that runs the server joins its own tenant: one use, ten minutes, no approval."""
    setup = actors.system("setup", tenant, via=Via.SYSTEM)
    with tenant_transaction(tenant):
        return create_enrol_token(actor=setup, clock=clock, valid_for_s=600, labels={"role": "server"}).code


def retire_token(token: EnrolToken, clock: Clock) -> None:
    """Wipe what a proof would need, and free the public part of the code. The caller records why."""
    token.proof_key = None
    token.voided_at = clock.now()
    token.save(update_fields=["proof_key", "voided_at", "wrong_attempts", "uses_left"])
    Route.objects.filter(kind=Route.Kind.CODE, handle=token.code_id, home=token.tenant).delete()


def _check_limits(uses: int, valid_for_s: int) -> None:
    if not 1 <= uses <= USES_MAX:
        raise Invalid("estate.enrol_token_uses", f"A code may be used 1 to {USES_MAX} times.", pointer="/uses")
    if not 60 <= valid_for_s <= identity.CODE_LIFE_S_MAX:
        raise Invalid("estate.enrol_token_life", "A code lives between one minute and 24 hours.", pointer="/valid_for_s")


def _free_code() -> enrol.Code:
    # The public part has 20 bits, so a new one may meet a living one; it is drawn again.
    for _ in range(_DRAWS_MAX):
        code = enrol.code_from_random(secrets.token_bytes(13))
        if not Route.objects.filter(kind=Route.Kind.CODE, handle=code.code_id).exists():
            return code
    raise Unavailable("estate.enrol_codes_crowded", "Too many enrolment codes are open; let some expire and try again.")
