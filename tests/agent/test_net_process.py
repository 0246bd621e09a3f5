"""Both halves as real processes against a server on loopback: join, observe, report a death, obey, report the result."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.host.clocks import SystemClock
from mainstay_trust import dsse, results
from tests.agent.conftest import authority_fingerprint
from tests.agent.fakes import FakeServer, Tenancy, service
from tests.agent.test_helper_process import SOURCE, WAIT_S, control, eventually, running, service_pid

__all__ = ["control", "running"]
HELD_S = 1.0


class Wire:
    """A `FakeServer` behind a real socket; polls are held for a moment, as a real server holds them."""

    def __init__(self, tenancy: Tenancy) -> None:
        self.fake = FakeServer(tenancy, SystemClock())
        self._changed = threading.Condition()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                wire._serve(self)

            do_GET = do_POST  # noqa: N815 the name that http.server calls

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = self.fake.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def command(self, delivery: dict[str, Any]) -> None:
        with self._changed:
            self.fake.commands.append(delivery)
            self._changed.notify_all()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(WAIT_S)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        wait_s = json.loads(body).get("wait_s", 0) if handler.path.endswith("/poll") else 0
        with self._changed:
            if wait_s:
                self._changed.wait_for(lambda: bool(self.fake.commands), min(wait_s, HELD_S))
            response = self.fake.send(handler.command, handler.path, body, dict(handler.headers.items()), 0)
        handler.send_response(response.status)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        handler.wfile.write(response.body)


@pytest.fixture
def wire(tenancy: Tenancy) -> Iterator[Wire]:
    tenancy.issued = int(time.time()) - 60
    wire = Wire(tenancy)
    yield wire
    wire.stop()


class Agent:
    def __init__(self, folder: Path, wire: Wire) -> None:
        self.wire = wire
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCE,
            "MAINSTAY_AGENT_STATE": str(folder / "agent"),
            "MAINSTAY_HELPER_SOCKET": str(folder / "helper.sock"),
            "MAINSTAY_FREEZE_FILE": str(folder / "freeze"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, *arguments: str) -> tuple[int, Any, str]:
        argv = [sys.executable, "-m", "mainstay_agent", *arguments, "--json"]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    def run(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "mainstay_agent", "run"], env=self.environment)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(WAIT_S)


@pytest.fixture
def agent(tmp_path: Path, wire: Wire) -> Iterator[Agent]:
    agent = Agent(tmp_path, wire)
    yield agent
    if agent.process is not None and agent.process.poll() is None:
        agent.process.kill()
        agent.process.wait()


def live_policy(tenancy: Tenancy, script: Path) -> None:
    """Let the fake tenant sign a policy that is valid by this machine's clock."""
    entry = service(start=[str(script), "start"], stop=[str(script), "stop"], status=[str(script), "status"], reload=None)
    made = tenancy.policy(services=[entry])
    tenancy.policy = lambda *_, **__: made  # type: ignore[method-assign] # one policy for this tenant from here on


def states(wire: Wire) -> list[str]:
    return [one["state"] for batch in wire.fake.stream("states") for one in batch]


def decisions(wire: Wire) -> list[str]:
    return [results.parse_result(dsse.from_json(one["envelope"]).payload).decision for one in wire.fake.results]


@pytest.mark.usefixtures("running")
def test_a_killed_service_is_reported_restarted_and_proven(agent, wire, tenancy, control) -> None:
    live_policy(tenancy, control)
    subprocess.run([str(control), "start"], check=True)
    code, joined, _ = agent.call("join", wire.url, "--code", str(wire.fake.code))
    assert (code, joined["helper"]) == (0, True)

    agent.run()
    eventually(lambda: states(wire) == ["running"], "the service is reported")
    pid = service_pid(control)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: states(wire) == ["running", "failed"], "its death is reported")

    now = int(time.time())
    wire.command(tenancy.deliver(replace(tenancy.command(), nbf=now - 60, exp=now + 600)))
    eventually(lambda: decisions(wire) == ["started", "done"], "the result is reported")
    eventually(lambda: states(wire)[-1] == "running", "its recovery is reported")
    assert service_pid(control) not in (None, pid)
    eventually(lambda: len({name for data in wire.fake.stream("facts") for name in data["groups"]}) >= 12, "facts are sent")
    assert agent.stop() == 0
    assert agent.call("log", "--verify")[1] == {"head": 2, "bad_index": None, "code": None}
    assert agent.call("status")[1]["agent"]["last_problem"] is None


