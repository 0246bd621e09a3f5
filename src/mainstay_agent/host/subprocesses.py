"""Subprocesses of collectors: argv only, a plain locale, a time limit, an output limit.

Owns: how an outside tool is started, bounded and reported.
Does not own: the sandbox of actions (`authority.launch`), what output means (parsers).
Invariant: no tool runs longer than its limit or leaves more than the cap in memory, and none inherits our environment.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mainstay_agent.host.scratch import unnamed_file

TIMEOUT_S = 30
OUTPUT_BYTES_MAX = 8 * 1024 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {
    "LC_ALL": "C",
    "LANGUAGE": "",
    "PATH": PATH,
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "SYSTEMD_PAGER": "",
    "DEBIAN_FRONTEND": "noninteractive",
}


class ToolMissing(Exception):
    """The program is not installed."""


class ToolTimedOut(Exception):
    """The program was stopped at its time limit."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool left behind; `truncated` says that stdout was longer than the cap."""

    code: int
    stdout: str
    stderr: str = ""
    truncated: bool = False


class Executor(Protocol):
    """Starts tools. Raises ToolMissing, ToolTimedOut."""

    def run(self, argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Output: ...


class SystemExecutor:
    """Starts real processes, each in a group of its own so that a tool's children end with it."""

    def run(self, argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Output:
        # Files instead of pipes: a tool that floods its output can neither block nor fill our memory.
        with os.fdopen(unnamed_file(), "rb") as stdout, os.fdopen(unnamed_file(), "rb") as stderr:
            code = _run_to_files(argv, stdout.fileno(), stderr.fileno(), timeout_s)
            text, truncated = _head(stdout.fileno(), OUTPUT_BYTES_MAX)
            errors, _ = _head(stderr.fileno(), 64 * 1024)
        return Output(code, text, errors, truncated)


def _run_to_files(argv: Sequence[str], stdout: int, stderr: int, timeout_s: float) -> int:
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=_ENVIRONMENT, cwd="/", start_new_session=True
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as problem:
        raise ToolMissing(argv[0]) from problem
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired as problem:
        kill_group(process.pid)
        process.wait()
        raise ToolTimedOut(argv[0]) from problem


def kill_group(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a whole process group; one that is already gone is not an error."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _head(descriptor: int, limit: int) -> tuple[str, bool]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        data = stream.read(limit + 1)
    return data[:limit].decode("utf-8", "replace"), len(data) > limit
