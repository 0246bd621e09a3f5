"""Clocks of one machine.

Owns: wall time and boot time, both in milliseconds.
Does not own: judgements on time (`authority.time`), sleeping (`net.runner`).
Invariant: nothing else in the agent reads a clock.
"""

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Two readings: the wall may jump, boot time only advances (it counts suspended time too) until the next boot."""

    def wall_ms(self) -> int: ...

    def boot_ms(self) -> int: ...


class SystemClock:
    """The clocks of the kernel."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def boot_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class FixedClock:
    """A clock that advances only when told, for tests and simulated agents."""

    def __init__(self, wall_ms: int, boot_ms: int = 60_000) -> None:
        self._wall_ms = wall_ms
        self._boot_ms = boot_ms

    def wall_ms(self) -> int:
        return self._wall_ms

    def boot_ms(self) -> int:
        return self._boot_ms

    def advance(self, seconds: float) -> None:
        """Let real time pass: both clocks move."""
        self._wall_ms += int(seconds * 1000)
        self._boot_ms += int(seconds * 1000)

    def set_wall(self, wall_ms: int) -> None:
        """Turn the wall clock only, as a person or a bad time server would."""
        self._wall_ms = wall_ms

    def reboot(self) -> None:
        self._boot_ms = 1_000


def boot_id(root: Path = Path("/")) -> str:
    """Return the kernel's id of this boot, or `unknown` where there is none."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
