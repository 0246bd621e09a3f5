"""One process of ours, from its start to its end.

Owns: its log file, its process group, how it is asked to stop and then made to. Does not own: when (engines.supervisor).
Invariant: after `stop` nothing of its group is left, whatever the process did.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mainstay.kernel.errors import Unavailable

POLL_S = 0.02
_LOG_BYTES_MAX = 8 * 1024 * 1024
_TAIL_LINES = 3


class Child:
    """A started process. It leads a session of its own, so that Ctrl-C in a terminal reaches only the supervisor."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        _turn_over(log)
        with log.open("ab") as output:
            self._log_from = output.tell()
            self._popen = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def exit_code(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs."""
        return self._popen.poll()

    def send(self, number: int) -> None:
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    def stop(self, *, number: int = signal.SIGTERM, timeout_s: float = 10) -> int:
        """Ask it to end, make it end after the timeout, clear its group. Returns the exit code."""
        self.send(number)
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
        self.clear_group()
        return self._popen.wait()

    def clear_group(self) -> None:
        """End what the process left behind in its group (a web worker, for instance, would keep the port)."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def last_words(self) -> str:
        """Return the last lines that this run of the process wrote."""
        with self.log.open("rb") as file:
            file.seek(max(self._log_from, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return " / ".join(line.strip() for line in lines[-_TAIL_LINES:])


def wait_ready(child: Child, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait until a process answers. Errors: Unavailable("engines.process_not_ready") with its last words and its log."""
    end = time.monotonic() + timeout_s
    while not is_ready():
        code = child.exit_code()
        if code is not None or time.monotonic() > end:
            what = f"ended with code {code}" if code is not None else f"did not answer within {timeout_s:.0f} s"
            raise Unavailable(
                "engines.process_not_ready", f"{child.name} {what}: {child.last_words() or 'it said nothing'}; its log is {child.log}"
            )
        time.sleep(POLL_S)


def _turn_over(log: Path) -> None:
    """Keep one old log beside the new one, so that a process that fails in a loop cannot fill the disk."""
    try:
        if log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
    except FileNotFoundError:
        return
