"""People change a rule: thresholds, waiting time, on or off, for all devices or for one."""

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.domains.alerting.models import RuleOverride
from mainstay.domains.alerting.rules.pack import PACK, Rule, Worse
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid, NotFound
from mainstay.kernel.severity import Severity

WAIT_S_MAX = 86_400


@transaction.atomic
def change_rule(
    *,
    actor: Actor,
    rule_id: str,
    clock: Clock,
    reason: str,
    device_id: UUID | None = None,
    is_enabled: bool = True,
    levels: Mapping[str, Mapping[str, float]] | None = None,
    wait_s: int | None = None,
) -> RuleOverride:
    """Set what differs from the built-in rule. Errors: NotFound; Invalid where fire and recover would meet or cross."""
    require(actor, "alerting.rule.edit")
    rule = PACK.get(rule_id)
    if rule is None:
        raise NotFound("alerting.rule_unknown", "There is no such rule.")
    if not reason.strip() or (wait_s is not None and not 0 <= wait_s <= WAIT_S_MAX):
        raise Invalid("alerting.rule_change", "A change needs a reason, and a waiting time of at most a day.", pointer="/reason")
    _check_levels(rule, levels or {})
    values = {"is_enabled": is_enabled, "levels": dict(levels or {}), "wait_s": wait_s, "reason": reason[:300], "by": actor.ref}
    row, _ = RuleOverride.objects.update_or_create(
        tenant=actor.tenant, rule_id=rule_id, device_id=device_id, defaults={**values, "at": clock.now()}
    )
    body = {"rule": rule_id, "device": device_id.hex if device_id else None, "enabled": is_enabled, "wait_s": wait_s,
            "levels": {name: {key: str(value) for key, value in level.items()} for name, level in (levels or {}).items()}}  # fmt: skip
    ledger.record(actor, "alerting.rule.changed", row.id, clock=clock, body=body)
    return row


def _check_levels(rule: Rule, levels: Mapping[str, Mapping[str, float]]) -> None:
    built_in = {level.severity.name: level for level in rule.levels}
    for name, changed in levels.items():
        level = built_in.get(name)
        if level is None or name not in Severity.__members__:
            raise Invalid("alerting.rule_level", "The rule has no such severity.", pointer=f"/levels/{name[:20]}")
        fire, recover = float(changed.get("fire", level.fire)), float(changed.get("recover", level.recover))
        if not (recover > fire if rule.worse is Worse.BELOW else recover < fire):
            raise Invalid(
                "alerting.rule_hysteresis", "The recover value must lie on the good side of the fire value.", pointer=f"/levels/{name}"
            )
