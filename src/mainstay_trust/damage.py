"""The damage bound: what a thief of the server could do at worst, as numbers (rule K9).

Owns: the arithmetic over policy, catalogue and device count, and its sentences.
Does not own: whether that is acceptable; people read it before they sign.
Invariant: an action that the endpoint would refuse counts zero; scripts that nobody signed are always zero.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mainstay_trust.actions import Action
from mainstay_trust.budgets import ALL, Limit
from mainstay_trust.canonical import JSON
from mainstay_trust.policies import TIERS, Policy


@dataclass(frozen=True)
class DamageBound:
    """Upper bounds per day over all devices."""

    devices: int
    restarts_per_day: int
    reboots_per_day: int
    patch_installs_per_day: int
    runbook_calls_per_day: int
    actions_per_day: int
    unsigned_scripts: int = 0

    def as_json(self) -> dict[str, JSON]:
        return dict(asdict(self))

    @property
    def sentence(self) -> str:
        return (
            f"theft of this server can at worst: restart services {self.restarts_per_day} times a day, "
            f"reboot {self.reboots_per_day} times a day, install vendor-signed patches {self.patch_installs_per_day} times a day, "
            f"call published runbooks {self.runbook_calls_per_day} times a day, "
            f"run {self.unsigned_scripts} scripts that you have not signed, over {self.devices} devices"
        )


def damage_bound(
    policy: Policy, catalogue: Mapping[str, Action], devices: int, *, runbooks: Mapping[str, int] | None = None
) -> DamageBound:
    """Bound what stolen server keys allow. `runbooks`: server-callable runbook name to its calls per device and day.

    `devices` is the number of devices of the tenant; devices that a group keeps at T0 are left out.
    """
    armed = _armed(policy, devices)
    most = armed * _per_day(policy.limit(ALL))
    known = {action.name.partition("@")[0] for action in catalogue.values()}
    windows = 1 if policy.windows else 0
    calls = armed * sum((runbooks or {}).values())
    return DamageBound(
        devices=devices,
        restarts_per_day=min(most, _restarts(policy, armed)),
        reboots_per_day=min(most, windows * armed * _per_day(policy.limit("reboot"))) if "reboot" in known else 0,
        patch_installs_per_day=min(most, windows * armed * _per_day(policy.limit("patch.install"))) if "patch.install" in known else 0,
        runbook_calls_per_day=min(most, calls),
        actions_per_day=most,
    )


def _armed(policy: Policy, devices: int) -> int:
    """Count the devices on which anything above T0 is enabled."""
    if policy.tiers["default"] == TIERS[0]:
        return sum(1 for device in policy.groups if policy.tier_of(device) != TIERS[0])
    return max(0, devices - sum(1 for device in policy.groups if policy.tier_of(device) == TIERS[0]))


def _restarts(policy: Policy, armed: int) -> int:
    per_service = _per_day(policy.limit("service.restart"))
    touched = [armed if service.devices is None else min(armed, len(service.devices)) for service in policy.services if service.allow]
    return per_service * sum(touched)


def _per_day(limit: Limit) -> int:
    """The most uses that fit into one day, whichever window binds; a limit that binds nothing counts as a million."""
    bounds = [(limit.per_minute, 1440), (limit.per_hour, 24), (limit.per_day, 1)]
    return min((most * times for most, times in bounds if most is not None), default=1_000_000)
