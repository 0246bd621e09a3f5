"""Watched services: looked at every two seconds, reported at once when they change.

Owns: which services are watched, the last state of each, when a cheap look is enough.
Does not own: how a manager is asked (`services`), sending (`net.sending`).
Invariant: a change of state is reported exactly once; the first look reports every service.

A manager is asked rarely, because a status command may cost a whole interpreter:
- while the processes of a running service are known and live, every `FULL_LOOK_EVERY_MS`. The death of one is seen within two seconds;
  a service whose processes live but whose status says otherwise (it hangs) is seen at the next full look;
- while no process is known, every two seconds for a minute after a change or an action, then every `BLIND_LOOK_EVERY_MS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.machine import Machine
from mainstay_agent.services.managers import Managers
from mainstay_agent.services.model import Definition, Status
from mainstay_agent.services.processes import Alive, Finder, start_time

FULL_LOOK_EVERY_MS = 20_000
BLIND_LOOK_EVERY_MS = 10_000
UNSETTLED_MS = 60_000
WATCHED_MAX = 200


@dataclass(slots=True)
class _Seen:
    """`looked` and `changed` are times of boot; `processes` are those that carry the service, by number and start time."""

    status: Status
    since_ms: int
    looked: int
    changed: int
    processes: Mapping[int, str]


class Watch:
    """`alive(pid)` returns the start time of a process, None when it is gone: that is the cheap look between two full ones."""

    def __init__(self, machine: Machine, alive: Alive | None = None) -> None:
        self._machine = machine
        self._clock: Clock = machine.clock
        self._alive = alive or (lambda pid: start_time(machine, pid))
        self._managers = Managers(machine)
        self._definitions: dict[str, Definition] = {}
        self._units: list[str] = []
        self._seen: dict[str, _Seen] = {}
        self._hurried: int | None = None

    def follow(self, definitions: Sequence[Definition], more_units: Sequence[str] = ()) -> None:
        """Watch the services of the policy, and further units by name."""
        units = list(dict.fromkeys([one.unit for one in definitions] + list(more_units)))[:WATCHED_MAX]
        named = {one.unit: one for one in definitions}
        if named == self._definitions and units == self._units:
            return
        self._definitions, self._units = named, units
        self._managers = Managers(self._machine, definitions)
        self._seen = {unit: seen for unit, seen in self._seen.items() if unit in units}

    @property
    def units(self) -> Sequence[str]:
        return self._units

    def hurry(self) -> None:
        """Look closely for a while: something is being done to a service."""
        self._hurried = self._clock.boot_ms()

    def look(self) -> list[dict[str, object]]:
        """Return the states that changed since the last look, in the form of the protocol."""
        now = self._clock.boot_ms()
        due = [unit for unit in self._units if self._needs_look(unit, now)]
        finder = Finder(self._machine, self._alive)
        changed = []
        for unit, status in self._managers.statuses(due).items() if due else ():
            if self._note(unit, status, finder, now):
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
        if seen is None:
            return True
        if seen.processes:
            # Known processes that still live are a service that still runs; whatever its manager thinks is asked less often.
            return now - seen.looked >= FULL_LOOK_EVERY_MS or any(self._alive(pid) != since for pid, since in seen.processes.items())
        return self._is_unsettled(seen, now) or now - seen.looked >= BLIND_LOOK_EVERY_MS

    def _is_unsettled(self, seen: _Seen, now: int) -> bool:
        latest = seen.changed if self._hurried is None else max(seen.changed, self._hurried)
        return now - latest < UNSETTLED_MS

    def _note(self, unit: str, status: Status, finder: Finder, now: int) -> bool:
        before = self._seen.get(unit)
        is_change = before is None or before.status.state != status.state
        since = status.since_ms or (self._clock.wall_ms() if is_change or before is None else before.since_ms)
        processes = finder.find(status, self._definitions.get(unit)) if status.state == "running" else {}
        is_same = before is not None and not is_change and before.processes == processes
        self._seen[unit] = _Seen(status, since, now, before.changed if before is not None and is_same else now, processes)
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
