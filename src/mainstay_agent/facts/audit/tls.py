"""What the machine's own TLS ports present, and whether they take versions that are too old.

Owns: group audit_tls: which ports are asked, the two handshakes, the hello of an old version.
Does not own: reading certificates (`host.der`).
Invariant: only ports that usually speak TLS, or belong to a program that does, are asked: no other service is fed unknown bytes.
"""

import os
import socket
import ssl
import struct

from mainstay_agent.facts.audit.looking import Look
from mainstay_agent.facts.network import listening_sockets
from mainstay_agent.facts.value import Fields, Value
from mainstay_agent.host.der import key_and_signature, parse_certificate
from mainstay_agent.host.machine import Machine

_PORTS = frozenset(
    {
        443, 465, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 4433, 5061, 5671, 5986, 6443, 6514, 8006, 8443, 8883, 9090, 9443, 10000,
        10250, 16514,
    }
)  # fmt: skip
_PROGRAMS = frozenset(
    {"nginx", "apache2", "httpd", "haproxy", "caddy", "traefik", "envoy", "lighttpd", "stunnel4", "stunnel", "hitch", "dovecot"}
)
TIMEOUT_S = 2.0
LISTENERS_MAX = 30
_OLD = {"TLSv1.0": b"\x03\x01", "TLSv1.1": b"\x03\x02"}
# Suites that TLS 1.0 and 1.1 know, ECDHE and RSA, AES and 3DES.
_SUITES = bytes.fromhex("c014c00ac013c009c012c0080039003300350 02f0016000a0005".replace(" ", ""))
_GROUPS = bytes.fromhex("000a00080006001d00170018000b00020100")  # supported groups and point formats
_HANDSHAKE, _SERVER_HELLO = 0x16, 0x02


def listeners(machine: Machine) -> Fields:
    look = Look(machine)
    rows: list[Value] = []
    for address, port, process in _candidates(machine)[:LISTENERS_MAX]:
        rows.append(_listener(look, address, port, process))
    return look.fields(listeners=rows)


def _candidates(machine: Machine) -> list[tuple[str, int, str | None]]:
    found: dict[int, tuple[str, int, str | None]] = {}
    listed = listening_sockets(machine)["listening"]
    for row in listed if isinstance(listed, list) else []:
        if not isinstance(row, dict) or row["protocol"] != "tcp":
            continue
        port, process = int(str(row["port"])), row.get("process")
        if port in _PORTS or process in _PROGRAMS:
            found.setdefault(port, (_reachable(str(row["address"])), port, process if isinstance(process, str) else None))
    return [found[port] for port in sorted(found)]


def _reachable(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104  (an address that was read, none that we bind)


def _listener(look: Look, address: str, port: int, process: str | None) -> Fields:
    fields: Fields = {"address": address, "port": port, "process": process, "tls": False}
    data = _presented(address, port)
    if data is None:
        return fields
    certificate = parse_certificate(data)
    kind, bits, curve, signature = key_and_signature(data)
    look.note(f"TLS handshake with {address}:{port}", data.hex(), f"{certificate.subject}, issued by {certificate.issuer}, {kind} {bits}")
    return fields | {
        "tls": True,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": [*certificate.names],
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "key_type": kind,
        "key_bits": bits,
        "curve": curve,
        "signature": signature,
        "chain": "self_signed" if certificate.subject == certificate.issuer else _chain(address, port),
        "old_versions": _old_versions(address, port),
    }


def _presented(address: str, port: int) -> bytes | None:
    """Return the certificate that a port presents, or None when it does not speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # we look at it, we do not trust it
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with socket.create_connection((address, port), TIMEOUT_S) as plain, context.wrap_socket(plain) as secured:
            return secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None


def _chain(address: str, port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    try:
        with socket.create_connection((address, port), TIMEOUT_S) as plain, context.wrap_socket(plain):
            return "trusted"
    except (OSError, ValueError):
        return "untrusted"


def _old_versions(address: str, port: int) -> list[Value] | None:
    """Say hello in each old version and list those that are taken; None when a port did not answer in time."""
    taken: list[Value] = []
    for name, version in _OLD.items():
        answer = _say(address, port, client_hello(version))
        if answer is None:
            return None
        if is_taken(answer, version):
            taken.append(name)
    return taken


def client_hello(version: bytes) -> bytes:
    """Return a complete hello of TLS 1.0 or 1.1. Source: RFC 4346 section 7.4.1.2."""
    extensions = _GROUPS
    body = (
        version
        + os.urandom(32)
        + b"\0"
        + struct.pack(">H", len(_SUITES))
        + _SUITES
        + b"\x01\0"
        + struct.pack(">H", len(extensions))
        + extensions
    )
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def is_taken(answer: bytes, version: bytes) -> bool:
    """Tell whether a server answered with a hello of that version (and not with an alert or a close)."""
    return len(answer) >= 11 and answer[0] == _HANDSHAKE and answer[5] == _SERVER_HELLO and answer[9:11] == version


def _say(address: str, port: int, data: bytes) -> bytes | None:
    try:
        with socket.create_connection((address, port), TIMEOUT_S) as connection:
            connection.sendall(data)
            return connection.recv(64)
    except TimeoutError:
        return None
    except OSError:
        return b""  # reset: refused
