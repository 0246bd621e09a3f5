"""The root half as a real process on a real socket, healing a real service that was killed with `kill -9`."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mainstay_agent.helper.client import HelperClient
from mainstay_agent.helper.frames import REQUEST_BYTES_MAX
from mainstay_trust import dsse, results
from mainstay_trust.errors import Rejected
from tests.agent.conftest import authority_fingerprint
from tests.agent.fakes import Tenancy, service

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
WAIT_S = 20.0

CONTROL = """#!/usr/bin/env python3
import os, signal, subprocess, sys, time
folder, verb = os.path.dirname(os.path.abspath(__file__)), sys.argv[1]
pid_file = folder + "/pid"

def pid():
    try:
        number = int(open(pid_file).read())
        return number if open(f"/proc/{number}/stat").read().rpartition(")")[2].split()[0] not in "ZX" else None
    except (OSError, ValueError):
        return None

if verb == "start":
    if pid() is None:
        child = subprocess.Popen([sys.executable, "-c", "import time\\nwhile True: time.sleep(60)"], start_new_session=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open(pid_file, "w").write(str(child.pid))
elif verb == "stop":
    if pid() is not None:
        os.kill(pid(), signal.SIGTERM)
elif verb == "status":
    print(f"running (pid {pid()})" if pid() else "not running")
    sys.exit(0 if pid() else 1)
"""


def eventually(what: Callable[[], Any], said: str) -> Any:
    """Wait for a real process, within bounds."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {said}")


