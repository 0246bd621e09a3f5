"""Order, restarts, refusals and the end of an installation. The processes are small programs; the supervision is the real one."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mainstay.engines.children import Child
from mainstay.engines.layout import Layout
from mainstay.engines.status import Status, read_status, supervisor_pid
from tests.support.engines import environment

# `up` with a plan of three programs; the third writes a line when it is asked to end, and "left" starts a child that would outlive it.
PROGRAM = """
import sys
from pathlib import Path
from mainstay.engines.accounts import launch_argv
from mainstay.engines.children import Child
from mainstay.engines.layout import Layout
from mainstay.engines.plan import Plan, Stage
from mainstay.engines.processes import Process
from mainstay.engines.supervisor import Supervisor
from mainstay.kernel.errors import MainstayError

layout = Layout.from_environment()
layout.log.mkdir(parents=True, exist_ok=True)
trace = layout.data / "trace"

CODE = '''
import signal, subprocess, sys, time
name, trace = sys.argv[1:3]
def end(*_):
    open(trace, "a").write(f"end {name}\\\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if name == "left":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if name == "broken":
    sys.exit("no such luck")
open(trace, "a").write(f"start {name}\\\\n")
while True:
    time.sleep(60)
'''

def process(name):
    return Process(name, launch_argv([sys.executable, "-c", CODE, name, str(trace)]), {"PATH": "/usr/bin:/bin"}, stop_s=5)

names = sys.argv[1].split(",")
stages = tuple(Stage(name, lambda name=name: f"{name} is there", (process(name),)) for name in names)
try:
    sys.exit(Supervisor(layout, lambda text: print(text, flush=True)).run(lambda: Plan(stages, lambda: "  Open here")))
except MainstayError as problem:
    print(problem.message, flush=True)
    sys.exit(problem.exit_code)
"""


class Up:
    """`up` in a process of its own."""

    def __init__(self, layout: Layout, names: str, port: int) -> None:
        self.layout = layout
        layout.data.mkdir(parents=True, exist_ok=True)
        self.popen = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), names],
            env=environment(layout) | {"MAINSTAY_PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, condition: Callable[[Status], bool]) -> Status:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            seen = read_status(self.layout)
            if condition(seen):
                return seen
            if self.popen.poll() is not None:
                pytest.fail(f"it ended: {self.popen.communicate()[0]}")
            select.select([], [], [], 0.05)
        pytest.fail(f"never so: {read_status(self.layout)}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.popen.send_signal(number)
        output, _ = self.popen.communicate(timeout=20)
        return self.popen.returncode, output


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(layout: Layout, port: int) -> Iterator[Callable[[str], Up]]:
    started: list[Up] = []

    def make(names: str) -> Up:
        started.append(Up(layout, names, port))
        return started[-1]

    yield make
    for up in started:
        if up.popen.poll() is None:
            up.popen.kill()
        up.popen.wait()
        if up.popen.stdout:
            up.popen.stdout.close()


def trace(layout: Layout) -> list[str]:
    path = layout.data / "trace"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def ready(seen: Status) -> bool:
    return seen["ready"]


def test_processes_start_in_order_and_stop_in_reverse(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("one,two,three")
    seen = up.until(ready)
    code, output = up.end()

    assert [(one["name"], one["state"], one["restarts"]) for one in seen["processes"]] == [
        (n, "running", 0) for n in ("one", "two", "three")
    ]
    assert trace(layout) == ["start one", "start two", "start three", "end three", "end two", "end one"]
    assert code == 0
    assert [line.split()[1] for line in output.splitlines() if "[ok]" in line] == ["one", "two", "three"]
    assert "Open here" in output
    assert supervisor_pid(layout) is None


def test_a_killed_process_comes_back_and_it_is_said_and_counted(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("one,two")
    before = up.until(ready)["processes"]

    os.kill(before[0]["pid"] or 0, signal.SIGKILL)
    after = up.until(lambda seen: ready(seen) and seen["processes"][0]["restarts"] == 1)["processes"]

    assert after[0]["pid"] != before[0]["pid"]
    assert after[1] | {"rss_mb": 0} == before[1] | {"rss_mb": 0}
    assert "one was ended by SIGKILL" in up.end()[1]


def test_what_a_process_left_behind_is_ended_before_it_starts_again(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("left")
    pid = up.until(ready)["processes"][0]["pid"]
    leftover = psutil.Process(pid).children()

    os.kill(pid or 0, signal.SIGKILL)
    up.until(lambda seen: ready(seen) and seen["processes"][0]["restarts"] == 1)

    assert psutil.wait_procs(leftover, timeout=5)[1] == []
    up.end()


def test_a_second_up_says_where_it_runs_and_leaves_it_alone(layout: Layout, start: Callable[[str], Up]) -> None:
    first = start("one")
    before = first.until(ready)["processes"][0]["pid"]

    second = start("one")
    output, _ = second.popen.communicate(timeout=20)

    assert second.popen.returncode == 0
    assert "already running at http://localhost:" in output
    assert first.until(ready)["processes"][0]["pid"] == before


def test_a_broken_step_stops_what_was_started_and_names_cause_and_log(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("one,broken,three")
    output, _ = up.popen.communicate(timeout=20)

    assert up.popen.returncode == 7
    assert f"broken ended with code 1: no such luck; its log is {layout.log_file('broken')}" in output
    assert trace(layout) == ["start one", "end one"]
    assert read_status(layout) == {"ready": False, "url": layout.url, "processes": []}


def test_a_port_in_use_is_refused_with_the_process_and_the_setting(layout: Layout, start: Callable[[str], Up], port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        up = start("one")
        output, _ = up.popen.communicate(timeout=20)

    assert up.popen.returncode == 7
    assert f"port {port} is used by {psutil.Process().name()} (process {os.getpid()})" in output
    assert "MAINSTAY_PORT" in output
    assert not (layout.data / "trace").exists()


def test_children_do_not_outlive_a_killed_supervisor(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("one,two")
    children = [psutil.Process(one["pid"]) for one in up.until(ready)["processes"]]

    up.end(signal.SIGKILL)

    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert supervisor_pid(layout) is None


def test_an_interrupt_during_the_start_stops_what_was_started(layout: Layout, start: Callable[[str], Up]) -> None:
    up = start("one,two,three")
    # The first one must have come as far as its own handler, or it ends without a word.
    up.until(lambda seen: any(one["name"] == "two" for one in seen["processes"]) and "start one" in trace(layout))

    code, _output = up.end(signal.SIGINT)

    assert code == 0
    assert "start three" not in trace(layout)
    assert trace(layout)[-1] == "end one"


def test_status_of_nothing_is_an_answer_and_exit_code_7(layout: Layout) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mainstay.cli", "status", "--json"], env=environment(layout), capture_output=True, text=True, check=False
    )

    assert done.returncode == 7
    assert json.loads(done.stdout) == {"ready": False, "url": "http://localhost:8080", "processes": []}


def test_the_log_of_a_process_keeps_its_last_words(tmp_path: Path) -> None:
    child = Child("talker", [sys.executable, "-c", "print('a\\nb\\nc\\nd')"], log=tmp_path / "talker.log", environment={})
    child.stop(number=0, timeout_s=20)

    assert child.last_words() == "b / c / d"
