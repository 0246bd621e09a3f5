"""Commands that wait for a device, and the results it sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mainstay.core.ledger import queries as ledger
from mainstay.domains.automation.models import Command, CommandResult
from mainstay.domains.automation.queries.documents import policy_of
from mainstay.kernel.json import Json
from mainstay_trust.quorum import AGE_S_MAX

COMMANDS_PER_POLL = 8


@dataclass(frozen=True)
class Deliveries:
    """What a poll hands out. is_waiting: a command exists whose leaf is not yet under a signed checkpoint."""

    commands: list[dict[str, Json]]
    is_waiting: bool


def deliveries(tenant: UUID, device_id: UUID, *, held_size: int, now: datetime, limit: int = COMMANDS_PER_POLL) -> Deliveries:
    """Return the commands that a device should have now, each with the proof of its ledger leaf."""
    queued = Command.objects.filter(tenant=tenant, device_id=device_id, state="issued", expires_at__gte=now - timedelta(minutes=5))
    ready, is_waiting = [], False
    witnessed: dict[str, Json] | None = None
    for command in queued.order_by("issued_at", "id")[:limit]:
        proven = ledger.tlog_proof(tenant, command.ledger_entry)
        if proven is None:
            is_waiting = True
            continue
        consistency = ledger.heartbeat_answer(tenant, held_size)
        witnessed = _witnessed(tenant, now) if witnessed is None else witnessed
        ready.append(
            {
                "envelope": command.envelope,
                "proof": proven.text,
                "leaf": {"salt": proven.salt_hex, "body": proven.body},
                "consistency": consistency.consistency if consistency else [],
                **witnessed,
            }
        )
    return Deliveries(ready, is_waiting)


def _witnessed(tenant: UUID, now: datetime) -> dict[str, Json]:
    """Return the member that a policy with a quorum of witnesses needs; what is missing there the device will refuse, and say so."""
    policy = policy_of(tenant)
    if policy is None or not policy.witness_quorum:
        return {}
    found = ledger.witnessed(tenant, policy.witness_keys, policy.witness_quorum, since=now - timedelta(seconds=AGE_S_MAX))
    return {"witnessed": None if found is None else {"note": found.note, "consistency": [*found.consistency]}}


def results(tenants: Sequence[UUID], device_id: UUID, limit: int = 50) -> list[CommandResult]:
    """Return the newest links of a device's chain."""
    return list(CommandResult.objects.filter(tenant__in=tenants, device_id=device_id).order_by("-seq")[:limit])
