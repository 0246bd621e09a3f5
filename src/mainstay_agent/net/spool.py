"""What could not be sent yet: one SQLite file (rules O1 to O3 and O5).

Owns: samples, log lines and facts that wait; requests that have a number and await their acknowledgement; the record of every loss.
Does not own: evidence (`authority.store` keeps the master copy and its own reserve), sending (`net.uplink`).
Invariant: a request keeps stream, number and bytes from its first sending to its acknowledgement; what is dropped leaves a gap record.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay_agent.host.clocks import Clock

BYTES_MAX = 30 * 1024 * 1024  # of the 50 MB of rule O1; the other 20 MB are the evidence reserve
AGE_MS_MAX = 7 * 86_400_000
KEEP_SENT_MS = 60 * 60_000
DROP_ROWS = 500
FREE_BYTES_MIN = 200 * 1024 * 1024
FREE_SHARE_MIN = 0.02
LOG_LINES_MAX = 20_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sample (at_ms INTEGER PRIMARY KEY, dict TEXT NOT NULL, body TEXT NOT NULL, claim TEXT, sent_ms INTEGER);
CREATE INDEX IF NOT EXISTS sample_waiting ON sample (at_ms) WHERE claim IS NULL;
CREATE TABLE IF NOT EXISTS series (dict TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, body TEXT NOT NULL,
    is_waiting INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (stream TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (stream, seq)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A request that has its number: `body` is JSON text and never changes again."""

    stream: str
    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    at_ms: int
    dict_id: str
    body: str


