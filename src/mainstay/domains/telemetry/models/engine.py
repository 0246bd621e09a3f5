"""The telemetry engine as this domain talks to it: over HTTP, with the tenant as a barrier of its own.

Owns: the connection, the settings of each statement. Does not own: statements (queries.sql), the engine's process (engines).
Invariant: a read carries `additional_table_filters` for every tenant table and `readonly`, so a template that forgot its
tenant still returns nothing foreign. Source: control page, section 3.1 rules 4 and 6.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NewType
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from mainstay.domains.telemetry.models.columns import TENANT_TABLES
from mainstay.kernel.errors import Invalid, Unavailable

Statement = NewType("Statement", str)
"""A statement of `queries.sql`: constant text with bound parameters, never anything that a person typed."""

Parameter = int | float | str | Sequence[int] | Sequence[str]
Column = Sequence[object]

_INSERT_SETTINGS = {"async_insert": 0, "insert_deduplicate": 1, "max_insert_block_size": 1_048_576}
_TIMEOUT_S = 30
_COMPUTE_S = 25
# Answers of the engine that say "these bytes are wrong": sending them again would get the same answer for ever. Every other
# error (memory, parts, a missing table, a full disk) may pass, so the batch stays where it is and is tried again.
_REFUSED_CODES = frozenset({
    6, 10, 16, 20, 25, 26, 27, 32, 33, 34, 36, 38, 41, 44, 48, 50, 53, 69, 70, 72, 108, 117, 120, 128, 129, 130, 131, 190, 248, 321, 349,
    386, 416, 427, 469, 623, 636,
})  # fmt: skip


class Engine:
    """One process's way to the engine. Threads share it; the address is asked for again after each failure."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._client: Client | None = None
        self._lock = threading.Lock()

    def read(self, tenants: Sequence[int], statement: Statement, parameters: Mapping[str, Parameter]) -> list[Column]:
        """Run a template for the tenants named and return its columns. Errors: Unavailable."""
        bound = {**parameters, "tenants": list(tenants)}
        try:
            result = self._connected().query(statement, parameters=bound, settings=read_settings(tenants), column_oriented=True)
        except (ClickHouseError, OSError) as error:
            raise self._failed(error) from error
        return list(result.result_columns)

    def insert(self, table: str, arrow: bytes, *, token: str) -> None:
        """Insert a batch; the same token a second time changes nothing.

        Errors: Unavailable; Invalid("telemetry.batch_refused") when the engine says that the bytes themselves are wrong.
        """
        settings = {**_INSERT_SETTINGS, "insert_deduplication_token": token}
        try:
            self._connected().raw_insert(f"mainstay.{table}", insert_block=arrow, settings=settings, fmt="Arrow")
        except ClickHouseError as error:
            if _is_refusal(error):
                raise Invalid("telemetry.batch_refused", _first_line(error)) from error
            raise self._failed(error) from error
        except OSError as error:
            raise self._failed(error) from error

    def define(self, statement: str) -> None:
        """Run a statement of a DDL file. Errors: Unavailable."""
        try:
            self._connected().command(statement)
        except (ClickHouseError, OSError) as error:
            raise self._failed(error) from error

    def compute(self, statement: Statement, parameters: Mapping[str, Parameter]) -> None:
        """Run a statement that computes rows from rows, for all tenants. Errors: Unavailable."""
        try:
            self._connected().command(statement, parameters=dict(parameters), settings={"max_execution_time": _COMPUTE_S})
        except (ClickHouseError, OSError) as error:
            raise self._failed(error) from error

    def look(self, statement: Statement, parameters: Mapping[str, Parameter]) -> list[tuple[object, ...]]:
        """Read the engine's own catalogue, which holds no tenant's data. Errors: Unavailable."""
        try:
            return [tuple(row) for row in self._connected().query(statement, parameters=dict(parameters)).result_rows]
        except (ClickHouseError, OSError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = connect(self._url())
            return self._client

    def _failed(self, error: Exception) -> Unavailable:
        # A restarted engine has another port and secret: forget the connection, ask for the address again next time.
        self.close()
        return Unavailable("telemetry.unavailable", f"The telemetry engine does not answer; it is tried again ({_first_line(error)}).")


def connect(url: str) -> Client:
    """Open a client without a session: sessions would make concurrent statements wait for each other."""
    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        interface=parts.scheme or "http",
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 8123,
        username=parts.username or "default",
        password=parts.password or "",
        connect_timeout=3,
        send_receive_timeout=_TIMEOUT_S,
        autogenerate_session_id=False,
        compress=False,
    )


def read_settings(tenants: Sequence[int]) -> dict[str, str | int]:
    """Return the settings of a read: the second barrier between tenants."""
    numbers = ",".join(str(int(number)) for number in tenants) or "NULL"
    filters = ",".join(f"'{table}':'tenant IN ({numbers})'" for table in TENANT_TABLES)
    return {"additional_table_filters": "{" + filters + "}", "readonly": 1, "max_execution_time": _TIMEOUT_S}


def _is_refusal(error: ClickHouseError) -> bool:
    code = error.code if isinstance(error, Error) else None
    # The reader of Arrow has no codes of its own: what it throws arrives as "unknown" or "std", with its name in the text.
    return code in _REFUSED_CODES or (code in (1001, 1002) and "ArrowBlockInputFormat" in str(error))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
