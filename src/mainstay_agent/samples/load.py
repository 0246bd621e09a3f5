"""Load, uptime, number of processes, and pressure (PSI)."""

from mainstay_agent.samples.readings import Readings, series


def parse_loadavg(text: str) -> Readings:
    one, five, fifteen, *_ = text.split()
    return {series("load1"): float(one), series("load5"): float(five), series("load15"): float(fifteen)}


def parse_uptime(text: str) -> Readings:
    return {series("uptime_s"): int(float(text.split()[0]))}


def count_processes(names: list[str]) -> Readings:
    return {series("processes"): sum(name.isdigit() for name in names)}


def parse_pressure(resource: str, text: str) -> Readings:
    """Return the share of the last 10 s in which some task waited for the resource."""
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            values = dict(field.split("=", 1) for field in fields)
            return {series(f"psi_{resource}_some_pct"): float(values["avg10"])}
    return {}