def test_without_a_root_half_an_ordinary_agent_observes_and_refuses(agent, wire, tenancy, control) -> None:
    live_policy(tenancy, control)
    code, joined, _ = agent.call("join", wire.url, "--code", str(wire.fake.code))
    assert (code, joined["helper"]) == (0, False)

    agent.run()
    eventually(lambda: wire.fake.polls, "it polls")
    now = int(time.time())
    wire.command(tenancy.deliver(replace(tenancy.command(), nbf=now - 60, exp=now + 600)))
    eventually(lambda: decisions(wire) == ["refused"], "the refusal is reported")
    assert {"no_helper", "evidence_unprotected"} <= set(wire.fake.polls[0]["hb"]["diag"])
    assert service_pid(control) is None


def test_a_killed_agent_goes_on_where_it_was(agent, wire, tenancy) -> None:
    agent.call("join", wire.url, "--code", str(wire.fake.code))
    agent.run()
    eventually(lambda: len(wire.fake.polls) >= 2, "it polls")
    assert agent.process is not None
    agent.process.kill()
    agent.process.wait()
    before = wire.fake.polls[-1]["seq"]

    agent.run()

    eventually(lambda: wire.fake.polls[-1]["seq"] > before, "it polls on")
    numbers = [poll["seq"] for poll in wire.fake.polls]
    assert numbers == sorted(numbers)


@pytest.mark.usefixtures("running")
def test_root_trusts_by_fingerprint_and_leaves_with_a_last_word(agent, wire, tenancy) -> None:
    wire.fake.with_root = False
    agent.call("join", wire.url, "--code", str(wire.fake.code))

    assert agent.call("trust", "00" * 32)[0] == 3
    code, trusted, _ = agent.call("trust", authority_fingerprint(tenancy))
    assert (code, trusted["root_version"], trusted["policy_epoch"]) == (0, 1, 1)

    code, left, _ = agent.call("leave")
    assert (code, left["server_told"]) == (0, True)
    assert decisions(wire) == ["local"]
    assert agent.call("status")[0] == 4


def test_the_process_that_stays_carries_neither_an_authority_nor_the_command_line() -> None:
    code = "import sys, mainstay_agent.net.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=True)
    carried = set(done.stdout.split())

    assert "mainstay_agent.net.runner" in carried
    assert carried & {"mainstay_agent.authority.core", "mainstay_agent.net.enrolment", "mainstay_trust.policies"} == set()
    assert carried & {"argparse", "tempfile", "shutil"} == set()


def test_mistakes_at_the_keyboard_are_told_apart_by_their_exit_code(agent, wire) -> None:
    assert agent.call("status")[0] == 4
    assert agent.call("join", wire.url, "--code", "not a code")[0] == 6
    assert agent.call("join", wire.url, "--code", "4Q7K-0000-0000-0000-0000")[0] == 3
    assert agent.call("join", "http://192.0.2.1:1", "--code", str(wire.fake.code))[0] == 7
    assert agent.call("join", "http://127.0.0.1:1", "--code", str(wire.fake.code))[0] == 7


def test_diag_names_the_step_that_fails(agent, wire) -> None:
    agent.call("join", wire.url, "--code", str(wire.fake.code))
    code, diag, _ = agent.call("diag")
    assert (code, [check["check"] for check in diag["checks"] if not check["ok"]]) == (0, [])

    wire.fake.reply_signer = wire.fake.tenancy.server
    code, diag, _ = agent.call("diag")
    assert (code, [check["check"] for check in diag["checks"] if not check["ok"]]) == (7, ["signature"])


def test_a_local_freeze_is_a_file_that_root_makes_and_removes(agent, tmp_path) -> None:
    assert agent.call("freeze")[1]["frozen"] is True
    assert (tmp_path / "freeze").exists()
    assert agent.call("freeze", "--lift")[1]["frozen"] is False
