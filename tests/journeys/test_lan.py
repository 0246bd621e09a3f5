"""A second machine joins over TLS: pinned by its code, with no public name and no public authority."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, free_port, make_installation, remove_installation, wait_for

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def mainstay() -> Iterator[Installation]:
    installation = make_installation("mainstay-lan")
    installation.environ |= {"MAINSTAY_LAN": "true", "MAINSTAY_LAN_PORT": str(free_port()), "MAINSTAY_HOSTS": "localhost"}
    installation.start()
    yield installation
    remove_installation(installation)


def test_a_second_machine_joins_over_tls_and_reports(mainstay: Installation) -> None:
    url = f"https://localhost:{mainstay.environ['MAINSTAY_LAN_PORT']}"
    code = mainstay.json("do", "estate", "enrol", "code", "create")["code"]
    state = mainstay.root / "second"

    joined = agent(state, "join", url, "--code", code)
    assert joined.returncode == 0, joined.stdout + joined.stderr
    running = subprocess.Popen([sys.executable, "-m", "mainstay_agent", "run"], env=environ(state), stderr=subprocess.DEVNULL)
    try:
        seen = wait_for(lambda: both_seen(mainstay), timeout_s=60, what="two devices that report")
    finally:
        running.terminate()
        running.wait(30)

    assert len(seen) == 2


def test_a_code_that_was_used_joins_nobody_else(mainstay: Installation) -> None:
    url = f"https://localhost:{mainstay.environ['MAINSTAY_LAN_PORT']}"
    code = mainstay.json("do", "estate", "enrol", "code", "create")["code"]
    assert agent(mainstay.root / "third", "join", url, "--code", code).returncode == 0

    refused = agent(mainstay.root / "fourth", "join", url, "--code", code)

    assert refused.returncode == 3, refused.stdout + refused.stderr


def both_seen(mainstay: Installation) -> list[str] | None:
    seen = [row["seen"] for row in mainstay.items("devices") if row["seen"]]
    return seen if len(seen) == 2 else None


def environ(state: Path) -> dict[str, str]:
    return {**os.environ, "MAINSTAY_AGENT_STATE": str(state), "MAINSTAY_HELPER_SOCKET": str(state / "none.sock")}


def agent(state: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    state.mkdir(mode=0o700, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "mainstay_agent", *argv], env=environ(state), capture_output=True, text=True, timeout=60, check=False
    )
