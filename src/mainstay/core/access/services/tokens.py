"""Tokens for programs: made once, shown once, never more than their owner."""

import ipaddress
import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access import catalogue, tokens
from mainstay.core.access.models import Token
from mainstay.core.access.services.decide import allows, require
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, NotFound

DAYS_MAX = 365


@transaction.atomic
def create_token(
    *,
    actor: Actor,
    label: str,
    clock: Clock,
    days: int = 90,
    actions: Sequence[str] | None = None,
    tenants: Sequence[UUID] | None = None,
    networks: Sequence[str] | None = None,
) -> tuple[Token, str]:
    """Make a token for the actor itself and return it with its text, which is not kept.

    Errors: Invalid for more than 365 days, an unknown action, a tenant out of reach or a malformed network.
    """
    require(actor, "access.token.create")
    _check(actor, days, actions, tenants, networks)
    token, text = draw(
        label,
        home=actor.tenant,
        at=clock.now(),
        days=days,
        owner_id=actor.person_id,
        service="" if actor.person_id else actor.ref.removeprefix("s:"),
    )
    token.actions = list(actions) if actions is not None else sorted(actor.actions) if actor.actions is not None else None
    token.tenants = [str(one) for one in tenants] if tenants is not None else None
    token.networks = list(networks) if networks is not None else None
    token.save()
    ledger.record(actor, "access.token.created", token.id, clock=clock, body={"label": label, "days": days, "actions": token.actions})
    return token, text


@transaction.atomic
def revoke_token(*, actor: Actor, token_id: UUID, clock: Clock) -> None:
    """End a token at once: one's own, or any of the tenant for those who may disable people."""
    require(actor, "access.token.revoke")
    rows = Token.objects.select_for_update(of=("self",)).filter(id=token_id, home_id=actor.tenant, revoked_at=None)
    if not allows(actor, "access.person.disable"):
        rows = rows.filter(owner_id=actor.person_id)
    token = rows.first()
    if token is None:
        raise NotFound("access.token_unknown", "There is no such token.")
    token.revoked_at = clock.now()
    token.save(update_fields=["revoked_at"])
    ledger.record(actor, "access.token.revoked", token.id, clock=clock)


def draw(label: str, *, home: UUID, at: datetime, days: int, owner_id: UUID | None = None, service: str = "") -> tuple[Token, str]:
    """Draw a token without saving it. Returns the row and the text."""
    key_id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(tokens.KEY_ID_LENGTH))
    text = tokens.spell(key_id, secrets.token_urlsafe(32))
    presented = tokens.read(text)
    assert presented is not None  # noqa: S101 - spelt the line before
    row = Token(
        key_id=key_id,
        secret_sha256=presented.secret_sha256,
        owner_id=owner_id,
        service=service,
        home_id=home,
        label=label,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    return row, text


def _check(actor: Actor, days: int, actions: Sequence[str] | None, tenants: Sequence[UUID] | None, networks: Sequence[str] | None) -> None:
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("access.token_too_long", "A token lasts at most 365 days.", pointer="days")
    unknown = sorted(set(actions or ()) - catalogue.builtin().actions)
    if unknown:
        raise Invalid("access.action_unknown", f"There is no action {unknown[0]}.", pointer="actions")
    if actor.actions is not None and actions is not None and not set(actions) <= actor.actions:
        raise Invalid("access.token_wider_than_own", "A token cannot make one that may do more.", pointer="actions")
    if set(tenants or ()) - set(actor.readable):
        raise Invalid("access.tenant_unknown", "A token reaches only tenants that you reach.", pointer="tenants")
    for network in networks or ():
        _check_network(network)


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise Invalid("access.network_invalid", f"{text} is no network such as 192.0.2.0/24.", pointer="networks") from error
