"""Services of systemd.

Owns: one `systemctl show` for all units, and what its properties mean.
Invariant: asking is one subprocess however many units are watched.
"""

from collections.abc import Iterable

from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.model import State, Status, Verb

_PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,MainPID,Description,UnitFileState,StateChangeTimestampMonotonic"
UNITS_MAX = 500


def is_running(machine: Machine) -> bool:
    """Tell whether systemd is the init system. Source: sd_booted(3)."""
    return machine.path("run/systemd/system").is_dir()


class Systemd:
    manager = "systemd"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def inventory(self) -> list[Status]:
        listing = self._machine.run("systemctl", "list-units", "--type=service", "--all", "--plain", "--no-legend", "--no-pager")
        return list(self.statuses(parse_units(listing.stdout)[:UNITS_MAX]).values())

    def statuses(self, units: Iterable[str]) -> dict[str, Status]:
        names = list(units)
        if not names:
            return {}
        try:
            output = self._machine.run("systemctl", "show", f"--property={_PROPERTIES}", "--", *names)
        except (ToolMissing, ToolTimedOut) as problem:
            return {name: Status(name, self.manager, "unknown", str(problem)) for name in names}
        clock = self._machine.clock
        found = {status.unit: status for status in parse_show(output.stdout, clock.wall_ms() - clock.boot_ms())}
        return {name: found.get(name, Status(name, self.manager, "unknown", "not reported")) for name in names}

    def argv(self, unit: str, verb: Verb) -> list[str] | None:
        return ["systemctl", "--no-ask-password", verb, "--", unit]


def parse_units(text: str) -> list[str]:
    """Return the unit names of `systemctl list-units --plain --no-legend`; units that are not installed are left out."""
    rows = (line.split() for line in text.splitlines())
    return [row[0] for row in rows if len(row) >= 4 and row[1] != "not-found"]


def parse_show(text: str, boot_wall_ms: int) -> list[Status]:
    """Parse the blocks of `systemctl show`. `boot_wall_ms` turns systemd's monotonic microseconds into wall time."""
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n"))
    return [_status(block, boot_wall_ms) for block in blocks if block.get("Id")]


def _status(block: dict[str, str], boot_wall_ms: int) -> Status:
    changed_us, pid = block.get("StateChangeTimestampMonotonic", ""), block.get("MainPID", "0")
    return Status(
        unit=block["Id"],
        manager="systemd",
        state=_state(block),
        detail="/".join(part for part in (block.get("ActiveState"), block.get("SubState"), _failure(block)) if part),
        description=block.get("Description", ""),
        enabled=_enabled(block.get("UnitFileState", "")),
        pid=int(pid) if pid.isdigit() and pid != "0" else None,
        since_ms=boot_wall_ms + int(changed_us) // 1000 if changed_us.isdigit() and changed_us != "0" else None,
    )


def _state(block: dict[str, str]) -> State:
    if block.get("LoadState") in ("not-found", "error", "bad-setting"):
        return "unknown"
    active = block.get("ActiveState", "")
    if active in ("active", "reloading"):
        return "running"
    if active == "failed" or block.get("SubState") == "auto-restart":
        return "failed"
    # A unit on its way up or down is not running yet, or no longer.
    return "stopped" if active in ("inactive", "deactivating", "activating") else "unknown"


def _failure(block: dict[str, str]) -> str:
    result = block.get("Result", "")
    return "" if result in ("", "success") else result


def _enabled(unit_file_state: str) -> bool | None:
    if unit_file_state in ("enabled", "enabled-runtime", "alias", "generated"):
        return True
    return False if unit_file_state in ("disabled", "masked") else None  # static and indirect units are neither
