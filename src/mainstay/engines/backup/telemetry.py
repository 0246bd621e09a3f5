"""The columnar half of a backup: every table as its definition and its rows in ClickHouse's Native format.

Owns: what is asked of the engine. Does not own: its life.
Invariant: a table is read from a clone of one instant (hard links, no copy), so that rows and their number agree while it fills;
a view is made after the rows, so that nothing is derived twice.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from mainstay.kernel.errors import Unavailable

DATABASE = "mainstay"
_CLONE = "backup_clone_of_"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Table:
    """One table or view. A view has no rows of its own."""

    name: str
    definition: str
    is_view: bool


@contextmanager
def telemetry(url: str) -> Iterator["Telemetry"]:
    """Reach the engine at a URL. Errors: Unavailable("engines.backup_failed") with the engine's words, whatever it refuses meanwhile."""
    try:
        yield Telemetry(clickhouse_connect.get_client(dsn=url))
    except ClickHouseError as problem:
        cause = " ".join(str(problem).split())[:300]
        raise Unavailable("engines.backup_failed", f"the telemetry engine refused: {cause}", retryable=False) from problem


class Telemetry:
    """An engine as a backup sees it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def tables(self) -> list[Table]:
        query = "SELECT name, create_table_query, engine FROM system.tables WHERE database = {base:String} ORDER BY name"
        rows = self._client.query(query, parameters={"base": DATABASE}).result_rows
        # A view's hidden inner table comes back with the view.
        return [
            Table(str(name), str(text), "View" in str(engine))
            for name, text, engine in rows
            if not str(name).startswith((".inner", _CLONE))
        ]

    def write_rows(self, table: str, file: Path) -> int:
        """Write all rows of this instant; return how many they are."""
        with self._clone(table) as clone:
            self._copy(clone, file)
            return self.count(clone)

    def count(self, table: str) -> int:
        return int(
            self._client.query("SELECT count() FROM {base:Identifier}.{name:Identifier}", parameters=_named(table)).result_rows[0][0]
        )

    def make(self, table: Table) -> None:
        self._client.command("CREATE DATABASE IF NOT EXISTS {base:Identifier}", parameters={"base": DATABASE})
        self._client.command(table.definition)

    def load_rows(self, table: str, file: Path) -> None:
        """Insert the rows of a file. Nothing is folded meanwhile, neither by a merge nor on insertion: the rows are to be counted."""
        self._client.command("SYSTEM STOP MERGES {base:Identifier}.{name:Identifier}", parameters=_named(table))
        if file.stat().st_size:
            self._client.raw_insert(_quoted(table), insert_block=_blocks(file), fmt="Native", settings={"optimize_on_insert": 0})

    @contextmanager
    def _clone(self, table: str) -> Iterator[str]:
        clone = _CLONE + table
        self._drop(clone)
        # CLONE takes no identifier as a parameter; the names come from the engine's own catalogue.
        self._client.command(f"CREATE TABLE {_quoted(clone)} CLONE AS {_quoted(table)}")
        try:
            self._client.command("SYSTEM STOP MERGES {base:Identifier}.{name:Identifier}", parameters=_named(clone))
            yield clone
        finally:
            self._drop(clone)

    def _drop(self, table: str) -> None:
        self._client.command("DROP TABLE IF EXISTS {base:Identifier}.{name:Identifier}", parameters=_named(table))

    def _copy(self, table: str, file: Path) -> None:
        with (
            file.open("wb") as out,
            self._client.raw_stream("SELECT * FROM {base:Identifier}.{name:Identifier}", parameters=_named(table), fmt="Native") as stream,
        ):
            while block := stream.read(_BLOCK_BYTES):
                out.write(block)


def _quoted(table: str) -> str:
    return f"{DATABASE}.`{table.replace('`', '``')}`"


def _named(table: str) -> dict[str, str]:
    return {"base": DATABASE, "name": table}


def _blocks(file: Path) -> Generator[bytes, None, None]:
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            yield block
