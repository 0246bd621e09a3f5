"""ClickHouse's HTTP protocol on loopback, in front of the embedded engine.

Owns: connections, authentication, bodies, headers. Does not own: what a statement means (requests), how it runs (engine).
Invariant: a success is answered only after the engine has finished, so an acknowledged insert is on disk.
"""

import base64
import binascii
import hmac
import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from urllib.parse import urlsplit

from mainstay.engines.clickhouse.encoding import opened, packed
from mainstay.engines.clickhouse.engine import Answer, Engine
from mainstay.engines.clickhouse.errors import AUTHENTICATION_FAILED, BAD_ARGUMENTS, EngineError, refusal
from mainstay.engines.clickhouse.forms import fields, is_form
from mainstay.engines.clickhouse.lanes import Lanes
from mainstay.engines.clickhouse.requests import Asked, asked, url_parameters

USER = "mainstay"
_CONNECTIONS_MAX = 128
_PIECE = 64 * 1024
_IDLE_S = 75
_SLOW_S = 5.0


class TelemetryServer(ThreadingHTTPServer):
    """The listener of one engine. `secret` is drawn anew at each start of the installation."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine, *, secret: str, lanes: Lanes | None = None) -> None:
        self.engine = engine
        self.secret = secret
        self.lanes = lanes or Lanes()
        self._places = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        self._running = 0
        self._quiet = threading.Condition()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: "socket | tuple[bytes, socket]", client_address: object) -> None:
        """Give a connection a thread, or close it when there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: "socket | tuple[bytes, socket]", client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours; anything else is said in the log."""
        problem = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        if not isinstance(problem, ConnectionError | TimeoutError):
            sys.stderr.write(f"telemetry: {type(problem).__name__}: {problem}\n")

    def begin(self) -> None:
        with self._quiet:
            self._running += 1

    def end(self) -> None:
        with self._quiet:
            self._running -= 1
            self._quiet.notify_all()

    def wait_until_quiet(self, timeout_s: float) -> bool:
        """Wait until no request is being answered: the engine is closed only then."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._running == 0, timeout_s)


class _Handler(BaseHTTPRequestHandler):
    server: TelemetryServer
    protocol_version = "HTTP/1.1"
    server_version = "Mainstay-Telemetry"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def do_GET(self) -> None:
        self._guarded(may_write=False)

    def do_POST(self) -> None:
        self._guarded(may_write=True)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: at one insert per second the log would say nothing else."""

    def _guarded(self, *, may_write: bool) -> None:
        self.server.begin()
        began = time.monotonic()
        try:
            self._routed(may_write=may_write)
        except EngineError as problem:
            self._failed(problem)
        finally:
            self.server.end()
        if time.monotonic() - began > _SLOW_S:
            sys.stderr.write(f"telemetry: a request took {time.monotonic() - began:.1f} s\n")

    def _routed(self, *, may_write: bool) -> None:
        address = urlsplit(self.path)
        if address.path == "/ping":
            self._reply(200, b"Ok.\n", {})
            return
        parameters = url_parameters(address.query)
        self._authenticate(parameters)
        if not may_write and "query" not in parameters:
            self._reply(200, b"Ok.\n", {})
            return
        body = opened(self._body(), self.headers.get("Content-Encoding", "").lower())
        content_type = self.headers.get("Content-Type", "")
        if is_form(content_type):
            # The address counts where both name something: it is what was authenticated and limited.
            parameters = fields(content_type, body) | parameters
        with asked(parameters, dict(self.headers), body, may_write=may_write) as what:
            for _rest in body:  # what a statement did not need must not be read as the next request
                pass
            with self.server.lanes.turn(reading=what.reading):
                answer = self.server.engine.run(what.statement)
        self._answered(what, answer, parameters)

    def _answered(self, what: Asked, answer: Answer, parameters: dict[str, str]) -> None:
        body, coding = answer.body, ""
        if parameters.get("enable_http_compression") in ("1", "true"):
            body, coding = packed(body, self.headers.get("Accept-Encoding", ""))
        headers = {
            "Content-Type": _content_type(what.format),
            "X-ClickHouse-Summary": _summary(what, answer),
            "X-ClickHouse-Query-Id": parameters.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "mainstay",
        }
        headers |= {"X-ClickHouse-Format": what.format} if what.format else {}
        headers |= {"Content-Encoding": coding} if coding else {}
        self._reply(200, body, headers)

    def _authenticate(self, parameters: dict[str, str]) -> None:
        user = self.headers.get("X-ClickHouse-User") or parameters.get("user", "")
        secret = self.headers.get("X-ClickHouse-Key") or parameters.get("password", "")
        scheme, _, basic = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            user, secret = _basic(basic)
        same = hmac.compare_digest(secret.encode(), self.server.secret.encode())
        if user != USER or not same:
            raise refusal(
                AUTHENTICATION_FAILED,
                "AUTHENTICATION_FAILED",
                f"{user or 'nobody'}: Authentication failed: password is incorrect, or there is no user with such name",
            )

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            yield from self._chunks()
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit():
            raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", "Content-Length is not a number")
        yield from self._exactly(int(length))

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._exactly(size)
            self.rfile.readline(16)
        while self.rfile.readline(_PIECE).strip():
            pass  # trailers carry nothing that we use

    def _chunk_size(self) -> int:
        line = self.rfile.readline(64)
        try:
            return int(line.split(b";")[0], 16)
        except ValueError as problem:
            raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", "the chunked body is damaged") from problem

    def _exactly(self, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self.rfile.read(min(length, _PIECE))
            if not piece:
                raise ConnectionAbortedError("the client closed the connection within a body")
            length -= len(piece)
            yield piece

    def _failed(self, problem: EngineError) -> None:
        # The body may be half read; a new connection is cheaper than guessing where the next request begins.
        self.close_connection = True
        text = f"{problem.text} (version {self.server.engine.version})\n"
        headers = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(problem.code), "Connection": "close"}
        self._reply(problem.status, text.encode(), headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value.replace("\r", "").replace("\n", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _basic(text: str) -> tuple[str, str]:
    try:
        user, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret


def _summary(what: Asked, answer: Answer) -> str:
    written = answer.rows if what.is_insert_of_data else 0
    counts = {
        "read_rows": answer.rows,
        "read_bytes": answer.bytes_read,
        "written_rows": written,
        "written_bytes": answer.bytes_read if what.is_insert_of_data else 0,
        "total_rows_to_read": 0,
        "result_rows": written,
        "result_bytes": len(answer.body),
        "elapsed_ns": answer.elapsed_ns,
    }
    return json.dumps({name: str(value) for name, value in counts.items()}, separators=(",", ":"))


def _content_type(form: str) -> str:
    if form.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if form in ("TabSeparated", "TSV", "Pretty", "PrettyCompact", "Vertical", ""):
        return "text/tab-separated-values; charset=UTF-8" if form.startswith("T") else "text/plain; charset=UTF-8"
    return "application/octet-stream"
