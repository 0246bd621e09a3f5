"""One HTTP exchange: the seam between the agent and the wire.

Owns: connections, TLS with a pinned key, limits on what is read, the rule that plain HTTP goes to loopback only.
Does not own: signatures and replies (`net.link`).
Invariant: nothing is sent over TLS before the peer's key has been compared with a pin.
"""

import hashlib
import http.client
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from mainstay_agent.host.der import public_key_info
from mainstay_agent.net.problems import Unreachable
from mainstay_trust.enrol import NO_TLS

REPLY_BYTES_MAX = 1024 * 1024
REQUEST_BYTES_MAX = 4 * 1024 * 1024
CONNECT_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Sends one request. Raises Unreachable. `spki` is the hex hash of the peer's key of the last exchange, zeros without TLS."""

    spki: str

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class HttpExchange:
    """A kept-alive connection to one base address. `pins` None accepts any key and only reports it: for enrolment, which proves it."""

    url: str
    pins: Callable[[], Collection[str]] | None
    spki: str = NO_TLS
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        if len(body) > REQUEST_BYTES_MAX:
            raise Unreachable("too_large", f"a request has at most {REQUEST_BYTES_MAX} bytes")
        is_fresh = self._connection is None
        try:
            return self._send(method, target, body, headers, timeout_s)
        except (http.client.HTTPException, OSError) as problem:
            self.close()
            if is_fresh or isinstance(problem, TimeoutError):
                raise _unreachable(problem) from problem
        # The server closed an idle connection: requests are idempotent by their numbers, so one repetition on a new one is safe.
        try:
            return self._send(method, target, body, headers, timeout_s)
        except (http.client.HTTPException, OSError) as problem:
            self.close()
            raise _unreachable(problem) from problem

    def connect(self) -> None:
        """Connect ahead of the first request, so that `spki` is known. Errors: Unreachable."""
        try:
            self._connect()
        except (http.client.HTTPException, OSError) as problem:
            raise _unreachable(problem) from problem

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        connection = self._connection or self._connect()
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        connection.request(method, target, body=body, headers={**headers, "Accept-Encoding": "identity", "Connection": "keep-alive"})
        answer = connection.getresponse()
        data = answer.read(REPLY_BYTES_MAX + 1)
        if len(data) > REPLY_BYTES_MAX:
            self.close()
            raise Unreachable("too_large", "the reply is longer than allowed")
        if answer.will_close:
            self.close()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not host:
            raise Unreachable("bad_url", "an address starts with https:// (or http:// on this machine)")
        if not is_tls and not is_loopback(host):
            raise Unreachable("plain_http", "without TLS only this machine itself may be the server")
        connection = (
            _tls(host, parts.port or 443) if is_tls else http.client.HTTPConnection(host, parts.port or 80, timeout=CONNECT_TIMEOUT_S)
        )
        connection.connect()
        self.spki = _peer_key(connection) if is_tls else NO_TLS
        if is_tls and self.pins is not None and self.spki not in self.pins():
            connection.close()
            raise Unreachable("pin_mismatch", f"the server's key {self.spki[:16]} is not pinned")
        self._connection = connection
        return connection


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(host: str, port: int) -> http.client.HTTPSConnection:
    # Names and authorities decide nothing here: the pin does, and it is compared before the first byte of a request.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_S, context=context)


def _peer_key(connection: http.client.HTTPConnection) -> str:
    certificate = connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else None
    if certificate is None:
        raise Unreachable("tls", "the server showed no certificate")
    try:
        return hashlib.sha256(public_key_info(certificate)).hexdigest()
    except (ValueError, StopIteration) as problem:
        raise Unreachable("tls", "the server's certificate cannot be read") from problem


def _unreachable(problem: Exception) -> Unreachable:
    if isinstance(problem, Unreachable):
        return problem
    if isinstance(problem, ssl.SSLError):
        return Unreachable("tls", str(problem))
    if isinstance(problem, TimeoutError):
        return Unreachable("timeout", "no answer in time")
    if isinstance(problem, OSError) and type(problem).__name__ == "gaierror":
        return Unreachable("dns", str(problem))
    return Unreachable("tcp" if isinstance(problem, OSError) else "http", str(problem))
