"""Making a backup of a running installation.

Owns: the order of the parts. Does not own: when it is done, or where the file goes afterwards.
Invariant: the marks of the log are copied before the database: a restored log is never behind what its own head file says.
"""

import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mainstay.engines.backup import archive, database
from mainstay.engines.backup.record import remember
from mainstay.engines.backup.telemetry import telemetry
from mainstay.engines.layout import Layout
from mainstay.engines.postgres.server import MAJOR
from mainstay.kernel.errors import Conflict

# What a new machine cannot draw again. Left out: the telemetry engine's secret of one start, sockets, logs, spools, and the agent's
# own state, which no server may carry from one machine to another.
KEPT_FOLDERS = ("keys/web", "keys/reply", "keys/server", "keys/ledger", "keys/kek", "tls", "blobs")
KEPT_FILES = ("mainstay.toml",)


@dataclass(frozen=True)
class Made:
    """What was written."""

    file: Path
    size_bytes: int
    rows: int
    telemetry_rows: int


def make_backup(layout: Layout, file: Path, *, passphrase: str, release: str, at: datetime) -> Made:
    """Write a sealed backup to a new file. Errors: Conflict when the file exists; Unavailable when an engine does not answer."""
    if file.exists():
        raise Conflict("engines.backup_exists", f"{file} exists; a backup never replaces another one")
    draft = _empty_draft(layout)
    try:
        manifest = _collect(layout, draft, release, at)
        size = _write(draft, manifest, file, passphrase)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    remember(layout, made_at=manifest.made_at, size_bytes=size)
    return Made(file, size, sum(manifest.rows.values()), sum(manifest.telemetry_rows.values()))


def _collect(layout: Layout, draft: Path, release: str, at: datetime) -> archive.Manifest:
    _copy_kept(layout, draft)
    rows = database.dump(layout.database_url("backup"), draft / "database.dump")
    counts = {}
    (draft / "telemetry").mkdir()
    with telemetry(layout.telemetry_url()) as engine:
        tables = engine.tables()
        for table in tables:
            if not table.is_view:
                counts[table.name] = engine.write_rows(table.name, draft / "telemetry" / f"{table.name}.native")
    return archive.Manifest(at.isoformat(), release, MAJOR, rows, counts, [asdict(table) for table in tables], archive.digests(draft))


def _copy_kept(layout: Layout, draft: Path) -> None:
    for name in KEPT_FOLDERS:
        if (layout.data / name).is_dir():
            shutil.copytree(layout.data / name, draft / name, ignore=shutil.ignore_patterns(".*"))
    for name in KEPT_FILES:
        if (layout.data / name).exists():
            shutil.copy2(layout.data / name, draft / name)


def _write(draft: Path, manifest: archive.Manifest, file: Path, passphrase: str) -> int:
    part = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            archive.pack(draft, manifest, out, passphrase)
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def _empty_draft(layout: Layout) -> Path:
    draft = layout.data / "backup-draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    return draft