class RunningHelper:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = HelperClient(folder / "helper.sock")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCE,
            "MAINSTAY_HELPER_STATE": str(self.folder / "state"),
            "MAINSTAY_HELPER_SOCKET": str(self.folder / "helper.sock"),
            "MAINSTAY_FREEZE_FILE": str(self.folder / "freeze"),
        }
        process = subprocess.Popen([sys.executable, "-m", "mainstay_agent.helper"], env=environment, cwd=self.folder)
        eventually(self.client.is_there, "the root half answers")
        return process

    def kill_and_restart(self) -> None:
        """Kill the process that works, then the one that waits."""
        serving = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, serving):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(WAIT_S)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningHelper]:
    helper = RunningHelper(tmp_path)
    yield helper
    if helper.process.poll() is None:
        helper.process.kill()
        helper.process.wait()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Path]:
    """A service without a service manager: a script that starts, stops and asks after a daemon."""
    folder = tmp_path / "service"
    folder.mkdir()
    script = folder / "ctl"
    script.write_text(CONTROL)
    script.chmod(0o755)
    yield script
    pid = service_pid(script)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def service_pid(script: Path) -> int | None:
    try:
        pid = int((script.parent / "pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return pid if state not in "ZX" else None


def trust(running: RunningHelper, tenancy: Tenancy, script: Path) -> None:
    """Enrol the running root half with a policy that defines the service. The clock is the machine's own."""
    tenancy.issued = int(time.time()) - 60
    entry = service(start=[str(script), "start"], stop=[str(script), "stop"], status=[str(script), "status"], reload=None)
    policy = tenancy.policy(services=[entry])
    root = tenancy.root()
    running.client.ask("docs", {"op": "enrol", "receipt": tenancy.receipt(with_root=False)})
    running.client.ask(
        "docs", {"op": "adopt", "fingerprint": authority_fingerprint(tenancy), "roots": [root.as_json()], "policy": policy.as_json()}
    )


def submit(running: RunningHelper, tenancy: Tenancy, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    command = replace(tenancy.command(), nbf=now - 60, exp=now + 600, **changes)
    answer = running.client.ask("submit", {"delivery": tenancy.deliver(command)})
    tenancy.held = answer["checkpoint"]["size"]  # type: ignore[index,call-overload,assignment]
    return dict(answer)


def decisions(running: RunningHelper) -> list[str]:
    page = running.client.ask("log", {"all": True})["results"]
    return [results.parse_result(dsse.from_json(one["envelope"]).payload).decision for one in page]  # type: ignore[union-attr,index,call-overload]


def test_a_killed_service_is_brought_back_by_a_signed_command_and_outlives_the_action(running, tenancy, control) -> None:
    trust(running, tenancy, control)
    subprocess.run([str(control), "start"], check=True)
    first = eventually(lambda: service_pid(control), "the service runs")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: service_pid(control) is None, "the service is dead")

    assert submit(running, tenancy)["decision"] == "started"
    eventually(lambda: decisions(running) == ["started", "done"], "the restart has ended")

    second = service_pid(control)
    assert second is not None
    assert second != first
    running.kill_and_restart()
    assert service_pid(control) == second
    assert running.client.ask("log", {"verify": True})["code"] is None


def test_a_running_service_is_restarted_as_a_new_process(running, tenancy, control) -> None:
    trust(running, tenancy, control)
    subprocess.run([str(control), "start"], check=True)
    first = service_pid(control)

    submit(running, tenancy)
    eventually(lambda: decisions(running) == ["started", "done"], "the restart has ended")

    assert service_pid(control) not in (None, first)


def test_a_service_that_does_not_come_up_is_a_failed_result(running, tenancy, tmp_path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho password=hunter2\nexit 1\n")
    broken.chmod(0o755)
    trust(running, tenancy, broken)

    submit(running, tenancy)
    eventually(lambda: decisions(running) == ["started", "failed"], "the restart has failed")


def test_a_killed_root_half_forgets_nothing_that_it_said(running, tenancy, control) -> None:
    trust(running, tenancy, control)
    now = int(time.time())
    command = replace(tenancy.command(), nbf=now - 60, exp=now + 600)
    delivery = tenancy.deliver(command)
    running.client.ask("submit", {"delivery": delivery})
    eventually(lambda: "done" in decisions(running), "the restart has ended")
    before = decisions(running)

    running.kill_and_restart()

    assert decisions(running) == before
    assert running.client.ask("submit", {"delivery": delivery})["code"] == "replayed"


def raw(running: RunningHelper, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(WAIT_S)
        connection.connect(str(running.client.path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (struct.pack(">I", REQUEST_BYTES_MAX + 1) + b"{}", b"too_large"),
        (struct.pack(">I", 0xFFFFFFFF), b"too_large"),
        (struct.pack(">I", 0), b"too_large"),
        (b"\x00", b"bad_frame"),
        (struct.pack(">I", 100) + b"{}", b"bad_frame"),
        (struct.pack(">I", 9) + b"not json!", b"bad_json"),
        (struct.pack(">I", 17) + b'{"a":1,"a":2,"b":', b"bad_json"),
        (struct.pack(">I", 15) + b'{"a":1,"a":"2"}', b"bad_json"),
        (struct.pack(">I", 60000) + b"[" * 60000, b"bad_json"),
        (struct.pack(">I", 25) + b'{"verb":"exec","body":{}}', b"unknown_verb"),
        (struct.pack(">I", 24) + b'{"verb":"submit","b":{}}', b"bad_request"),
    ],
)
def test_a_malformed_frame_is_refused_and_the_next_peer_is_served(running, data, code) -> None:
    assert code in raw(running, data)
    assert running.client.ask("query", {})["policy_epoch"] == 0


def test_the_socket_and_the_state_belong_to_their_owner_alone(running, tmp_path) -> None:
    assert oct((tmp_path / "helper.sock").stat().st_mode & 0o777) == "0o660"
    assert oct((tmp_path / "state").stat().st_mode & 0o777) == "0o700"
    assert oct((tmp_path / "state" / "evidence.key").stat().st_mode & 0o777) == "0o600"


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_a_user_who_is_not_the_agents_is_turned_away(running, tmp_path) -> None:
    (tmp_path / "helper.sock").chmod(0o666)
    tmp_path.chmod(0o755)

    assert code_for_user(65534, tmp_path) == "not_trusted"


def code_for_user(uid: int, folder: Path) -> str:
    """Ask as another user: a forked child, because that user may not be able to start our interpreter."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.setuid(uid)
        try:
            HelperClient(Path("helper.sock")).ask("query", {})
            os.write(writing, b"let in")
        except (Rejected, ConnectionError) as refusal:
            os.write(writing, str(getattr(refusal, "code", refusal)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        return stream.read().decode()


def test_while_nobody_calls_the_root_half_is_a_small_process_that_only_waits(tmp_path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "MAINSTAY_HELPER_SOCKET": str(tmp_path / "helper.sock")}
    waiting = subprocess.Popen([sys.executable, "-m", "mainstay_agent.helper"], env=environment)
    try:
        eventually((tmp_path / "helper.sock").exists, "the socket is there")
        assert Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children").read_text() == ""
        mapped = Path(f"/proc/{waiting.pid}/maps").read_text()
        assert not any(library in mapped for library in ("sqlite", "sodium", "libssl"))
    finally:
        waiting.terminate()
        assert waiting.wait(WAIT_S) == 0


def test_a_root_half_that_is_asked_to_stop_ends_in_good_order(running) -> None:
    assert running.stop() == 0
    assert not running.client.is_there()


def test_nobody_listening_is_an_error_and_not_an_empty_answer(tmp_path) -> None:
    with pytest.raises(ConnectionError, match="does not answer"):
        HelperClient(tmp_path / "none.sock").ask("query", {})


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        struct.pack(">I", 100) + b'{"answer"',
        struct.pack(">I", 9) + b"not json!",
        struct.pack(">I", 48) + b'{"error":{"code":"internal","detail":"OSError"}}',
    ],
)
def test_a_root_half_that_breaks_off_has_refused_nothing(tmp_path, answer) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "half.sock"))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        killed = threading.Thread(target=serve)
        killed.start()
        with pytest.raises(ConnectionError):
            HelperClient(tmp_path / "half.sock").ask("query", {})
        killed.join(WAIT_S)


def test_a_root_half_that_has_lost_its_parent_before_it_was_ready_ends_at_once(tmp_path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "half.sock"))
        listener.listen(1)
        environment = {
            "PYTHONPATH": SOURCE,
            "MAINSTAY_HELPER_STATE": str(tmp_path / "state"),
            "MAINSTAY_HELPER_SOCKET": str(tmp_path / "half.sock"),
        }
        argv = [sys.executable, "-m", "mainstay_agent.helper.serve", "--parent", "1"]
        code = f"import os; os.dup2({listener.fileno()}, 3); os.execv({sys.executable!r}, {argv!r})"
        orphan = subprocess.Popen([sys.executable, "-c", code], env=environment, pass_fds=(listener.fileno(),))

        assert orphan.wait(WAIT_S) == 0


def test_facts_are_collected_with_roots_eyes(running) -> None:
    answer = running.client.ask("collect", {"groups": ["kernel"]})

    assert answer["exit"] == 0
    assert '"group":"kernel"' in str(answer["output"])
    with pytest.raises(Rejected, match="bad_request"):
        running.client.ask("collect", {"groups": "kernel"})
