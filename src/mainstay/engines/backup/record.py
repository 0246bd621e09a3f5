"""When this installation last made a backup of itself, and when one was last restored. `doctor` reads it.

Owns: `self-backup.json` in the data folder. Invariant: what the file says did happen; it is written after the fact.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mainstay.engines.layout import Layout


@dataclass(frozen=True)
class Record:
    """`restored_at` is when the data here came out of a backup, which proves that backup."""

    made_at: datetime | None = None
    size_bytes: int = 0
    restored_at: datetime | None = None


def read_record(layout: Layout) -> Record:
    """Return what is known; nothing where no backup was ever made, or the file cannot be read."""
    said = _read(_path(layout))
    made_at, restored_at = (_time(said.get(name)) for name in ("made_at", "restored_at"))
    size = said.get("size_bytes")
    return Record(made_at, size if isinstance(size, int) else 0, restored_at)


def remember(layout: Layout, **facts: str | int) -> None:
    """Add facts to the record."""
    path = _path(layout)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({**_read(path), **facts}, sort_keys=True))
    fresh.replace(path)


def _path(layout: Layout) -> Path:
    return layout.data / "self-backup.json"


def _read(path: Path) -> dict[str, object]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
