"""The action gate: every command to a device passes here, or it is not made.

Owns: authority, server-side budget, the command row, its ledger leaf, in one transaction. The endpoint checks all of it again.
Invariant: the envelope, the budget use and the ledger entry exist together or not at all. Source: endpoint page, 2.6 and 2.11 D9.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.automation import queries
from mainstay.domains.automation.models import BudgetUse, Command, Run
from mainstay.domains.automation.rules import limits
from mainstay.domains.automation.services.ports import PORTS
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Refused
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust.actions import CATALOGUE, Action

# The device's clock may be a little behind ours; an envelope that starts a minute ago is still refused when it is late.
EARLY_S = 60


@transaction.atomic
def issue_command(
    *, actor: Actor, run: Run, step_path: str, action: str, params: Mapping[str, Json], valid_for_s: int, clock: Clock
) -> Command:
    """Sign and queue one command of a run's step. The same step asked twice gets the command that exists.

    Errors: Refused("automation.gate_budget") when a budget is used up; Unavailable where no command key is held.
    """
    require(actor, "automation.command.issue")
    idem = f"run:{run.id}/step:{step_path}"
    existing = Command.objects.filter(tenant=actor.tenant, idem=idem).first()
    if existing is not None:
        return existing
    kind = CATALOGUE[action]
    _draw_budget(actor, run, kind, params, clock)
    command = _sealed(actor, run, kind, params, idem, valid_for_s, clock)
    entry = ledger.record(
        actor, "automation.command.issued", command.id, clock=clock, body={"payload_sha256": command.payload_sha256, "action": action}
    )
    command.ledger_entry = entry.id
    command.save(force_insert=True)
    ledger.wake_sequencer()
    PORTS.devices.wake(command.device_id)
    return command


def _draw_budget(actor: Actor, run: Run, kind: Action, params: Mapping[str, Json], clock: Clock) -> None:
    if kind.tier == "T0" or run.device_id is None:
        return
    subject, now = str(params.get("unit", "")), clock.now()
    uses = queries.budget_uses(actor.tenant, run.device_id, kind.name, subject, since=now - timedelta(days=1))
    budget = limits.spent(limits.DEVICE_ACTION, [use.timestamp() for use in uses], now.timestamp())
    if budget is not None:
        raise Refused(
            "automation.gate_budget", f"The limit {budget.name} ({budget.limit}) for this service is used up.", budget=budget.name
        )
    BudgetUse.objects.create(tenant=actor.tenant, device_id=run.device_id, action=kind.name, subject=subject, run=run, at=now)


def _sealed(actor: Actor, run: Run, kind: Action, params: Mapping[str, Json], idem: str, valid_for_s: int, clock: Clock) -> Command:
    command_id, now = new_id(), clock.now()
    device_id = queries.device_of(run)
    start, end = now - timedelta(seconds=EARLY_S), now + timedelta(seconds=valid_for_s)
    signed = PORTS.commands.seal(
        {
            "v": 1,
            "id": to_base32(command_id),
            "tenant": to_base32(actor.tenant),
            "aud": [to_base32(device_id)],
            "tier": kind.tier,
            "action": kind.name,
            "artefact": None,
            "params": dict(params),
            "nbf": int(start.timestamp()),
            "exp": int(end.timestamp()),
            "window": None,
            "campaign": None,
            "wave": None,
            "max_targets": 1,
            "effect": kind.effect,
            "idem": idem,
            "policy_epoch": queries.policy_epoch(actor.tenant),
            "reason": f"run {run.id}",
        }
    )
    return Command(
        id=command_id,
        tenant=actor.tenant,
        device_id=device_id,
        run=run,
        action=kind.name,
        tier=kind.tier,
        params=dict(params),
        idem=idem,
        envelope=dict(signed.envelope),
        payload_sha256=signed.payload_sha256,
        not_before_at=start,
        expires_at=end,
        state="issued",
        issued_at=now,
    )
