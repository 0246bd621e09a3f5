"""HTTP/1.1 over a connected socket (RFC 9112): as much of it as one signed exchange needs.

Owns: the bytes of a request, the head of an answer, the three ways in which a body ends, every limit.
Does not own: connecting, TLS and pins (`net.exchange`), what an answer says (`net.link`).
Invariant: an answer that is longer than allowed, or that could be read in two ways, is an error and never half an answer.

Not `http.client`: with the mail parser that it reads headers with, it costs the long-lived process a megabyte and a half.
"""

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

LINE_BYTES_MAX = 8192
HEADERS_MAX = 100
INTERIM_MAX = 4
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(r"[0-9]{1,10}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?")


class BadAnswer(Exception):
    """What came is not an answer of HTTP/1.1 that can be read in one way only."""


class TooLong(BadAnswer):
    """The answer is longer than allowed."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    will_close: bool


class Conversation:
    """Requests and answers in turn on one socket. After any error it is of no use. Errors: BadAnswer, OSError."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self._connection = connection
        self._host = host
        self._stream = connection.makefile("rb")

    def close(self) -> None:
        """End it, also while another thread waits for an answer: that one then sees a closed connection."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        self._connection.close()

    def exchange(self, method: str, target: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, limit: int) -> Answer:
        self._connection.settimeout(timeout_s)
        self._connection.sendall(_request(method, target, self._host, body, headers) + body)
        minor, status, found = self._head()
        for _ in range(INTERIM_MAX):
            if status >= 200:
                break
            minor, status, found = self._head()
        data, ends_with_connection = self._body(status, found, limit)
        tokens = [one.strip().lower() for one in found.get("connection", "").split(",")]
        will_close = ends_with_connection or "close" in tokens or (minor == 0 and "keep-alive" not in tokens)
        return Answer(status, found, data, will_close)

    def _head(self) -> tuple[int, int, dict[str, str]]:
        match = _STATUS.fullmatch(self._line())
        if match is None:
            raise BadAnswer("no status line")
        headers: dict[str, str] = {}
        for _ in range(HEADERS_MAX):
            line = self._line().decode("latin-1")
            if not line:
                return int(match.group(1)), int(match.group(2)), headers
            _add(headers, line)
        raise TooLong("too many headers")

    def _body(self, status: int, headers: Mapping[str, str], limit: int) -> tuple[bytes, bool]:
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise BadAnswer("a body with two ends, or with a coding that nobody asked for")
            return self._chunks(limit), False
        if status in (204, 304):
            return b"", False
        if length is None:
            return _within(self._stream.read(limit + 1), limit), True
        if _LENGTH.fullmatch(length) is None:
            raise BadAnswer("no length")
        return self._exactly(int(length), limit), False

    def _chunks(self, limit: int) -> bytes:
        data = bytearray()
        while True:
            match = _CHUNK.fullmatch(self._line())
            if match is None:
                raise BadAnswer("no length of a chunk")
            size = int(match.group(1), 16)
            if size == 0:
                break
            data += self._exactly(size, limit - len(data))
            if self._line():
                raise BadAnswer("a chunk that goes on after its end")
        for _ in range(HEADERS_MAX):
            if not self._line():
                return bytes(data)
        raise TooLong("too many trailers")

    def _exactly(self, count: int, limit: int) -> bytes:
        if count > limit:
            raise TooLong("the body is longer than allowed")
        data = self._stream.read(count)
        if len(data) < count:
            raise BadAnswer("the connection ended inside the body")
        return data

    def _line(self) -> bytes:
        line = self._stream.readline(LINE_BYTES_MAX + 2)
        if not line:
            raise ConnectionResetError("the server closed the connection")
        if not line.endswith(b"\r\n"):
            raise TooLong("a line that does not end")
        return line[:-2]


def _request(method: str, target: str, host: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": host, "Content-Length": str(len(body)), **headers}
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    if head.count("\n") != len(fields) + 1 or head.count("\r") != len(fields) + 1:
        raise ValueError("a line break inside a header")
    return head.encode("ascii") + b"\r\n"


def _add(headers: dict[str, str], line: str) -> None:
    name, colon, value = line.partition(":")
    name, value = name.lower(), value.strip(" \t")
    if not colon or _NAME.fullmatch(name) is None:
        raise BadAnswer("no header")
    if name in ("content-length", "transfer-encoding") and headers.get(name, value) != value:
        raise BadAnswer(f"two of {name}")
    headers[name] = value if name not in headers or headers[name] == value else f"{headers[name]}, {value}"


def _within(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TooLong("the body is longer than allowed")
    return data
