"""The same journey when healing may not or cannot finish: each ends in an incident for a person, with the typed reason.

One installation for all of them, because starting one costs more than any of the stories. The order matters: what is used up stays used up.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstay.engines.layout import Layout
from tests.support.installation import Installation, Service, make_installation, remove_installation, wait_for

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.geteuid() != 0, reason="the root helper of this machine can be started by root only"),
]

NAMES = ("budgetd", "flapperd", "awayd", "frozend")


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Service]]:
    made = {name: Service(Path(f"/tmp/mainstay-journey-{name}-{os.getpid()}"), name) for name in NAMES}
    for service in made.values():
        service.start()
    yield made
    for service in made.values():
        subprocess.run(service.argv("stop"), check=False, timeout=20)


@pytest.fixture(scope="module")
def mainstay(services: dict[str, Service]) -> Iterator[Installation]:
    installation = make_installation("mainstay-refusal")
    installation.start()
    # One restart an hour on the device; the server's own limit is three, so the device is the first to say no.
    installation.trust_init(list(services.values()), budgets={"service.restart": {"per_hour": 1, "per_day": 6, "key": "unit"}})
    wait_for(lambda: _watched(installation, services), timeout_s=60, what="the watched services on the device")
    yield installation
    remove_installation(installation)


def _watched(mainstay: Installation, services: dict[str, Service]) -> bool | None:
    device = mainstay.items("devices")[0]
    seen = mainstay.json("device", device["id"])["units"]
    return True if all(seen.get(name) == "running" for name in services) else None


def incidents_of(mainstay: Installation, unit: str) -> list[dict[str, Any]]:
    return [row for row in mainstay.items("incidents") if unit in row["title"]]


def handed_over(mainstay: Installation, unit: str, *, timeout_s: float) -> str:
    """Wait for an incident about the unit that waits for a person, and return the typed reason."""

    def look() -> str | None:
        for row in incidents_of(mainstay, unit):
            timeline = mainstay.json("incident", row["id"])["timeline"] if row["status"] == "open" else []
            reasons = [entry["reason"] for entry in timeline if entry["type"] == "handed_over"]
            if reasons:
                return str(reasons[0])  # the newest stands first
        return None

    return wait_for(look, timeout_s=timeout_s, what=f"an incident about {unit} for a person; worker: {mainstay.process_log('worker')}")


def resolved(mainstay: Installation, unit: str) -> bool | None:
    return True if any(row["status"] == "resolved" for row in incidents_of(mainstay, unit)) else None


def test_a_service_that_dies_after_each_restart_goes_to_a_person(mainstay: Installation, services: dict[str, Service]) -> None:
    flapper = services["flapperd"]
    flapper.die_after(3)
    flapper.kill()

    reason = handed_over(mainstay, flapper.name, timeout_s=90)

    assert reason.split(".")[0] in {"relapsed", "verify_failed", "flapping"}


def test_a_used_up_budget_on_the_device_goes_to_a_person(mainstay: Installation, services: dict[str, Service]) -> None:
    service = services["budgetd"]
    service.kill()
    wait_for(lambda: resolved(mainstay, service.name), timeout_s=90, what="the first repair")
    wait_for(lambda: service.is_running() or None, timeout_s=10, what="the service")

    service.kill()

    assert handed_over(mainstay, service.name, timeout_s=90) == "refused_by_agent.budget"
    assert not service.is_running()


def test_an_agent_that_falls_silent_leaves_an_unknown_outcome_to_a_person(mainstay: Installation, services: dict[str, Service]) -> None:
    service, agent, helper = services["awayd"], mainstay.pid_of("agent"), mainstay.pid_of("helper")
    # The root half stands still before the service dies, so the command reaches nobody who could answer it.
    os.kill(helper, signal.SIGSTOP)
    try:
        service.kill()
        wait_for(lambda: incidents_of(mainstay, service.name) or None, timeout_s=60, what="the incident")
        os.kill(agent, signal.SIGSTOP)
        reason = handed_over(mainstay, service.name, timeout_s=200)
    finally:
        os.kill(helper, signal.SIGCONT)
        os.kill(agent, signal.SIGCONT)

    assert reason.split(".")[0] in {"unknown_outcome", "offline"}


def test_a_device_that_its_owner_froze_refuses_and_says_so(mainstay: Installation, services: dict[str, Service]) -> None:
    service = services["frozend"]
    frozen = Layout.from_environment(mainstay.environ).helper_socket.with_name("freeze")
    frozen.write_text("frozen by the test\n")
    service.kill()

    reason = handed_over(mainstay, service.name, timeout_s=90)

    assert reason in {"refused_by_agent.frozen", "frozen"}
