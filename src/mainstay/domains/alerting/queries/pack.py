"""The rules in force: the built-in pack with what a tenant changed."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from mainstay.domains.alerting.models import RuleOverride
from mainstay.domains.alerting.rules.pack import PACK, Level, Rule


def rules_of(tenant: UUID) -> dict[UUID | None, dict[str, Rule]]:
    """Return the rules for all devices under None, and complete sets for the devices that have their own."""
    rows = list(RuleOverride.objects.filter(tenant=tenant))
    general = _changed(PACK, [row for row in rows if row.device_id is None])
    found: dict[UUID | None, dict[str, Rule]] = {None: general}
    for device_id in {row.device_id for row in rows if row.device_id is not None}:
        found[device_id] = _changed(general, [row for row in rows if row.device_id == device_id])
    return found


def _changed(rules: Mapping[str, Rule], rows: list[RuleOverride]) -> dict[str, Rule]:
    by_rule = {row.rule_id: row for row in rows}
    return {rule_id: _with(rule, by_rule[rule_id]) if rule_id in by_rule else rule for rule_id, rule in rules.items()}


def _with(rule: Rule, row: RuleOverride) -> Rule:
    levels = tuple(_level(level, row.levels.get(level.severity.name)) for level in rule.levels)
    return replace(rule, is_enabled=row.is_enabled, levels=levels, wait_s=rule.wait_s if row.wait_s is None else row.wait_s)


def _level(level: Level, changed: Mapping[str, float] | None) -> Level:
    if not changed:
        return level
    return Level(level.severity, float(changed.get("fire", level.fire)), float(changed.get("recover", level.recover)))
