"""One HTTP exchange: the seam between the agent and the wire.

Owns: connections, TLS with a pinned key, limits on what is read, the rule that plain HTTP goes to loopback only.
Does not own: signatures and replies (`net.link`).
Invariant: nothing is sent over TLS before the peer's key has been compared with a pin.
"""

import hashlib
import socket
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from mainstay_agent.host.der import public_key_info
from mainstay_agent.net.http1 import BadAnswer, Conversation, TooLong
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

    def turn_to(self, url: str) -> None:
        """Speak to another address from the next request on."""

    def close(self) -> None: ...


@dataclass(slots=True)
class HttpExchange:
    """A kept-alive connection to one base address. `pins` None accepts any key and only reports it: for enrolment, which proves it."""

    url: str
    pins: Callable[[], Collection[str]] | None
    spki: str = NO_TLS
    _connection: Conversation | None = field(default=None, repr=False)

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        if len(body) > REQUEST_BYTES_MAX:
            raise Unreachable("too_large", f"a request has at most {REQUEST_BYTES_MAX} bytes")
        is_fresh = self._connection is None
        try:
            return self._send(method, target, body, headers, timeout_s)
        except (BadAnswer, OSError) as problem:
            self.close()
            if is_fresh or isinstance(problem, TimeoutError):
                raise _unreachable(problem) from problem
        # The server closed an idle connection: requests are idempotent by their numbers, so one repetition on a new one is safe.
        try:
            return self._send(method, target, body, headers, timeout_s)
        except (BadAnswer, OSError) as problem:
            self.close()
            raise _unreachable(problem) from problem

    def connect(self) -> None:
        """Connect ahead of the first request, so that `spki` is known. Errors: Unreachable."""
        try:
            self._connect()
        except (BadAnswer, OSError) as problem:
            raise _unreachable(problem) from problem

    def turn_to(self, url: str) -> None:
        if url != self.url:
            self.close()
            self.url = url

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        connection = self._connection or self._connect()
        sent = {**headers, "Accept-Encoding": "identity", "Connection": "keep-alive"}
        answer = connection.exchange(method, target, body, sent, timeout_s=timeout_s, limit=REPLY_BYTES_MAX)
        if answer.will_close:
            self.close()
        return Response(answer.status, answer.headers, answer.body)

    def _connect(self) -> Conversation:
        parts = urlsplit(self.url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not host:
            raise Unreachable("bad_url", "an address starts with https:// (or http:// on this machine)")
        if not is_tls and not is_loopback(host):
            raise Unreachable("plain_http", "without TLS only this machine itself may be the server")
        connection = _dial(host, parts.port or (443 if is_tls else 80))
        try:
            connection = self._over_tls(connection, host) if is_tls else connection
        except (OSError, Unreachable):
            connection.close()
            raise
        self._connection = Conversation(connection, parts.netloc.rpartition("@")[2])
        return self._connection

    def _over_tls(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        # Names and authorities decide nothing here: the pin does, and it is compared before the first byte of a request.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        wrapped = context.wrap_socket(connection, server_hostname=host)
        self.spki = _peer_key(wrapped)
        if self.pins is not None and self.spki not in self.pins():
            wrapped.close()
            raise Unreachable("pin_mismatch", f"the server's key {self.spki[:16]} is not pinned")
        return wrapped


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _dial(host: str, port: int) -> socket.socket:
    """Connect to the first address of a name that answers. Errors: OSError."""
    # Bytes, where the name allows it: a name as text loads the tables of international names.
    name = host.encode("ascii") if host.isascii() else host.encode("idna")
    problem = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(CONNECT_TIMEOUT_S)
            connection.connect(address)
        except OSError as found:
            connection.close()
            problem = found
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise problem


def _peer_key(connection: ssl.SSLSocket) -> str:
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        raise Unreachable("tls", "the server showed no certificate")
    try:
        return hashlib.sha256(public_key_info(certificate)).hexdigest()
    except (ValueError, StopIteration) as problem:
        raise Unreachable("tls", "the server's certificate cannot be read") from problem


def _unreachable(problem: Exception) -> Unreachable:
    if isinstance(problem, Unreachable):
        return problem
    if isinstance(problem, TooLong):
        return Unreachable("too_large", "the reply is longer than allowed")
    if isinstance(problem, ssl.SSLError):
        return Unreachable("tls", str(problem))
    if isinstance(problem, TimeoutError):
        return Unreachable("timeout", "no answer in time")
    if isinstance(problem, socket.gaierror):
        return Unreachable("dns", str(problem))
    return Unreachable("tcp" if isinstance(problem, OSError) else "http", str(problem))
