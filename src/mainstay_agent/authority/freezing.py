"""Freeze: the switch that stops everything above T0 (rule K6).

Owns: the local file, the server's freeze of at most a day.
Invariant: any one is enough to freeze; a server can only reduce authority, so its freeze ends by itself and lifts nothing else.
"""

import os
from pathlib import Path

from mainstay_agent.authority.store import Store

FREEZE_S_MAX = 86_400
FREEZE_FILE = "/etc/mainstay/freeze"


def freeze_file() -> Path:
    return Path(os.environ.get("MAINSTAY_FREEZE_FILE", FREEZE_FILE))


class Freeze:
    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._file = file

    def freeze(self, seconds: int, lower: int) -> int:
        """Freeze for a while; a shorter freeze never ends a longer one. Return the Unix second of its end."""
        until = max(self.until(), lower + min(seconds, FREEZE_S_MAX))
        with self._store.transaction():
            self._store.put("frozen_until", until)
            self._store.put("frozen_at", lower)
        return until

    def began(self) -> int:
        """Return the Unix second of the last wish to freeze, 0 when there was none."""
        stored = self._store.get("frozen_at")
        return stored if isinstance(stored, int) else 0

    def lift(self) -> None:
        """End what a server or a peer froze. The local file is not ours to remove: who made it has root here."""
        self._store.put("frozen_until", 0)

    def until(self) -> int:
        stored = self._store.get("frozen_until")
        return stored if isinstance(stored, int) else 0

    def is_frozen(self, lower: int) -> bool:
        return self._file.exists() or lower < self.until()
