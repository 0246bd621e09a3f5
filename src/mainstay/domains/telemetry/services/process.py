"""The recorder of one process: its spool, the thread that empties it, the tables it made sure of.

Owns: claiming a spool folder, so that two processes never write one. Does not own: when a process starts (its edge does).
"""

import fcntl
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, close_old_connections, connection

from mainstay.domains.telemetry.models.engine import Engine
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.rules import tiers
from mainstay.domains.telemetry.services.drain import Drainer, State
from mainstay.domains.telemetry.services.health import Reporter
from mainstay.domains.telemetry.services.rollups import mark_late
from mainstay.domains.telemetry.services.schema import apply_schema
from mainstay.domains.telemetry.services.spool import Spool
from mainstay.kernel.clock import SystemClock
from mainstay.kernel.errors import MainstayError, Unavailable

FOLDERS_MAX = 16
_SCHEMA_RETRY_S = 1.0

log = logging.getLogger(__name__)


@dataclass
class Recorder:
    """Takes records until it is stopped."""

    spool: Spool
    lock_file: int
    threads: list[threading.Thread] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Put everything that was accepted on disk, try once more to hand it on, and let the folder go."""
        self.stopping.set()
        self.spool.close()
        for thread in self.threads:
            thread.join(timeout=10)
        os.close(self.lock_file)


_current: Recorder | None = None
_starting = threading.Lock()


def start_recorder(folder: Path) -> Recorder:
    """Start this process's recorder below a folder, or return the running one."""
    global _current
    with _starting:
        if _current is None:
            _current = _start(folder)
        return _current


def recorder() -> Recorder:
    """Return the running recorder. Errors: Unavailable before its start."""
    if _current is None:
        raise Unavailable("telemetry.not_started", "This process takes no signals yet; send them again in a moment.")
    return _current


def stop_recorder() -> None:
    """Stop this process's recorder."""
    global _current
    with _starting:
        if _current is not None:
            _current.stop()
        _current = None


def _start(folder: Path) -> Recorder:
    path, lock_file = _claim(folder)
    spool = Spool(path)
    recovery = spool.start()
    if recovery.cut_bytes or recovery.quarantined:
        log.warning("spool %s: cut %d bytes at the tail, set aside %s", path, recovery.cut_bytes, list(recovery.quarantined))
    made = Recorder(spool, lock_file)
    reporter = Reporter(spool, f"{folder.name}/{path.name}", SystemClock())
    thread = threading.Thread(target=_drain, args=(spool, engine(), reporter, made.stopping), name="spool-drain", daemon=True)
    made.threads.append(thread)
    thread.start()
    return made


def _drain(spool: Spool, sink: Engine, reporter: Reporter, stop: threading.Event) -> None:
    while not stop.is_set() and (trouble := _make_tables(sink)):
        reporter.tell(State(away=trouble))
        stop.wait(_SCHEMA_RETRY_S)

    def tell(state: State) -> None:
        reporter.tell(state, drainer.lag_rows())
        close_old_connections()

    drainer = Drainer(spool, sink, tell, _note_late)
    drainer.run(stop)


def _note_late(windows: Sequence[int]) -> None:
    """Mark the hours whose rollups were computed before these samples came. Errors: Unavailable while the database is away."""
    clock = SystemClock()
    now = int(clock.now().timestamp())
    late = {tiers.hour_of(window) for window in windows if tiers.is_late(window, now=now)}
    if not late:
        return
    try:
        mark_late(late, clock=clock)
    except DatabaseError as error:
        connection.close()
        raise Unavailable("telemetry.late_unmarked", "The database does not answer; late samples wait for it.") from error


def _make_tables(sink: Engine) -> str:
    """Make sure of the engine's tables; return what is in the way, or nothing."""
    try:
        apply_schema(sink, SystemClock())
    except (MainstayError, DatabaseError) as error:
        connection.close()
        return str(error) or "the telemetry engine does not answer"
    finally:
        close_old_connections()
    return ""


def _claim(folder: Path) -> tuple[Path, int]:
    """Take the first folder that no living process holds; a lock ends with its process, however that ends."""
    for number in range(FOLDERS_MAX):
        path = folder / str(number)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return path, descriptor
    raise Unavailable("telemetry.spool_taken", f"All spool folders below {folder} are in use; is an old process still running?")
