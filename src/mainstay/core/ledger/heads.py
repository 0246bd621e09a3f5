"""The file of heads: the last signed size and root of each log, kept outside the database.

Owns: the file. Does not own: what follows from a difference (`sequencer` closes the log).
Invariant: a head never falls; the file is replaced whole, so a crash leaves the old one or the new one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Heads: TypeAlias = Mapping[str, tuple[int, bytes]]


class HeadFile:
    """Heads by origin, as JSON: a database restored from an old backup does not know what this file remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, tuple[int, bytes]] | None = None

    def read(self) -> Heads:
        """Return the heads; none when the file does not exist yet. Errors: ValueError for a file that is not ours."""
        if self._held is None:
            self._held = self._load()
        return self._held

    def advance(self, heads: Heads) -> None:
        """Remember newer heads."""
        held = dict(self.read())
        held |= {origin: head for origin, head in heads.items() if head[0] > held.get(origin, (-1, b""))[0]}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({origin: {"size": size, "root": root.hex()} for origin, (size, root) in sorted(held.items())}))
        os.replace(fresh, self._path)
        self._held = held

    def _load(self) -> dict[str, tuple[int, bytes]]:
        try:
            stored = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return {origin: (int(head["size"]), bytes.fromhex(head["root"])) for origin, head in stored.items()}