class Spool:
    """All methods may be called from several threads; each is one transaction."""

    def __init__(self, path: Path, clock: Clock, *, bytes_max: int = BYTES_MAX) -> None:
        self._path = path
        self._clock = clock
        self._bytes_max = bytes_max
        self._lock = threading.RLock()
        self.dropped = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database, is_fresh_after_damage = _open_or_replace(path)
        self.epoch = self._meta("epoch") or self._begin()
        if is_fresh_after_damage:
            self._gap("all", 0, clock.wall_ms(), 0, "spool_corrupt")

    def close(self) -> None:
        with self._lock:
            self._database.close()

    # Samples

    def put_sample(self, at_ms: int, dict_id: str, series: str, values: str) -> None:
        """Keep one row of values; `series` is the JSON list that `dict_id` is the hash of."""
        with self._lock, self._database:
            self._database.execute("INSERT OR IGNORE INTO series VALUES (?, ?)", (dict_id, series))
            self._database.execute("INSERT OR REPLACE INTO sample (at_ms, dict, body) VALUES (?, ?, ?)", (at_ms, dict_id, values))
        self._make_room()

    def newest_samples(self, limit: int) -> list[SampleRow]:
        """Return the newest unsent rows that share one dictionary, in order of time."""
        return self._waiting("SELECT at_ms, dict, body FROM sample WHERE claim IS NULL ORDER BY at_ms DESC LIMIT ?", (limit,))

    def passed_samples(self, limit: int) -> list[SampleRow]:
        """Return the oldest unsent rows that newer ones have overtaken: the backlog."""
        query = "SELECT at_ms, dict, body FROM sample WHERE claim IS NULL AND at_ms < ? ORDER BY at_ms LIMIT ?"
        with self._lock:
            through = int(self._meta("polled_through") or 0)
        return self._waiting(query, (through, limit))

    def _waiting(self, query: str, arguments: tuple[int, ...]) -> list[SampleRow]:
        with self._lock:
            rows = self._database.execute(query, arguments).fetchall()
        same = [SampleRow(*row) for row in rows if row[1] == rows[0][1]]
        return sorted(same, key=lambda row: row.at_ms)

    def series(self, dict_id: str) -> str:
        with self._lock:
            row = self._database.execute("SELECT body FROM series WHERE dict = ?", (dict_id,)).fetchone()
        return str(row[0]) if row else "[]"

    def resend_samples(self, since_ms: int) -> None:
        """Let samples that were acknowledged be sent again: the server asks for this after it has failed over."""
        with self._lock, self._database:
            self._database.execute("UPDATE sample SET claim = NULL, sent_ms = NULL WHERE sent_ms IS NOT NULL AND at_ms >= ?", (since_ms,))

    # Lines and facts

    def put_lines(self, lines: Iterable[Mapping[str, object]]) -> None:
        now = self._clock.wall_ms()
        with self._lock, self._database:
            self._database.executemany("INSERT INTO line (at_ms, body) VALUES (?, ?)", [(now, json.dumps(line)) for line in lines])
            held = self._database.execute("SELECT count(*) FROM line").fetchone()[0]
        if held > LOG_LINES_MAX:
            self._drop("line", "logs", held - LOG_LINES_MAX, "rate")

    def put_fact(self, name: str, sha256: str, body: Mapping[str, object]) -> bool:
        """Keep the latest state of a group; tell whether it changed."""
        with self._lock, self._database:
            row = self._database.execute("SELECT sha256 FROM fact WHERE name = ?", (name,)).fetchone()
            if row and row[0] == sha256:
                return False
            self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?, ?, 1)", (name, sha256, json.dumps(body)))
        return True

    def want_facts(self, names: Iterable[str]) -> None:
        """Mark groups for sending again."""
        with self._lock, self._database:
            self._database.executemany("UPDATE fact SET is_waiting = 1 WHERE name = ?", [(name,) for name in names])

    def fact_hashes(self) -> dict[str, str]:
        with self._lock:
            return dict(self._database.execute("SELECT name, sha256 FROM fact ORDER BY name").fetchall())

    # Numbered requests

    def number(self, stream: str, data: object) -> Numbered:
        """Give a request the next number of its stream and keep it until it is acknowledged."""
        with self._lock, self._database:
            return self._number(stream, data)

    def number_samples(self, stream: str, rows: Sequence[SampleRow], data: object) -> Numbered:
        """Number a request that carries rows of samples: they are claimed by it in the same transaction."""
        with self._lock, self._database:
            numbered = self._number(stream, data)
            claim = f"{stream}:{numbered.seq}"
            self._database.executemany("UPDATE sample SET claim = ? WHERE at_ms = ?", [(claim, row.at_ms) for row in rows])
        return numbered

    def number_poll(self, rows: Sequence[SampleRow], body: Mapping[str, object]) -> Numbered:
        """Number the next poll: its number is part of its body, and durable before it is sent."""
        with self._lock, self._database:
            seq = int(self._meta("seq:poll") or 0) + 1
            numbered = self._number("poll", {"seq": seq, **body})
            self._database.executemany("UPDATE sample SET claim = ? WHERE at_ms = ?", [(f"poll:{seq}", row.at_ms) for row in rows])
            if rows:
                self._set_meta("sent_dict", rows[0].dict_id)
                self._set_meta("polled_through", str(rows[-1].at_ms))
        return numbered

    def last_sent_dict(self) -> str | None:
        """Return the dictionary of the last poll that carried samples."""
        with self._lock:
            return self._meta("sent_dict")

    def number_lines(self, limit: int) -> Numbered | None:
        """Number a request with the oldest waiting log lines."""
        with self._lock, self._database:
            rows = self._database.execute("SELECT id, body FROM line ORDER BY id LIMIT ?", (limit,)).fetchall()
            if not rows:
                return None
            # What is kept is JSON already: reading it in only to write it again would double what this process ever holds.
            numbered = self._number_text("logs", f"[{','.join(body for _, body in rows)}]")
            self._database.execute("DELETE FROM line WHERE id <= ?", (rows[-1][0],))
        return numbered

    def number_facts(self, digest: str, limit: int = 6) -> Numbered | None:
        """Number a request with groups that changed; `digest` is the hash over all groups."""
        with self._lock, self._database:
            rows = self._database.execute("SELECT name, body FROM fact WHERE is_waiting = 1 ORDER BY name LIMIT ?", (limit,)).fetchall()
            if not rows:
                return None
            groups = ",".join(f"{json.dumps(name)}:{body}" for name, body in rows)
            numbered = self._number_text("facts", f'{{"groups":{{{groups}}},"hash":{json.dumps(digest)}}}')
            self._database.executemany("UPDATE fact SET is_waiting = 0 WHERE name = ?", [(name,) for name, _ in rows])
        return numbered

    def oldest(self, stream: str) -> Numbered | None:
        """Return the first request of a stream that awaits its acknowledgement."""
        with self._lock:
            row = self._database.execute("SELECT stream, seq, body FROM outbox WHERE stream = ? ORDER BY seq LIMIT 1", (stream,)).fetchone()
        return Numbered(*row) if row else None

    def acknowledge(self, stream: str, through: int) -> None:
        with self._lock, self._database:
            rows = self._database.execute("SELECT seq FROM outbox WHERE stream = ? AND seq <= ?", (stream, through)).fetchall()
            self._database.execute("DELETE FROM outbox WHERE stream = ? AND seq <= ?", (stream, through))
            now = self._clock.wall_ms()
            self._database.executemany("UPDATE sample SET sent_ms = ? WHERE claim = ?", [(now, f"{stream}:{seq}") for (seq,) in rows])

    def renumber(self, stream: str, expected: int) -> None:
        """Follow a server that knows less or more than we thought: what waits is numbered anew from `expected`."""
        with self._lock, self._database:
            rows = self._database.execute("SELECT seq, at_ms, body FROM outbox WHERE stream = ? ORDER BY seq", (stream,)).fetchall()
            self._database.execute("DELETE FROM outbox WHERE stream = ?", (stream,))
            fresh = [(stream, expected + index, at_ms, body) for index, (_, at_ms, body) in enumerate(rows)]
            self._database.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?)", fresh)
            for index, (seq, _, _) in enumerate(rows):
                self._database.execute("UPDATE sample SET claim = ? WHERE claim = ?", (f"{stream}:{expected + index}", f"{stream}:{seq}"))
            self._set_meta(f"seq:{stream}", str(expected + len(rows) - 1))

    # Upkeep

    def size_bytes(self) -> int:
        with self._lock:
            page, count, free = (
                int(self._database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_size", "page_count", "freelist_count")
            )
        return page * (count - free)

    def tidy(self) -> None:
        """Forget what is acknowledged and old, and drop what is too old to be of use. Meant for every few minutes."""
        now = self._clock.wall_ms()
        with self._lock, self._database:
            self._database.execute("DELETE FROM sample WHERE sent_ms IS NOT NULL AND sent_ms < ?", (now - KEEP_SENT_MS,))
            self._database.execute("DELETE FROM series WHERE dict NOT IN (SELECT dict FROM sample)")
            old = self._database.execute("SELECT count(*) FROM sample WHERE claim IS NULL AND at_ms < ?", (now - AGE_MS_MAX,)).fetchone()[0]
        if old:
            self._drop("sample", "samples", old, "age")

    def has_free_disk(self) -> bool:
        """Tell whether the disk has room for samples (rule O3); evidence goes on without them."""
        stat = os.statvfs(self._path.parent)
        free = stat.f_bavail * stat.f_frsize
        return free >= FREE_BYTES_MIN and free >= FREE_SHARE_MIN * stat.f_blocks * stat.f_frsize

    def gap(self, stream: str, from_ms: int, to_ms: int, count: int, reason: str) -> None:
        """Record a loss, so that it is visible on the server."""
        with self._lock, self._database:
            self._gap(stream, from_ms, to_ms, count, reason)

    def _number(self, stream: str, data: object) -> Numbered:
        return self._number_text(stream, json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False))

    def _number_text(self, stream: str, body: str) -> Numbered:
        seq = int(self._meta(f"seq:{stream}") or 0) + 1
        self._set_meta(f"seq:{stream}", str(seq))
        self._database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", (stream, seq, self._clock.wall_ms(), body))
        return Numbered(stream, seq, body)

    def _make_room(self) -> None:
        if self.size_bytes() <= self._bytes_max:
            return
        self.tidy()
        for table, stream in (("sample", "samples"), ("line", "logs")):
            while self.size_bytes() > self._bytes_max and self._drop(table, stream, DROP_ROWS, "spool_full"):
                pass

    def _drop(self, table: str, stream: str, count: int, reason: str) -> int:
        """Drop the oldest rows; claimed samples are already part of a numbered request and cost nothing twice."""
        key = "at_ms" if table == "sample" else "id"
        with self._lock, self._database:
            rows = self._database.execute(f"SELECT {key}, at_ms FROM {table} ORDER BY {key} LIMIT ?", (count,)).fetchall()  # noqa: S608
            if rows:
                self._database.execute(f"DELETE FROM {table} WHERE {key} <= ?", (rows[-1][0],))  # noqa: S608 names from our own table
                self.dropped += len(rows)
                self._gap(stream, rows[0][1], rows[-1][1], len(rows), reason)
        return len(rows)

    def _gap(self, stream: str, from_ms: int, to_ms: int, count: int, reason: str) -> None:
        self._number("gaps", [{"stream": stream, "from_ms": from_ms, "to_ms": to_ms, "count": count, "reason": reason}])

    def _begin(self) -> str:
        # Numbers of polls must never fall, or the server takes us for a copied device (rule N5). Seconds rise faster than polls, so a
        # spool that had to be replaced goes on above the number that was lost with the old one.
        with self._database:
            self._set_meta("seq:poll", str(self._clock.wall_ms() // 1000))
            return self._set_meta("epoch", os.urandom(8).hex())

    def _meta(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _set_meta(self, name: str, value: str) -> str:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        return value


def _open_or_replace(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file; a damaged one is renamed aside (never deleted) and a new one started."""
    try:
        return _open(path), False
    except sqlite3.DatabaseError:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.rename(path.with_name(f"{path.name}.corrupt-{os.urandom(4).hex()}"))
        return _open(path), True


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=10, isolation_level="IMMEDIATE", cached_statements=32)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA cache_size = -512")
        database.execute("PRAGMA journal_size_limit = 1048576")
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        database.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    path.chmod(0o600)
    return database
