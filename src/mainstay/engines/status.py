"""What runs: `run/status.json`, written by the supervisor, read by everybody.

Owns: the file and the supervisor's lock. Invariant: the file is replaced as a whole, and counts only while the lock is held.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, TypedDict

import psutil

from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Unavailable

State = Literal["starting", "running", "waiting", "stopped"]
_MIB = 1024 * 1024


class ProcessStatus(TypedDict):
    """One process. `since` is when this state began; `restarts` counts since the start of the installation."""

    name: str
    pid: int | None
    state: State
    restarts: int
    since: str
    rss_mb: float


class Status(TypedDict):
    """The whole installation, as `mainstay status --json` prints it."""

    ready: bool
    url: str
    processes: list[ProcessStatus]


@dataclass(frozen=True)
class Watched:
    """A process as the supervisor knows it."""

    name: str
    pid: int | None
    state: State
    restarts: int
    since: datetime


def write_status(layout: Layout, *, ready: bool, processes: Sequence[Watched]) -> None:
    """Replace the file."""
    rows = [asdict(one) | {"since": one.since.isoformat(timespec="seconds")} for one in processes]
    text = json.dumps({"ready": ready, "url": layout.url, "supervisor": os.getpid(), "processes": rows})
    fresh = layout.status_file.with_name(".status.json")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(layout.status_file)


def read_status(layout: Layout) -> Status:
    """Return the present state, with memory as the system counts it now. Not running: not ready, no processes."""
    if supervisor_pid(layout) is None:
        return {"ready": False, "url": layout.url, "processes": []}
    try:
        seen = json.loads(layout.status_file.read_text())
    except (OSError, ValueError):
        return {"ready": False, "url": layout.url, "processes": []}
    return {"ready": bool(seen["ready"]), "url": str(seen["url"]), "processes": [_row(**row) for row in seen["processes"]]}


def _row(name: str, pid: int | None, state: State, restarts: int, since: str) -> ProcessStatus:
    return {"name": name, "pid": pid, "state": state, "restarts": restarts, "since": since, "rss_mb": memory_mb(pid)}


def supervisor_pid(layout: Layout) -> int | None:
    """Return the process that holds the installation's lock, or None."""
    try:
        descriptor = os.open(layout.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(descriptor, 20, 0) or 0) or None
    finally:
        os.close(descriptor)
    return None


def take_lock(layout: Layout) -> int | None:
    """Take the installation's lock for the life of this process; None when another supervisor has it."""
    try:
        layout.run.mkdir(parents=True, exist_ok=True, mode=0o755)
        descriptor = os.open(layout.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        cause = f"{problem.filename} cannot be written ({problem.strerror})"
        raise Unavailable("engines.data_not_writable", f"{cause}; name another data folder in MAINSTAY_DATA", retryable=False) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def memory_mb(pid: int | None) -> float:
    """Return the memory of a process and its children. Shared pages count once where the system lets us see that (PSS)."""
    if pid is None:
        return 0.0
    try:
        leader = psutil.Process(pid)
        return round(sum(_bytes(one) for one in [leader, *leader.children(recursive=True)]) / _MIB, 1)
    except psutil.Error:
        return 0.0


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
