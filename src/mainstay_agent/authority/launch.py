"""Starting actions as separate short-lived programs (rule P5).

Owns: the table of programs that are built, their limits in time and output, the process in which they run.
Does not own: what an action does (`actions`), whether it may (`core`).
Invariant: an action gets argv, its parameters on standard input and nothing else: no shell, no environment of ours, no open file of ours.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from mainstay_agent.host import scratch
from mainstay_agent.host.redaction import redact
from mainstay_agent.host.subprocesses import PATH, kill_group

OUTPUT_BYTES_HALF = 128 * 1024
TERM_GRACE_S = 10.0
_PACKAGES = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Program:
    """A module of `mainstay_agent.actions` with its arguments; `properties` shape its systemd unit.

    Facts are not redacted as text (that would break their JSON): their collectors redact what may hold a secret.
    """

    module: str
    args: tuple[str, ...] = ()
    timeout_s: float = 60.0
    properties: tuple[str, ...] = ("ProtectSystem=strict", "PrivateTmp=yes")
    output_bytes_half: int = OUTPUT_BYTES_HALF
    is_redacted: bool = True


_CHANGES_SERVICES = ("KillMode=process",)  # a daemon that a script starts must survive the unit that started it

PROGRAMS: Mapping[str, Program] = {
    "facts.collect": Program("facts", timeout_s=120, is_redacted=False),
    "logs.tail": Program("logs"),
    "proc.list": Program("processes"),
    "net.sockets": Program("sockets"),
    "disk.usage": Program("disk", timeout_s=120),
    "probe.tcp": Program("probe", timeout_s=40),
    "service.status": Program("service", ("status",), properties=_CHANGES_SERVICES),
    "service.start": Program("service", ("start",), 150, _CHANGES_SERVICES),
    "service.restart": Program("service", ("restart",), 150, _CHANGES_SERVICES),
    "service.reload": Program("service", ("reload",), 150, _CHANGES_SERVICES),
    "time.sync": Program("clock", timeout_s=120, properties=()),
    "journal.vacuum": Program("journal", timeout_s=120, properties=()),
    "tmp.clean": Program("temporary", timeout_s=120, properties=()),
    "cache.clear": Program("cache", timeout_s=120, properties=()),
}
# The inventory goes into the spool and not into a result: it may be longer.
INVENTORY = replace(PROGRAMS["facts.collect"], output_bytes_half=512 * 1024)
INTERNAL = frozenset({"run.query", "agent.diag", "freeze", "agent.restart"})
BUILT = frozenset(PROGRAMS) | INTERNAL


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. `exit` is negative for a signal; `is_killed` means that our time limit ended it."""

    exit: int
    output: bytes
    is_truncated: bool = False
    is_killed: bool = False


class Launcher(Protocol):
    """Runs one program to its end."""

    def launch(self, program: Program, request: Mapping[str, object]) -> Outcome: ...


@dataclass(slots=True)
class ProcessLauncher:
    """Runs programs as processes: below systemd where it runs, else in a process group of their own."""

    has_systemd: bool = field(default_factory=lambda: Path("/run/systemd/system").is_dir() and os.geteuid() == 0)

    def launch(self, program: Program, request: Mapping[str, object]) -> Outcome:
        with (
            scratch.folder() as folder,
            os.fdopen(scratch.unnamed_file(), "rb") as output,
            os.fdopen(scratch.unnamed_file(), "r+b") as given,
        ):
            given.write(json.dumps(request).encode())
            given.seek(0)
            exit_code, is_killed = self._run(self._argv(program), folder, given.fileno(), output.fileno(), program.timeout_s)
            data, is_truncated = head_and_tail(output.fileno(), program.output_bytes_half)
        return Outcome(exit_code, redact(data) if program.is_redacted else data, is_truncated, is_killed)

    @property
    def weaknesses(self) -> list[str]:
        """Name what is weaker than rule P5 wants on this machine."""
        return [] if self.has_systemd else ["actions_without_cgroup_limits", "actions_without_private_filesystem"]

    def _argv(self, program: Program) -> list[str]:
        # -s and -P: neither a user's site folder nor the working folder may add modules to a program that runs as root.
        own = [sys.executable, "-s", "-P", "-S", "-m", f"mainstay_agent.actions.{program.module}", *program.args]
        if not self.has_systemd:
            return own
        limits = ["MemoryMax=256M", "CPUQuota=50%", "TasksMax=64", f"RuntimeMaxSec={int(program.timeout_s)}", "TimeoutStopSec=10"]
        properties = [f"--property={one}" for one in (*limits, *program.properties)]
        environment = [f"--setenv={name}={value}" for name, value in _environment().items()]
        return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec", *properties, *environment, "--", *own]

    def _run(self, argv: list[str], folder: str, given: int, output: int, timeout_s: float) -> tuple[int, bool]:
        process = subprocess.Popen(
            argv, stdin=given, stdout=output, stderr=output, env=_environment(), cwd=folder, start_new_session=True, close_fds=True
        )
        try:
            return process.wait(timeout_s), False
        except subprocess.TimeoutExpired:
            return _stop(process), True


def head_and_tail(descriptor: int, half: int = OUTPUT_BYTES_HALF) -> tuple[bytes, bool]:
    """Return a file's content, or its first and last part with a line between them that names what is missing."""
    size = os.fstat(descriptor).st_size
    if size <= 2 * half:
        return os.pread(descriptor, size, 0), False
    gap = f"\n[{size - 2 * half} bytes left out]\n".encode()
    return os.pread(descriptor, half, 0) + gap + os.pread(descriptor, half, size - half), True


def _stop(process: subprocess.Popen[bytes]) -> int:
    kill_group(process.pid, signal.SIGTERM)
    try:
        return process.wait(TERM_GRACE_S)
    except subprocess.TimeoutExpired:
        kill_group(process.pid, signal.SIGKILL)
        return process.wait()


def _environment() -> dict[str, str]:
    return {"PATH": PATH, "LC_ALL": "C", "PYTHONPATH": _PACKAGES, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent", "TZ": "UTC"}
