"""Bringing a backup back onto an empty place.

Owns: the order, the comparison of what came back with what was sealed, and clearing up after a failure.
Does not own: starting afterwards (`mainstay up`), or an engine of the owner's, which keeps what was loaded into it before an error.
Invariant: after an error the data folder is as empty as before.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, accounts_of_this_machine, ensure_system_users
from mainstay.engines.backup import archive, database
from mainstay.engines.backup.record import remember
from mainstay.engines.backup.telemetry import Table, Telemetry, telemetry
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.clickhouse.process import TelemetryProcess
from mainstay.engines.layout import Layout
from mainstay.engines.postgres.roles import make_roles_and_database
from mainstay.engines.postgres.server import MAJOR, PostgresServer
from mainstay.engines.processes import Installation, Process
from mainstay.kernel.errors import Conflict, Invalid, Unavailable

OLD_SETTINGS = "mainstay.toml.from-backup"
_MAY_BE_THERE = ("mainstay.toml",)


@dataclass(frozen=True)
class Restored:
    """What came back."""

    made_at: str
    tables: int
    rows: int
    telemetry_rows: int


def restore_backup(layout: Layout, file: Path, *, passphrase: str, at: datetime) -> Restored:
    """Bring a backup back into an empty data folder (and an empty external database, where one is set).

    Errors: Conflict where something is there already; Invalid for a file that is not whole; Unavailable when an engine refuses, or
    when what came back is not what was sealed. After an error the data folder is empty again; an external engine must be emptied.
    """
    _require_empty(layout)
    layout.data.mkdir(parents=True, exist_ok=True, mode=0o711)
    with ExitStack() as undo:
        undo.callback(_clear, layout)  # also on Ctrl-C: half an installation must not look like one
        draft = layout.data / "restore-draft"
        draft.mkdir(mode=0o700)
        with file.open("rb") as stream:
            manifest = archive.unpack(stream, draft, passphrase)
        _require_release(manifest)
        _place(layout, draft)
        _bring_back(layout, draft, manifest)
        shutil.rmtree(draft)
        undo.pop_all()
    remember(layout, made_at=manifest.made_at, restored_at=at.isoformat())
    return Restored(manifest.made_at, len(manifest.rows), sum(manifest.rows.values()), sum(manifest.telemetry_rows.values()))


def _bring_back(layout: Layout, draft: Path, manifest: archive.Manifest) -> None:
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    with _database(layout, accounts):
        database.load(layout.database_url("owner"), draft / "database.dump")
        _compare("table", database.count(layout.database_url("backup")), manifest.rows)
    with _telemetry(layout, accounts) as url, telemetry(url) as engine:
        _compare("telemetry table", _load_telemetry(engine, draft / "telemetry", manifest), manifest.telemetry_rows)


def _load_telemetry(engine: Telemetry, folder: Path, manifest: archive.Manifest) -> dict[str, int]:
    tables = [Table(str(one["name"]), str(one["definition"]), bool(one["is_view"])) for one in manifest.telemetry_tables]
    counts = {}
    for table in (one for one in tables if not one.is_view):
        engine.make(table)
        engine.load_rows(table.name, folder / f"{table.name}.native")
        counts[table.name] = engine.count(table.name)
    for view in (one for one in tables if one.is_view):
        engine.make(view)
    return counts


def _compare(kind: str, found: dict[str, int], sealed: object) -> None:
    expected = dict(sealed) if isinstance(sealed, dict) else {}
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            message = f"the {kind} {name} came back with {found.get(name)} rows, the backup holds {expected.get(name)}"
            raise Unavailable("engines.restore_differs", message, retryable=False)


@contextmanager
def _database(layout: Layout, accounts: Accounts) -> Iterator[None]:
    if not layout.has_embedded_postgres:
        yield
        return
    server = PostgresServer(layout, accounts)
    server.prepare()
    with _running(layout, Installation(layout, accounts, telemetry_url="").postgres()):
        make_roles_and_database(layout)
        yield


@contextmanager
def _telemetry(layout: Layout, accounts: Accounts) -> Iterator[str]:
    if not layout.has_embedded_telemetry:
        yield layout.telemetry_url()
        return
    url = TelemetryProcess(layout, accounts).prepare()
    with _running(layout, Installation(layout, accounts, url).telemetry()):
        yield url


@contextmanager
def _running(layout: Layout, process: Process) -> Iterator[None]:
    child = Child(process.name, process.argv, log=layout.log_file(process.name), environment=process.environment)
    try:
        wait_ready(child, process.is_ready or (lambda: True), timeout_s=process.ready_s)
        yield
    finally:
        child.stop(number=process.stop_signal, timeout_s=process.stop_s)


def _place(layout: Layout, draft: Path) -> None:
    """Move keys to their places. The old machine's settings are put beside, not in force: they may name engines that this is not."""
    for name in ("keys", "tls", "blobs"):
        if (draft / name).is_dir():
            (draft / name).rename(layout.data / name)
    if (draft / layout.config_file.name).exists():
        (draft / layout.config_file.name).rename(layout.data / OLD_SETTINGS)


def _require_empty(layout: Layout) -> None:
    present = sorted(path.name for path in layout.data.iterdir()) if layout.data.is_dir() else []
    present = [name for name in present if name not in _MAY_BE_THERE]
    if present:
        message = f"{layout.data} is not empty (it has {present[0]}); name an empty folder in MAINSTAY_DATA"
        raise Conflict("engines.restore_not_empty", message)
    if not layout.has_embedded_postgres and database.count(layout.database_url("backup")):
        raise Conflict("engines.restore_not_empty", "the external database has tables already; make an empty one and name it")


def _require_release(manifest: archive.Manifest) -> None:
    if manifest.postgres_major > MAJOR:
        message = f"the backup was made with PostgreSQL {manifest.postgres_major}, this release brings {MAJOR}; use a newer release"
        raise Invalid("engines.backup_too_new", message)


def _clear(layout: Layout) -> None:
    for path in layout.data.iterdir():
        if path.name in _MAY_BE_THERE:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
