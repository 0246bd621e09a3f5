"""The relational half of a backup: one dump of one instant, and how many rows of each table it holds.

Owns: pg_dump, pg_restore, the count. Does not own: the server's life. Invariant: the counts and the dump are of the same snapshot.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from mainstay.engines.postgres.server import program
from mainstay.kernel.errors import Unavailable

_DUMP_S_MAX = 4 * 3600


def dump(url: str, file: Path) -> dict[str, int]:
    """Write the whole database into a file; return the number of rows of each table at that instant."""
    with _connected(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        snapshot = str(row[0]) if row else ""
        _run("pg_dump", "--format=custom", "--compress=3", "--no-owner", f"--snapshot={snapshot}", f"--file={file}", url)
        return _count(connection)


def count(url: str) -> dict[str, int]:
    """Return the number of rows of each table now."""
    with _connected(url) as connection:
        return _count(connection)


def load(url: str, file: Path) -> None:
    """Load a dump into a database without tables, all or nothing, as the owner role."""
    _run("pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", f"--dbname={url}", str(file))


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as problem:
        cause = " ".join(str(problem).split())
        raise Unavailable("engines.backup_failed", f"the database refused: {cause}", retryable=False) from problem


def _count(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, int]:
    named = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1")
    counts = {}
    for (name,) in named.fetchall():
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(str(name)))).fetchone()
        counts[str(name)] = int(str(row[0])) if row else 0
    return counts


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run([str(program(name)), *arguments], capture_output=True, text=True, check=False, timeout=_DUMP_S_MAX)
    if done.returncode != 0:
        cause = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise Unavailable("engines.backup_failed", f"{name} ended with code {done.returncode}: {cause}", retryable=False)
