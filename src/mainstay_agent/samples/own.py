"""What the agent itself costs: resident memory and CPU time of its processes."""

import os

from mainstay_agent.samples.readings import Readings, Series, series

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def parse_rss(status: str) -> int | None:
    """Return resident bytes from /proc/<pid>/status."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


def parse_cpu_ms(stat: str) -> int:
    """Return CPU milliseconds used, reaped children included, from /proc/<pid>/stat.

    The name in parentheses may hold spaces and parentheses: fields are counted after the last one.
    """
    fields = stat.rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) * 1000 // _TICKS_PER_S


def cpu_counter(stat: str) -> dict[Series, int]:
    return {series("agent_cpu_pct"): parse_cpu_ms(stat)}


def as_pct(rates: Readings) -> Readings:
    """Turn milliseconds per second into per cent of one core."""
    return {name: None if value is None else round(value / 10, 2) for name, value in rates.items()}
