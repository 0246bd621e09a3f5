"""The one file of the authority.

Owns: the tables and how durable they are (`synchronous=FULL`: a commit is on the disk when it returns).
Does not own: what rows mean (`documents`, `chain`, `memory`).
Invariant: writers run inside `transaction()`; what belongs together is one transaction.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from mainstay_agent.host import durable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document (kind TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL, envelope BLOB NOT NULL,
    is_adopted INTEGER NOT NULL, PRIMARY KEY (kind, number, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replay (payload_sha256 TEXT PRIMARY KEY, id TEXT NOT NULL, idem TEXT NOT NULL, content_sha256 TEXT NOT NULL,
    exp INTEGER NOT NULL, is_reported INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replay_id ON replay (id);
CREATE INDEX IF NOT EXISTS replay_idem ON replay (idem);
CREATE TABLE IF NOT EXISTS use (budget TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS use_budget ON use (budget, key, at);
CREATE TABLE IF NOT EXISTS link (seq INTEGER PRIMARY KEY, cmd TEXT, decision TEXT NOT NULL, envelope BLOB NOT NULL, salt BLOB, output BLOB,
    is_acked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS link_waiting ON link (seq) WHERE is_acked = 0;
CREATE INDEX IF NOT EXISTS link_cmd ON link (cmd);
CREATE TABLE IF NOT EXISTS running (payload_sha256 TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (payload_sha256 TEXT PRIMARY KEY, code TEXT NOT NULL, envelope BLOB NOT NULL, issue TEXT NOT NULL,
    payload BLOB NOT NULL, exp INTEGER NOT NULL) WITHOUT ROWID;
"""


class Store:
    """One connection, one lock. Errors: sqlite3.Error; whoever cannot record must not act."""

    def __init__(self, folder: Path) -> None:
        durable.make_private_folder(folder)
        self.folder = folder
        self._lock = RLock()
        self.database = sqlite3.connect(folder / "authority.sqlite3", check_same_thread=False, timeout=10, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("PRAGMA cache_size = -256")
        self.database.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one durable transaction; an inner block joins the outer one."""
        with self._lock:
            if self.database.in_transaction:
                yield self.database
                return
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield self.database
            except BaseException:  # whatever ends the block, an interrupt included: half of a transaction must not stay open
                self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self.database

    def get(self, name: str) -> object:
        """Return a stored JSON value, or None."""
        with self.reading() as database:
            row = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, name: str, value: object) -> None:
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def wipe(self) -> None:
        """Delete every row, and overwrite the pages that held them."""
        with self._lock:
            self.database.execute("PRAGMA secure_delete = ON")
            with self.transaction() as database:
                for table in ("meta", "document", "replay", "use", "link", "running", "held"):
                    database.execute(f"DELETE FROM {table}")  # noqa: S608 names of our own tables
            self.database.execute("VACUUM")

    def close(self) -> None:
        with self._lock:
            self.database.close()
