"""The managers that exist on this machine, joined.

Owns: which manager answers for a unit.
Invariant: a definition of policy wins over what the machine happens to have under the same name.
"""

from collections.abc import Iterable, Sequence

from mainstay_agent.host.machine import Machine
from mainstay_agent.services.defined import Defined
from mainstay_agent.services.model import Definition, Provider, Status
from mainstay_agent.services.systemd import Systemd, is_running
from mainstay_agent.services.sysv import SysV


class Managers:
    def __init__(self, machine: Machine, definitions: Sequence[Definition] = ()) -> None:
        self._definitions = {one.unit: one for one in definitions}
        self._init: Provider | None = native(machine)
        self._by_name: dict[str, Provider] = {"systemd": Systemd(machine), "sysv": SysV(machine), "argv": Defined(machine, definitions)}

    def provider_of(self, unit: str) -> Provider | None:
        one = self._definitions.get(unit)
        return self._by_name.get(one.manager) if one else self._init

    def statuses(self, units: Iterable[str]) -> dict[str, Status]:
        """Ask each manager once for its units."""
        groups: dict[str, list[str]] = {}
        found: dict[str, Status] = {}
        for unit in units:
            provider = self.provider_of(unit)
            if provider is None:
                found[unit] = Status(unit, "none", "unknown", "no service manager")
            else:
                groups.setdefault(provider.manager, []).append(unit)
        for manager, names in groups.items():
            found |= self._by_name[manager].statuses(names)
        return found

    def inventory(self) -> list[Status]:
        return (self._init.inventory() if self._init else []) + self._by_name["argv"].inventory()

    @property
    def native_name(self) -> str:
        return self._init.manager if self._init else "none"


def native(machine: Machine) -> Provider | None:
    """Return the init system's provider, or None where neither systemd runs nor init scripts exist."""
    if is_running(machine):
        return Systemd(machine)
    return SysV(machine) if machine.children("etc/init.d") else None
