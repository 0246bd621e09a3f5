"""A whole installation as real processes, for journeys and crash tests.

Owns: a data folder of its own, free ports, `mainstay up` and `mainstay down`, the command line as a person calls it, and a small service to
watch. Everything is on loopback; every wait is bounded.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
PASSPHRASE = "a passphrase of the test and of nothing else"


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(look: Callable[[], T | None], *, timeout_s: float, what: str, every_s: float = 0.2) -> T:
    """Return the first answer of `look` that is not None. Fails, naming what was awaited, when the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s} s: {what}")


SERVICE_PROGRAM = """
import os, signal, socket, sys, time
folder, verb = sys.argv[1], sys.argv[2]
pid_file = os.path.join(folder, "service.pid")

def alive():
    try:
        pid = int(open(pid_file).read())
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        return pid if state != "Z" else None
    except (OSError, ValueError):
        return None

if verb == "status":
    sys.exit(0 if alive() else 3)
if verb == "stop":
    pid = alive()
    if pid:
        os.kill(pid, signal.SIGTERM)
    sys.exit(0)
if verb == "start":
    if alive():
        sys.exit(0)
    if os.fork():
        time.sleep(0.3)
        sys.exit(0 if alive() else 1)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if os.fork():
        os._exit(0)
    with open(pid_file, "w") as file:
        file.write(str(os.getpid()))
    dies_after = os.path.join(folder, "dies_after_s")
    server = socket.create_server(("127.0.0.1", int(open(os.path.join(folder, "port")).read())))
    server.settimeout(0.5)
    started = time.monotonic()
    while True:
        if os.path.exists(dies_after) and time.monotonic() - started > float(open(dies_after).read()):
            os._exit(1)
        try:
            server.accept()[0].close()
        except TimeoutError:
            pass
"""


@dataclass
class Service:
    """A small daemon that the policy defines by argv: start, stop, status."""

    folder: Path
    name: str
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "service.py").write_text(SERVICE_PROGRAM)
        (self.folder / "port").write_text(str(self.port))

    def argv(self, verb: str) -> list[str]:
        # The system's own interpreter: the service outlives the action that started it and belongs to nobody's environment.
        return [system_python(), str(self.folder / "service.py"), str(self.folder), verb]

    def policy(self) -> dict[str, Any]:
        """Return the service as the signed policy lists it."""
        return {
            "name": self.name,
            "manager": "argv",
            "unit": self.name,
            "start": self.argv("start"),
            "stop": self.argv("stop"),
            "status": self.argv("status"),
            "reload": None,
            "probe": None,
            "allow": ["start", "restart"],
            "devices": None,
            "user": None,
            "cwd": str(self.folder),
        }

    def start(self) -> None:
        subprocess.run(self.argv("start"), check=True, timeout=20)

    def is_running(self) -> bool:
        return subprocess.run(self.argv("status"), timeout=20, check=False).returncode == 0

    def kill(self) -> int:
        """Kill it as a crash would, and return the process id that died."""
        pid = int((self.folder / "service.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        return pid

    def die_after(self, seconds: float | None) -> None:
        """Let every start of the service end by itself after so many seconds; None heals it."""
        path = self.folder / "dies_after_s"
        path.unlink(missing_ok=True) if seconds is None else path.write_text(str(seconds))


def system_python() -> str:
    """Return an interpreter that every system user may run."""
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if os.access(candidate, os.X_OK):
            return candidate
    return sys.executable


class Installation:
    """`mainstay` with a data folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.port = free_port()
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("MAINSTAY_", "DJANGO_"))},
            "MAINSTAY_DATA": str(self.data),
            "MAINSTAY_PORT": str(self.port),
            "NO_COLOR": "1",
        }
        self.up: subprocess.Popen[bytes] | None = None
        self.ready_at = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, timeout_s: float = 120) -> float:
        """Run `mainstay up` until it says that it is ready. Returns the seconds that took."""
        began = time.monotonic()
        with (self.root / "up.log").open("ab") as log:
            self.up = subprocess.Popen(
                [sys.executable, "-m", "mainstay.cli", "up"], env=self.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_for(self._ready, timeout_s=timeout_s, what=f"mainstay up; its log ends with: {self.log_tail()}")
        self.ready_at = time.time()
        return time.monotonic() - began

    def _ready(self) -> bool | None:
        if self.up is not None and self.up.poll() is not None:
            raise AssertionError(f"mainstay up ended with {self.up.returncode}: {self.log_tail()}")
        return True if self.status().get("ready") else None

    def stop(self) -> None:
        """Stop in order, and see that nothing stays behind."""
        if self.up is None:
            return
        self.up.send_signal(signal.SIGTERM)
        try:
            self.up.wait(60)
        finally:
            if self.up.poll() is None:
                self.up.kill()
        self.up = None

    def log_tail(self, chars: int = 3000) -> str:
        path = self.root / "up.log"
        return path.read_text(errors="replace")[-chars:] if path.exists() else ""

    def process_log(self, name: str, chars: int = 3000) -> str:
        path = self.data / "log" / f"{name}.log"
        return path.read_text(errors="replace")[-chars:] if path.exists() else ""

    def run(
        self, *argv: str, stdin: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run `mainstay ...` as a person would."""
        done = subprocess.run(
            [sys.executable, "-m", "mainstay.cli", *argv],
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"mainstay {' '.join(argv)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def json(self, *argv: str) -> Any:
        """Run a command with `--json` and return what it printed."""
        return json.loads(self.run(*argv, "--json").stdout)

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json", check=False)
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}

    def pid_of(self, process: str) -> int:
        return next(int(one["pid"]) for one in self.status()["processes"] if one["name"] == process)

    def items(self, *argv: str) -> list[dict[str, Any]]:
        """Return the rows of a list command."""
        shown = self.json(*argv)
        return shown["items"] if isinstance(shown, dict) else shown

    def trust_init(self, services: Sequence[Service], *, budgets: Mapping[str, Any] | None = None) -> str:
        """Hold the guided ceremony without a person at the keyboard. Returns what it printed."""
        services_file = self.root / "services.json"
        services_file.write_text(json.dumps([one.policy() for one in services]))
        passphrase_file = self.root / "passphrase"
        passphrase_file.write_text(PASSPHRASE)
        passphrase_file.chmod(0o600)
        argv = ["trust", "init", "--keys", str(self.root / "offline.keys"), "--passphrase-file", str(passphrase_file)]
        argv += ["--holder", "Tara", "--services", str(services_file), "--yes"]
        if budgets is not None:
            budgets_file = self.root / "budgets.json"
            budgets_file.write_text(json.dumps(budgets))
            argv += ["--budgets", str(budgets_file)]
        return self.run(*argv).stdout


def make_installation(prefix: str) -> Installation:
    """Return an installation in a new folder that every system user may pass through."""
    root = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir="/tmp"))
    root.chmod(0o755)
    return Installation(root)


def remove_installation(installation: Installation) -> None:
    """Stop it and remove its folder."""
    installation.stop()
    shutil.rmtree(installation.root, ignore_errors=True)
