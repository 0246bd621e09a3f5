"""From a killed service to its alert and to its repair, on a running installation with default settings; as root.

Also what the installation weighs when it is idle, and how long a warm start takes to the first value. Prints one line per figure.
`idle_rss_mb_1` adds proportional set sizes, so that pages that PostgreSQL's processes share count once; `agent_rss_mb` adds resident sizes.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime

import psutil
from tests.support.installation import Installation, Service, make_installation, remove_installation, wait_for

from bench.figures import figure

ROUNDS = 3
IDLE_S = 60
SETTLE_S = 60  # the first inventory is over by then
NAMES = ("kill_to_alert_s", "kill_to_healed_s", "first_value_warm_s", "idle_rss_mb_1", "agent_rss_mb", "agent_cpu_pct")


def main() -> int:
    """Measure on one installation; three kills, because the default budget allows three restarts in an hour."""
    if os.geteuid() != 0:
        print("the journey needs the root helper: run it as root", file=sys.stderr)
        return 1
    installation = make_installation("mainstay-bench")
    # One service a round: a second fault of the same one would reopen its incident, and count a shorter way.
    services = [Service(installation.root / name, name) for name in ("bench-a", "bench-b", "bench-c")]
    try:
        for service in services:
            service.start()
        installation.start()
        installation.trust_init(services)
        idle, agent, cpu = _weigh(installation)
        alerts, heals = _kills(installation, services)
        installation.stop()
        warm = [_warm_start(installation) for _ in range(ROUNDS)]
        for name, values, unit in (
            ("kill_to_alert_s", alerts, "s"),
            ("kill_to_healed_s", heals, "s"),
            ("first_value_warm_s", warm, "s"),
            ("idle_rss_mb_1", idle, "MB"),
            ("agent_rss_mb", agent, "MB"),
            ("agent_cpu_pct", cpu, "% of a core"),
        ):
            print(figure(name, values, unit))
    finally:
        for service in services:
            service.die_after(0)
        remove_installation(installation)
    return 0


def _kills(installation: Installation, services: list[Service]) -> tuple[list[float], list[float]]:
    alerts, heals = [], []
    for service in services:
        time.sleep(5)  # a benchmark may wait: the next round begins from a settled state
        killed = time.time()
        service.kill()
        incident = wait_for(lambda name=service.name: _about(installation, name), timeout_s=60, what="an incident", every_s=0.1)
        alerts.append(_instant(incident["started"]) - killed)
        done = wait_for(lambda one=incident["id"]: _resolved(installation, one), timeout_s=90, what="a resolution", every_s=0.1)
        heals.append(_instant(done["resolved"]) - killed)
    return alerts, heals


def _about(installation: Installation, name: str) -> dict[str, str] | None:
    return next((row for row in installation.items("incidents") if name in row["title"]), None)


def _resolved(installation: Installation, incident_id: str) -> dict[str, str] | None:
    return next((row for row in installation.items("incidents") if row["id"] == incident_id and row["status"] == "resolved"), None)


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _weigh(installation: Installation) -> tuple[list[float], list[float], list[float]]:
    """Return megabytes of everything, those of the agent's halves, and the agent's share of a core, over a quiet minute."""
    time.sleep(SETTLE_S)
    before, began = _cpu_s(_agents(installation)), time.monotonic()
    samples = []
    while time.monotonic() - began < IDLE_S:
        # The agent's halves share little with anybody else, so theirs is the plain resident size.
        samples.append(
            (
                megabytes(family(installation)),
                sum(_of(one, lambda process: process.memory_info().rss) for one in _agents(installation)) / 1e6,
            )
        )
        time.sleep(5)
    used = _cpu_s(_agents(installation)) - before
    return [one for one, _ in samples], [one for _, one in samples], [100 * used / (time.monotonic() - began)]


def _agents(installation: Installation) -> list[psutil.Process]:
    """Return both halves of the agent, with the part of the root half that runs only while it is asked."""
    halves = [psutil.Process(installation.pid_of(name)) for name in ("agent", "helper")]
    return [*halves, *(child for half in halves for child in half.children(recursive=True))]


def family(installation: Installation) -> list[psutil.Process]:
    assert installation.up is not None
    supervisor = psutil.Process(installation.up.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def megabytes(processes: list[psutil.Process]) -> float:
    """Return the proportional set size: pages that PostgreSQL's processes share count once, not once each."""
    return sum(_of(process, lambda one: one.memory_full_info().pss) for process in processes) / 1e6


def _cpu_s(processes: list[psutil.Process]) -> float:
    # A child that has ended is counted with its parent; one that lives is in the list itself.
    return sum(_of(process, lambda one: sum(one.cpu_times()[:4])) for process in processes)


def _of(process: psutil.Process, read: Callable[[psutil.Process], float]) -> float:
    try:
        return read(process)
    except psutil.NoSuchProcess:
        return 0.0


def _warm_start(installation: Installation) -> float:
    """Return the seconds from `mainstay up` over existing data to the first fresh sample of this machine."""
    began = time.time()
    installation.start()
    wait_for(lambda: _fresh(installation, began), timeout_s=60, what="a value of this machine", every_s=0.1)
    took = time.time() - began
    installation.stop()
    return took


def _fresh(installation: Installation, began: float) -> bool | None:
    rows = installation.items("devices")
    return True if any(row.get("seen") and _instant(row["seen"]) > began for row in rows) else None


if __name__ == "__main__":
    sys.exit(main())
