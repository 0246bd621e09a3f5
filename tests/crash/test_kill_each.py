"""`kill -9` of each process in turn under load: what was acknowledged is there afterwards, and everything recovers without a hand."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.support.installation import Installation, make_installation, remove_installation, wait_for

pytestmark = pytest.mark.journey

# Every ten seconds, plus the seconds in which the agent itself was the one that died.
GAP_S_MAX = 30
PROCESSES = ("telemetry", "worker", "web", "agent", "helper", "postgres")


@pytest.fixture(scope="module")
def mainstay() -> Iterator[Installation]:
    installation = make_installation("mainstay-crash")
    installation.start()
    yield installation
    remove_installation(installation)


class Writer(threading.Thread):
    """Writes through the command line without pause and remembers what was acknowledged."""

    def __init__(self, mainstay: Installation) -> None:
        super().__init__(daemon=True)
        self._mainstay = mainstay
        self._over = threading.Event()
        self.acknowledged: list[str] = []
        self.refused = 0

    def run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            label = f"crash-{number}"
            done = self._mainstay.run("token", "create", label, "--json", check=False)
            if done.returncode == 0:
                self.acknowledged.append(label)
            else:
                self.refused += 1

    def finish(self) -> list[str]:
        self._over.set()
        self.join(60)
        return self.acknowledged


@pytest.mark.parametrize("process", PROCESSES)
def test_a_killed_process_comes_back_and_nothing_acknowledged_is_lost(mainstay: Installation, process: str) -> None:
    if process not in {one["name"] for one in mainstay.status()["processes"]}:
        pytest.skip(f"this installation runs no process {process}")
    writer = Writer(mainstay)
    writer.start()
    wait_for(lambda: writer.acknowledged or None, timeout_s=30, what="a first acknowledged write")
    died = mainstay.pid_of(process)

    os.kill(died, signal.SIGKILL)

    wait_for(lambda: _is_back(mainstay, process, died), timeout_s=60, what=f"{process} running again")
    acknowledged = writer.finish()
    labels = {row["label"] for row in wait_for(lambda: _tokens(mainstay), timeout_s=30, what="the list of tokens")}
    assert set(acknowledged) <= labels
    verified = mainstay.json("ledger", "verify")
    assert verified["ok"] is True, verified


def _is_back(mainstay: Installation, process: str, died: int) -> bool | None:
    status = mainstay.status()
    row = next((one for one in status.get("processes", []) if one["name"] == process), None)
    return True if status.get("ready") and row is not None and row["pid"] not in (None, died) and row["state"] == "running" else None


def _tokens(mainstay: Installation) -> list[dict[str, str]] | None:
    done = mainstay.run("token", "list", "--json", "--all", check=False)
    if done.returncode:
        return None
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def test_samples_of_the_whole_time_are_there_afterwards(mainstay: Installation) -> None:
    device = mainstay.items("devices")[0]["id"]

    def holes() -> list[tuple[int, int]]:
        chart = mainstay.json("do", "telemetry", "chart", "read", f"device_id={device}", "metric=cpu")
        instants = [int(mainstay.ready_at), *(at for at in _measured(chart) if at > mainstay.ready_at), int(time.time())]
        return [(earlier, later) for earlier, later in pairwise(instants) if later - earlier > GAP_S_MAX]

    wait_for(lambda: True if not holes() else None, timeout_s=90, what="a processor chart without a hole")
    assert holes() == []


def _measured(chart: dict[str, list[int]]) -> list[int]:
    """Return the instants at which a value was measured, in seconds."""
    lines = chart["series"]  # none at all while the engine has not been asked for this device since it came back
    values = lines[0]["values"] if lines else [None] * len(chart["t"])  # type: ignore[call-overload]  # JSON of the chart
    return [at for at, value in zip(chart["t"], values, strict=True) if value is not None]
