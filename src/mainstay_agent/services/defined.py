"""Services that the signed policy defines by argv, for machines and programs without a service manager.

Owns: their status by exit code (as LSB says), the argv of each verb.
Does not own: starting them (`actions.service`).
Invariant: only argv of the policy is ever run.
"""

from collections.abc import Iterable, Mapping

from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.model import Definition, Status, Verb, lsb_state

STATUS_TIMEOUT_S = 10


class Defined:
    manager = "argv"

    def __init__(self, machine: Machine, definitions: Iterable[Definition]) -> None:
        self._machine = machine
        self._definitions: Mapping[str, Definition] = {one.unit: one for one in definitions if one.manager == "argv"}

    def inventory(self) -> list[Status]:
        return list(self.statuses(self._definitions).values())

    def statuses(self, units: Iterable[str]) -> dict[str, Status]:
        return {unit: self._status(unit) for unit in units}

    def argv(self, unit: str, verb: Verb) -> list[str] | None:
        one = self._definitions.get(unit)
        parts = {"start": one.start, "stop": one.stop, "reload": one.reload, "restart": ()}[verb] if one else ()
        return list(parts) or None

    def _status(self, unit: str) -> Status:
        one = self._definitions.get(unit)
        if one is None or not one.status:
            return Status(unit, self.manager, "unknown", "the policy gives no status command")
        try:
            output = self._machine.run(*one.status, timeout_s=STATUS_TIMEOUT_S)
        except ToolMissing:
            return Status(unit, self.manager, "unknown", "the status command is missing", one.name)
        except ToolTimedOut:
            return Status(unit, self.manager, "unknown", "status timed out", one.name)
        detail = (output.stdout or output.stderr).strip().splitlines()[:1]
        return Status(unit, self.manager, lsb_state(output.code), "".join(detail)[:200], one.name)
