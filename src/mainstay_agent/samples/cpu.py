"""CPU time from /proc/stat.

Owns: shares of CPU time per mode, over all cores.
Invariant: waiting for a disk (iowait) is not use: `cpu_used_pct` leaves it out.
"""

from dataclasses import dataclass

from mainstay_agent.samples.readings import Readings, series

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_SHOWN = ("user", "nice", "system", "iowait", "steal")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Ticks since boot per mode, and what else /proc/stat tells."""

    ticks: tuple[int, ...]
    cpus: int
    running: int
    blocked: int

    @property
    def total(self) -> int:
        return sum(self.ticks)


def parse_stat(text: str) -> CpuTimes:
    """Parse /proc/stat. Guest time is inside user time already, so it is not counted again."""
    ticks: tuple[int, ...] = (0,) * len(_MODES)
    cpus = running = blocked = 0
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "cpu":
            values = [int(value) for value in rest.split()[: len(_MODES)]]
            ticks = tuple(values + [0] * (len(_MODES) - len(values)))
        elif name.startswith("cpu"):
            cpus += 1
        elif name == "procs_running":
            running = int(rest)
        elif name == "procs_blocked":
            blocked = int(rest)
    return CpuTimes(ticks, cpus, running, blocked)


def usage(before: CpuTimes | None, now: CpuTimes) -> Readings:
    """Return shares in per cent of all CPU time between two readings."""
    readings: Readings = {
        series("cpu_count"): now.cpus,
        series("processes_running"): now.running,
        series("processes_blocked"): now.blocked,
    }
    if before is None or now.total <= before.total:
        return readings
    span = now.total - before.total
    share = {mode: 100 * max(0, new - old) / span for mode, new, old in zip(_MODES, now.ticks, before.ticks, strict=True)}
    readings[series("cpu_used_pct")] = round(max(0.0, 100 - share["idle"] - share["iowait"]), 2)
    for mode in _SHOWN:
        readings[series("cpu_mode_pct", mode=mode)] = round(share[mode], 2)
    readings[series("cpu_mode_pct", mode="irq")] = round(share["irq"] + share["softirq"], 2)
    return readings
