"""The one owner of the embedded ClickHouse and its folder.

Owns: the lock of the folder, start-up caps, sessions, running one statement with its settings and parameters.
Does not own: HTTP, queueing. Invariant: settings and parameters of one request never reach another one's.
"""

import ctypes
import fcntl
import importlib.machinery
import importlib.util
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mainstay.engines.clickhouse.errors import BAD_ARGUMENTS, SESSION_IS_LOCKED, SESSION_NOT_FOUND, from_engine, refusal
from mainstay.engines.layout import DATABASE
from mainstay.kernel.errors import Unavailable

_SESSIONS_MAX = 64
_SESSION_S_DEFAULT = 60
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
# What a request gets unless it asks otherwise. `implicit_select` off: a server does not take `foo` for `SELECT foo`.
_DEFAULTS = {
    "implicit_select": "0",
    "max_execution_time": "30",
    "max_result_bytes": str(256 * 1024 * 1024),
    "session_timezone": "UTC",
}


class Result(Protocol):
    """What the binding returns."""

    def bytes(self) -> bytes: ...
    def rows_read(self) -> int: ...
    def bytes_read(self) -> int: ...


class Binding(Protocol):
    """A connection of the binding."""

    def query(self, sql: str, form: str) -> Result: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Statement:
    """One statement with what belongs to it alone."""

    sql: str
    form: str = "TabSeparated"
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    session_s: float = _SESSION_S_DEFAULT
    must_exist: bool = False


@dataclass(frozen=True)
class Answer:
    """The bytes of a result, and the engine's counts."""

    body: bytes
    rows: int
    bytes_read: int
    elapsed_ns: int


@dataclass
class _Session:
    connection: Binding
    expires: float
    busy: bool = False


class Engine:
    """The embedded engine on a folder. One per process and folder."""

    def __init__(self, folder: Path, *, memory_bytes: int) -> None:
        self._lock = hold(folder)
        self._connect = _load()
        self._address = f"{folder / 'data'}?" + "&".join(f"{name}={value}" for name, value in _caps(memory_bytes).items())
        self._sessions: dict[str, _Session] = {}
        self._guard = threading.Lock()
        # This connection keeps the engine running: it ends with the last one.
        self._keeper = self._connect(self._address)
        self._query(self._keeper, f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self.version = self._query(self._keeper, "SELECT version()").body.decode().strip()

    def run(self, statement: Statement) -> Answer:
        """Run one statement. Errors: EngineError with the engine's code."""
        with self._connection(statement) as connection:
            changed = self._configure(connection, statement)
            try:
                return self._query(connection, statement.sql, statement.form)
            finally:
                if statement.session and changed:
                    self._query(connection, "SET " + ", ".join(f"{name} = DEFAULT" for name in changed))
                    self._set(connection, {name: value for name, value in _DEFAULTS.items() if name in changed})

    def close(self) -> None:
        """Close the engine and release its folder."""
        for session in self._sessions.values():
            session.connection.close()
        self._keeper.close()
        self._lock.close()

    @contextmanager
    def _connection(self, statement: Statement) -> Iterator[Binding]:
        # A connection that was made read-only stays so; a session is not worth one.
        if statement.session and "readonly" not in statement.settings:
            with self._in_session(statement) as connection:
                yield connection
            return
        connection = self._fresh()
        try:
            yield connection
        finally:
            connection.close()

    def _fresh(self) -> Binding:
        connection = self._connect(self._address)
        self._query(connection, f"USE {DATABASE}")
        self._set(connection, _DEFAULTS)
        return connection

    @contextmanager
    def _in_session(self, statement: Statement) -> Iterator[Binding]:
        with self._guard:
            session = self._take(statement)
        try:
            yield session.connection
        finally:
            with self._guard:
                session.busy = False
                session.expires = time.monotonic() + statement.session_s

    def _take(self, statement: Statement) -> _Session:
        now = time.monotonic()
        for name in [name for name, one in self._sessions.items() if not one.busy and one.expires < now]:
            self._sessions.pop(name).connection.close()
        session = self._sessions.get(statement.session)
        if session is None:
            if statement.must_exist:
                raise refusal(SESSION_NOT_FOUND, "SESSION_NOT_FOUND", f"Session {statement.session} not found")
            self._make_room()
            session = self._sessions[statement.session] = _Session(self._fresh(), now)
        if session.busy:
            raise refusal(SESSION_IS_LOCKED, "SESSION_IS_LOCKED", f"Session {statement.session} is locked by a concurrent client")
        session.busy = True
        return session

    def _make_room(self) -> None:
        idle = sorted((one.expires, name) for name, one in self._sessions.items() if not one.busy)
        if len(self._sessions) >= _SESSIONS_MAX and idle:
            self._sessions.pop(idle[0][1]).connection.close()

    def _configure(self, connection: Binding, statement: Statement) -> list[str]:
        for name in [*statement.settings, *statement.parameters]:
            if not _NAME.fullmatch(name):
                raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"not a name of a setting or parameter: {name!r}")
        if statement.database:
            self._query(connection, f"USE {quoted(statement.database, '`')}")
        # Both kinds arrive as text in the engine's own escaping, which SET takes over unchanged.
        self._set(connection, {f"param_{name}": value for name, value in statement.parameters.items()})
        last = {name: value for name, value in statement.settings.items() if name == "readonly"}
        changed = {name: value for name, value in statement.settings.items() if name != "readonly"}
        self._set(connection, changed | last)
        return list(changed)

    def _set(self, connection: Binding, values: Mapping[str, str]) -> None:
        if values:
            pairs = ", ".join(f"{name} = {quoted(value, chr(39))}" for name, value in values.items())
            self._query(connection, f"SET {pairs}")

    def _query(self, connection: Binding, sql: str, form: str = "TabSeparated") -> Answer:
        began = time.perf_counter_ns()
        try:
            result = connection.query(sql, form)
        except RuntimeError as problem:
            raise from_engine(problem) from problem
        return Answer(bytes(result.bytes()), int(result.rows_read()), int(result.bytes_read()), time.perf_counter_ns() - began)


