"""From an HTTP request of ClickHouse's protocol to a statement, and where its data are.

Owns: which URL parameters are settings, where the statement is (URL, body, or both), where the data of an INSERT go.
Does not own: sockets, the engine. Invariant: data of an INSERT go into a file untouched; they never pass through text.
Source: ClickHouse documentation, "HTTP interface".
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl

from mainstay.engines.clickhouse.engine import Statement
from mainstay.engines.clickhouse.errors import BAD_ARGUMENTS, SYNTAX_ERROR, TOO_MANY_BYTES, refusal
from mainstay.engines.clickhouse.statements import data_insert, is_reading, output_format, single

_HEAD_BYTES = 64 * 1024
_TEXT_BYTES_MAX = 16 * 1024 * 1024
# Parameters of the protocol; every other one is a setting of the engine.
_PROTOCOL = {
    "query",
    "database",
    "default_format",
    "query_id",
    "session_id",
    "session_timeout",
    "session_check",
    "user",
    "password",
    "quota_key",
    "compress",
    "decompress",
    "buffer_size",
    "wait_end_of_query",
    "stacktrace",
    "client_protocol_version",
    "close_session",
    "role",
}


@dataclass(frozen=True)
class Asked:
    """A statement ready to run. `reading` names its lane, `format` what a query answers in."""

    statement: Statement
    reading: bool
    format: str
    is_insert_of_data: bool


def url_parameters(query: str) -> dict[str, str]:
    """Read the query string. Errors: code 36 for too many or malformed parameters."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=1000, errors="strict"))
    except (ValueError, UnicodeDecodeError) as problem:
        raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"the query string cannot be read: {problem}") from problem


@contextmanager
def asked(parameters: Mapping[str, str], headers: Mapping[str, str], body: Iterable[bytes], *, may_write: bool) -> Iterator[Asked]:
    """Yield what a request asks; the file with its data lives as long as the block.

    Errors: code 62 for more than one statement, 307 for a statement text that is too long.
    """
    pieces = iter(body)
    head = _first(pieces)
    text_in_url = parameters.get("query", "")
    text = (text_in_url + "\n" if text_in_url else "").encode()
    # Latin-1 keeps one character per byte, so a place in the text is a place in the bytes even where data are binary.
    found = data_insert((text + head).decode("latin-1"))
    if found is None:
        sql = single(_text(text, head, pieces))
        yield _prepared(sql, parameters, headers, may_write=may_write)
        return
    insert, begin = found
    with _in_file((text + head)[begin:], pieces) as path:
        sql = insert.reading_from(path).encode("latin-1").decode("utf-8", "replace")
        yield Asked(_statement(sql, parameters, headers, may_write=may_write), False, "", True)


def _prepared(sql: str, parameters: Mapping[str, str], headers: Mapping[str, str], *, may_write: bool) -> Asked:
    default = headers.get("X-ClickHouse-Format") or parameters.get("default_format") or "TabSeparated"
    statement = _statement(sql, parameters, headers, may_write=may_write, form=default)
    return Asked(statement, is_reading(sql), output_format(sql, default), False)


def _statement(
    sql: str, parameters: Mapping[str, str], headers: Mapping[str, str], *, may_write: bool, form: str = "TabSeparated"
) -> Statement:
    settings = {name: value for name, value in parameters.items() if name not in _PROTOCOL and not name.startswith("param_")}
    if not may_write:
        settings.setdefault("readonly", "1")
    return Statement(
        sql=sql,
        form=form,
        database=parameters.get("database") or headers.get("X-ClickHouse-Database") or "",
        settings=settings,
        parameters={name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")},
        session=parameters.get("session_id", ""),
        session_s=_seconds(parameters.get("session_timeout", "60")),
        must_exist=parameters.get("session_check") == "1",
    )


def _seconds(text: str) -> float:
    if not text.isascii() or not text.isdigit():
        raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"session_timeout must be a number of seconds, not {text!r}")
    return min(float(text), 3600.0)


def _first(pieces: Iterator[bytes]) -> bytes:
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    return bytes(head)


def _text(text: bytes, head: bytes, pieces: Iterable[bytes]) -> str:
    whole = bytearray(text + head)
    for piece in pieces:
        whole += piece
        if len(whole) > _TEXT_BYTES_MAX:
            raise refusal(TOO_MANY_BYTES, "TOO_MANY_BYTES", f"the statement is longer than {_TEXT_BYTES_MAX} bytes")
    try:
        return whole.decode()
    except UnicodeDecodeError as problem:
        raise refusal(SYNTAX_ERROR, "SYNTAX_ERROR", f"the statement is not UTF-8: {problem.reason} at byte {problem.start}") from problem


@contextmanager
def _in_file(head: bytes, pieces: Iterable[bytes]) -> Iterator[str]:
    """Write data into a file without a name, in memory: nothing to clean up after a kill, nothing that fills the disk."""
    descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(head)
            for piece in pieces:
                file.write(piece)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
