"""Devices to attack: one pair of processes for the whole package, and a fresh one where an attack cannot be undone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.fakes import TENANT
from tests.journeys.compromised_server.device import Premises, Victim
from tests.journeys.compromised_server.people import People
from tests.journeys.compromised_server.thief import now


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="session")
def people() -> People:
    return People(TENANT, issued=now() - 3600)


@pytest.fixture(scope="session")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("premises") / "machine"
    yield Premises(folder)
    shutil.rmtree(folder)


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("the root half of the agent runs as root; without it see test_clocks.py, which drives its core in this process")


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory, premises: Premises, people: People) -> Iterator[Victim]:
    """A device after a genuine ceremony, whose server's key was rotated once."""
    needs_root()
    device = Victim(tmp_path_factory.mktemp("v") / "d", premises, people)
    device.take_rotated_keys()
    yield device
    device.stop()


@pytest.fixture
def newcomer(tmp_path_factory: pytest.TempPathFactory, people: People) -> Iterator[Victim]:
    """A device that has joined and to which no person has brought a root."""
    needs_root()
    device = Victim(tmp_path_factory.mktemp("n") / "d", Premises(tmp_path_factory.mktemp("n") / "machine"), people, has_root=False)
    yield device
    device.stop()


@pytest.fixture(autouse=True)
def honest_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test falsified is true for the next."""
    yield
    if "victim" in request.fixturenames:
        request.getfixturevalue("victim").server.tell_the_truth()
