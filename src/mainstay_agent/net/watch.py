"""Watched services: looked at every two seconds, reported at once when they change.

Owns: which services are watched, the last state of each, when a cheap look is enough.
Does not own: how a manager is asked (`services`), sending (`net.uplink`).
Invariant: a change of state is reported exactly once; the first look reports every service.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.machine import Machine
from mainstay_agent.services.managers import Managers
from mainstay_agent.services.model import Definition, Status

FULL_LOOK_EVERY_MS = 20_000
WATCHED_MAX = 200
_PID = re.compile(r"\bpid[ :=(]*(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class _Seen:
    status: Status
    since_ms: int
    looked_boot_ms: int
    pid: int | None
    started: str | None


class Watch:
    """`alive(pid)` returns the start time of a process, None when it is gone: that is the cheap look between two full ones."""

    def __init__(self, machine: Machine, alive: Callable[[int], str | None] | None = None) -> None:
        self._machine = machine
        self._clock: Clock = machine.clock
        self._alive = alive or (lambda pid: _start_time(machine, pid))
        self._managers = Managers(machine)
        self._definitions: tuple[Definition, ...] = ()
        self._units: list[str] = []
        self._seen: dict[str, _Seen] = {}

    def follow(self, definitions: Sequence[Definition], more_units: Sequence[str] = ()) -> None:
        """Watch the services of the policy, and further units by name."""
        units = list(dict.fromkeys([one.unit for one in definitions] + list(more_units)))[:WATCHED_MAX]
        if tuple(definitions) == self._definitions and units == self._units:
            return
        self._definitions, self._units = tuple(definitions), units
        self._managers = Managers(self._machine, definitions)
        self._seen = {unit: seen for unit, seen in self._seen.items() if unit in units}

    @property
    def units(self) -> Sequence[str]:
        return self._units

    def look(self) -> list[dict[str, object]]:
        """Return the states that changed since the last look, in the form of the protocol."""
        now = self._clock.boot_ms()
        due = [unit for unit in self._units if self._needs_look(unit, now)]
        changed = []
        for unit, status in self._managers.statuses(due).items() if due else ():
            if self._note(unit, status, now):
                changed.append(self._state(unit))
        return changed

    def states(self) -> list[dict[str, object]]:
        """Return every state as last seen."""
        return [self._state(unit) for unit in self._units if unit in self._seen]

    def ups(self) -> dict[str, int | None]:
        """Return 1, 0 or None (unknown) per watched unit."""
        known: dict[str, int | None] = {"running": 1, "stopped": 0, "failed": 0}
        return {unit: known.get(seen.status.state) for unit, seen in self._seen.items()}

    def _needs_look(self, unit: str, now: int) -> bool:
        seen = self._seen.get(unit)
        if seen is None or seen.status.state != "running" or seen.pid is None:
            return True
        # A known process that still lives is still running; whatever its manager thinks is asked less often.
        return now - seen.looked_boot_ms >= FULL_LOOK_EVERY_MS or self._alive(seen.pid) != seen.started

    def _note(self, unit: str, status: Status, now: int) -> bool:
        before = self._seen.get(unit)
        is_change = before is None or before.status.state != status.state
        since = status.since_ms or (self._clock.wall_ms() if is_change or before is None else before.since_ms)
        pid = status.pid or _pid_of(status.detail)
        self._seen[unit] = _Seen(status, since, now, pid, self._alive(pid) if pid is not None else None)
        return is_change

    def _state(self, unit: str) -> dict[str, object]:
        seen = self._seen[unit]
        return {
            "unit": unit,
            "manager": seen.status.manager,
            "state": seen.status.state,
            "since": seen.since_ms,
            "seen": self._clock.wall_ms(),
            "detail": seen.status.detail[:200],
        }


def _pid_of(detail: str) -> int | None:
    """Return the process that a status command names, as in `running (pid 123)`."""
    match = _PID.search(detail)
    return int(match.group(1)) if match else None


def _start_time(machine: Machine, pid: int) -> str | None:
    """Return when a process started, in ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        fields = machine.read(f"proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else None
