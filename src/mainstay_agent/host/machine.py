"""The machine behind one root folder.

Owns: reading small files under a root, and starting tools, as one object that collectors are given.
Does not own: what is read (`samples`, `facts`).
Invariant: a collector sees the machine only through this object, so that a recorded machine is as good as a real one.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from mainstay_agent.host.clocks import Clock, SystemClock
from mainstay_agent.host.subprocesses import TIMEOUT_S, Executor, Output, SystemExecutor

FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """Paths are relative to `root` and written without a leading slash."""

    root: Path = Path("/")
    executor: Executor = field(default_factory=SystemExecutor)
    clock: Clock = field(default_factory=SystemClock)
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)

    def path(self, name: str) -> Path:
        return self.root / name

    def read(self, name: str, limit: int = FILE_BYTES_MAX) -> str:
        """Return the start of a file as text. Errors: OSError as the system gives it."""
        with open(self.root / name, "rb") as stream:
            return stream.read(limit).decode("utf-8", "replace")

    def read_or_none(self, name: str) -> str | None:
        """Return a file's stripped text, or None when it is absent, empty or unreadable."""
        try:
            return self.read(name).strip() or None
        except OSError:
            return None

    def children(self, name: str) -> list[str]:
        """Return the names in a folder, sorted; nothing when it is absent or unreadable."""
        try:
            return sorted(os.listdir(self.root / name))
        except OSError:
            return []

    def run(self, *argv: str, timeout_s: float = TIMEOUT_S) -> Output:
        return self.executor.run(argv, timeout_s=timeout_s)
