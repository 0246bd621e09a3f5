"""What the installation weighs when it is idle with fifty devices: fifty real agent processes, each with keys of its own.

The agents run on this machine too, but they are not counted: they would run on the devices. They join one after the other,
and the scales wait until every first inventory is over.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
from tests.support.installation import Installation, make_installation, remove_installation, wait_for

from bench.figures import figure
from bench.journey import family, megabytes

NAMES = ("idle_rss_mb_50",)
DEVICES, SETTLE_S, IDLE_S = 50, 30, 60
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    installation = make_installation("mainstay-fleet")
    agents: list[subprocess.Popen[bytes]] = []
    try:
        installation.start()
        code = installation.json("do", "estate", "enrol", "code", "create", f"uses={DEVICES}")["code"]
        for number in range(DEVICES):
            agents.append(_join(installation, installation.root / "agents" / f"{number:02}", code))
        wait_for(lambda: _all_seen(installation), timeout_s=300, what="fifty devices", every_s=5)
        wait_for(lambda: _none_takes_facts(agents), timeout_s=300, what="the end of the first inventories", every_s=2)
        print(figure(NAMES[0], _weigh(installation), "MB"))
    finally:
        _end(agents)
        remove_installation(installation)
    return 0


def _join(installation: Installation, state: Path, code: str) -> subprocess.Popen[bytes]:
    state.mkdir(parents=True, mode=0o700)
    environ = {**os.environ, "MAINSTAY_AGENT_STATE": str(state), "MAINSTAY_HELPER_SOCKET": str(state / "no-helper.sock")}
    join = [sys.executable, "-m", "mainstay_agent", "join", installation.url, "--code", code]
    subprocess.run(join, env=environ, check=True, capture_output=True, timeout=60)
    # Behind the installation in the queue for the two cores: on the devices they would not stand in it at all.
    run = ["nice", "-n", "10", sys.executable, "-m", "bench.fleet_agent"]
    return subprocess.Popen(run, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _all_seen(installation: Installation) -> bool | None:
    seen = [row for row in installation.items("devices", "--limit", "200") if row.get("seen")]
    return True if len(seen) > DEVICES else None


def _none_takes_facts(agents: list[subprocess.Popen[bytes]]) -> bool | None:
    """Facts are taken in a process of their own, which ends with them."""
    dead = [agent.pid for agent in agents if agent.poll() is not None]
    if dead:
        raise AssertionError(f"{len(dead)} of {DEVICES} agents have ended by themselves")
    return None if any(psutil.Process(agent.pid).children() for agent in agents) else True


def _weigh(installation: Installation) -> list[float]:
    time.sleep(SETTLE_S)
    began, samples = time.monotonic(), []
    while time.monotonic() - began < IDLE_S:
        samples.append(megabytes(family(installation)))
        time.sleep(5)
    return samples


def _end(agents: list[subprocess.Popen[bytes]]) -> None:
    for agent in agents:
        agent.terminate()
    for agent in agents:
        try:
            agent.wait(10)
        except subprocess.TimeoutExpired:
            agent.kill()


if __name__ == "__main__":
    sys.exit(main())
