"""Frames of the helper's socket (rule P3): a length of four bytes, big-endian, then strict JSON.

Owns: reading and writing one frame, its limits.
Invariant: a length is judged before anything is read for it, and JSON that could be read in two ways is refused.
"""

import socket
import struct
from collections.abc import Mapping

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected

REQUEST_BYTES_MAX = 256 * 1024
REPLY_BYTES_MAX = 2 * 1024 * 1024
_LENGTH = struct.Struct(">I")
INTERNAL = "internal"  # the one error code that is no refusal: the root half itself has failed
_DEPTH_MAX = 16


def write_frame(connection: socket.socket, value: Mapping[str, JSON], limit: int) -> None:
    """Send one frame. Errors: Rejected("too_large"), OSError."""
    connection.sendall(encode_frame(value, limit))


def encode_frame(value: Mapping[str, JSON], limit: int) -> bytes:
    """Return the bytes of one frame. Errors: Rejected("too_large")."""
    data = canonical.encode(value, depth_max=_DEPTH_MAX)
    if len(data) > limit:
        raise Rejected("too_large", f"a frame has at most {limit} bytes")
    return _LENGTH.pack(len(data)) + data


def read_frame(connection: socket.socket, limit: int) -> dict[str, JSON]:
    """Receive one frame. Errors: Rejected("too_large" | "bad_frame" | "bad_json"), OSError."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if not 2 <= length <= limit:
        raise Rejected("too_large", f"a frame has 2 to {limit} bytes")
    return canonical.parse_object(_exactly(connection, length), depth_max=_DEPTH_MAX)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0:
        part = connection.recv(min(count, 65536))
        if not part:
            raise Rejected("bad_frame", "the connection ended inside a frame")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
