"""Which processes a service consists of, found without asking its status command.

Owns: the ways to know them (the status names one, a pid file does, or a command line equals the start command), their start times.
Does not own: whether the service is well (`services.managers` asks its manager), how often anybody looks (`net.watch`).
Invariant: a process is known by number and start time together, so that a number used again is another process.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from mainstay_agent.host.machine import Machine
from mainstay_agent.services.model import Definition, Status

PROCESSES_MAX = 32
_INTERPRETER_WORDS_MAX = 2  # `#!/usr/bin/env python3` puts two words before a script's own command line
_PID = re.compile(r"\bpid[ :=(]*(\d+)", re.IGNORECASE)
Alive = Callable[[int], str | None]


def start_time(machine: Machine, pid: int) -> str | None:
    """Return when a process started, in ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        fields = machine.read(f"proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else None


class Finder:
    """Finds the processes of services during one look: the process table is read at most once, and only if something needs it."""

    def __init__(self, machine: Machine, alive: Alive) -> None:
        self._machine = machine
        self._alive = alive
        self._table: Mapping[int, tuple[str, ...]] | None = None

    def find(self, status: Status, definition: Definition | None) -> dict[int, str]:
        """Return the living processes of a running service with their start times; none when nothing tells which they are."""
        ways = (self._named(status), self._by_pid_file(status.unit, definition), self._by_argv(definition))
        for pids in ways:
            living = {pid: started for pid in pids if (started := self._alive(pid)) is not None}
            if 0 < len(living) <= PROCESSES_MAX:
                return living
        return {}

    def _named(self, status: Status) -> Iterator[int]:
        match = _PID.search(status.detail)
        if status.pid is not None:
            yield status.pid
        elif match is not None:
            yield int(match.group(1))

    def _by_pid_file(self, unit: str, definition: Definition | None) -> Iterator[int]:
        words = (*definition.start, *definition.stop, *definition.status) if definition else ()
        named = [word.rpartition("=")[2].lstrip("/") for word in words if word.endswith(".pid")]
        for path in (*named, f"run/{unit}.pid", f"run/{unit}/{unit}.pid"):
            text = self._machine.read_or_none(path)
            if text is not None and text.isdecimal():
                yield int(text)
                return

    def _by_argv(self, definition: Definition | None) -> Iterator[int]:
        start = definition.start if definition else ()
        if start:
            yield from (pid for pid, argv in self._processes().items() if _is_started_by(argv, start))

    def _processes(self) -> Mapping[int, tuple[str, ...]]:
        if self._table is None:
            pids = [int(name) for name in self._machine.children("proc") if name.isdecimal()]
            self._table = {pid: self._argv(pid) for pid in pids}
        return self._table

    def _argv(self, pid: int) -> tuple[str, ...]:
        try:
            return tuple(self._machine.read(f"proc/{pid}/cmdline", 4096).rstrip("\0").split("\0"))
        except OSError:
            return ()


def _is_started_by(argv: tuple[str, ...], start: tuple[str, ...]) -> bool:
    before = len(argv) - len(start)
    return 0 <= before <= _INTERPRETER_WORDS_MAX and argv[before:] == start
