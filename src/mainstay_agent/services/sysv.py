"""Services of SysV init: scripts in /etc/init.d.

Owns: which scripts are services, their status by exit code, whether a run level starts them.
Invariant: only scripts that know `status` are asked; any other script might start something when it is given an unknown word.
"""

import re
from collections.abc import Iterable

from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.model import Status, Verb, lsb_state

_FOLDER = "etc/init.d"
_KNOWS_STATUS = re.compile(r"^\s*(?:[\w|\"'-]*\|)?[\"']?status[\"']?(?:\|[\w|\"'-]*)?\)", re.MULTILINE)
_USES_LSB_FRAME = re.compile(r"init-d-script", re.MULTILINE)
_DESCRIPTION = re.compile(r"^# Short-Description:\s*(.+)$", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
STATUS_TIMEOUT_S = 10
SCRIPTS_MAX = 200


class SysV:
    manager = "sysv"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def inventory(self) -> list[Status]:
        names = [name for name in self._machine.children(_FOLDER) if _NAME.match(name)][:SCRIPTS_MAX]
        return list(self.statuses(names).values())

    def statuses(self, units: Iterable[str]) -> dict[str, Status]:
        return {unit: self._status(unit) for unit in units}

    def argv(self, unit: str, verb: Verb) -> list[str] | None:
        return [f"/{_FOLDER}/{unit}", verb] if _NAME.match(unit) else None

    def _status(self, unit: str) -> Status:
        script = self._machine.read_or_none(f"{_FOLDER}/{unit}") if _NAME.match(unit) else None
        if script is None:
            return Status(unit, self.manager, "unknown", "no such script")
        description, enabled = _first(_DESCRIPTION, script), self._is_enabled(unit)
        if not (_KNOWS_STATUS.search(script) or _USES_LSB_FRAME.search(script)):
            return Status(unit, self.manager, "unknown", "the script has no status", description, enabled)
        try:
            output = self._machine.run(str(self._machine.path(_FOLDER) / unit), "status", timeout_s=STATUS_TIMEOUT_S)
        except ToolMissing:
            return Status(unit, self.manager, "unknown", "not executable", description, enabled)
        except ToolTimedOut:
            return Status(unit, self.manager, "unknown", "status timed out", description, enabled)
        detail = (output.stdout or output.stderr).strip().splitlines()[:1]
        return Status(unit, self.manager, lsb_state(output.code), "".join(detail)[:200], description, enabled)

    def _is_enabled(self, unit: str) -> bool | None:
        levels = [self._machine.children(f"etc/rc{level}.d") for level in (2, 3, 4, 5)]
        if not any(levels):
            return None
        return any(re.fullmatch(rf"S\d\d{re.escape(unit)}", link) for links in levels for link in links)


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group(1).strip() if match else ""