def hold(folder: Path) -> "_Lock":
    """Take the folder's lock. Errors: Unavailable("engines.telemetry_in_use") naming the process that has it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        owner = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Unavailable(
            "engines.telemetry_in_use", f"{folder} is in use by another telemetry process ({owner}); end it first"
        ) from problem
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}, started {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n".encode(), 0)
    return _Lock(descriptor)


@dataclass(frozen=True)
class _Lock:
    descriptor: int

    def close(self) -> None:
        os.close(self.descriptor)


def quoted(text: str, mark: str) -> str:
    """Return the text as a literal (mark ') or a name (mark `) of ClickHouse."""
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def _caps(memory_bytes: int) -> Mapping[str, int]:
    """Start-up arguments: the engine's own defaults assume a large server."""
    return {
        "max_server_memory_usage": memory_bytes,
        "mark_cache_size": 32 * 1024 * 1024,
        "uncompressed_cache_size": 0,
        "index_mark_cache_size": 8 * 1024 * 1024,
        "background_pool_size": 2,
        "background_schedule_pool_size": 2,
        "max_thread_pool_size": 200,
    }


class _Connect(Protocol):
    def __call__(self, address: str) -> Binding: ...


def _load() -> _Connect:
    """Load the engine without the Python package around it, whose imports (pyarrow, numpy) would cost 50 MB of memory.

    RTLD_DEEPBIND first, as that package does: the engine's allocator must not be mixed with another library's.
    """
    package = importlib.util.find_spec("chdb")
    if package is None or package.origin is None:
        raise Unavailable("engines.telemetry_missing", "chdb-core-lite is not installed; install mainstay[server] again", retryable=False)
    path = Path(package.origin).with_name("_chdb.abi3.so")
    ctypes.CDLL(str(path), mode=sys.getdlopenflags() | os.RTLD_DEEPBIND)
    loader = importlib.machinery.ExtensionFileLoader("_chdb", str(path))
    spec = importlib.util.spec_from_file_location("_chdb", path, loader=loader)
    assert spec is not None  # noqa: S101 - given a loader, the function always returns one
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    connect: _Connect = module.connect
    return connect
