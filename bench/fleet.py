"""What the installation weighs when it is idle with fifty devices: fifty real agent processes, each with keys of its own.

The agents run on this machine too, but they are not counted: they would run on the devices.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.installation import Installation, make_installation, remove_installation, wait_for

from bench.figures import figure
from bench.journey import family, megabytes

NAMES = ("idle_rss_mb_50",)
DEVICES, IDLE_S = 50, 60


def main() -> int:
    installation = make_installation("mainstay-fleet")
    agents: list[subprocess.Popen[bytes]] = []
    try:
        installation.start()
        code = installation.json("do", "estate", "enrol", "code", "create", f"uses={DEVICES}")["code"]
        states = [installation.root / "agents" / f"{number:02}" for number in range(DEVICES)]
        agents = [_join(installation, state, code) for state in states]
        wait_for(lambda: _all_seen(installation), timeout_s=180, what="fifty devices", every_s=2)
        print(figure(NAMES[0], _weigh(installation), "MB"))
    finally:
        for agent in agents:
            agent.terminate()
        remove_installation(installation)
    return 0


def _join(installation: Installation, state: Path, code: str) -> subprocess.Popen[bytes]:
    state.mkdir(parents=True, mode=0o700)
    environ = {**os.environ, "MAINSTAY_AGENT_STATE": str(state), "MAINSTAY_HELPER_SOCKET": str(state / "no-helper.sock")}
    agent = [sys.executable, "-m", "mainstay_agent"]
    subprocess.run([*agent, "join", installation.url, "--code", code], env=environ, check=True, capture_output=True, timeout=60)
    return subprocess.Popen([*agent, "run"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _all_seen(installation: Installation) -> bool | None:
    return True if len(installation.items("devices", "--where", "n=200")) > DEVICES else None


def _weigh(installation: Installation) -> list[float]:
    time.sleep(30)
    began, samples = time.monotonic(), []
    while time.monotonic() - began < IDLE_S:
        samples.append(megabytes(family(installation)))
        time.sleep(5)
    return samples


if __name__ == "__main__":
    sys.exit(main())
