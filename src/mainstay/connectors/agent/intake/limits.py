"""How much a request may hold, checked while it is read. Source: endpoint page, rule X8."""

import json
import zlib

from mainstay.kernel.errors import Invalid, MainstayError

BODY_BYTES_MAX = 4 * 1024 * 1024
EXPANDED_BYTES_MAX = 16 * 1024 * 1024
# Eight levels for what a stream carries (the addresses of an interface need them all), two for the request around it.
DEPTH_MAX = 10
_CHUNK = 256 * 1024


class TooLarge(MainstayError):
    """More than the limit; nothing of it was kept, and the connection is closed."""

    status = 413


def too_large(what: str, bytes_max: int) -> TooLarge:
    return TooLarge("too_large", f"The {what} has more than {bytes_max // 1024} KiB; send less at once.", bytes_max=bytes_max)


def expand(body: bytes, encoding: str) -> bytes:
    """Return the decompressed body, never holding more than the limit. Errors: TooLarge, Invalid."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Invalid("bad_encoding", "Content-Encoding is gzip or absent.")
    stream, parts, size = zlib.decompressobj(wbits=31), [], 0
    data = body
    try:
        while data and not stream.eof:
            part = stream.decompress(data, _CHUNK)
            size += len(part)
            if size > EXPANDED_BYTES_MAX:
                raise too_large("decompressed body", EXPANDED_BYTES_MAX)
            parts.append(part)
            data = stream.unconsumed_tail
    except zlib.error as error:
        raise Invalid("bad_encoding", "The body is not gzip.") from error
    if not stream.eof:
        raise Invalid("bad_encoding", "The gzip body ends too early.")
    return b"".join(parts)


def parse(body: bytes) -> dict[str, object]:
    """Read a request's JSON object. Errors: Invalid("bad_request") for anything else, and for nesting beyond the limit."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("bad_request", "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Invalid("bad_request", "The body is a JSON object.")
    if not _is_within(value):
        raise Invalid("bad_request", f"The body is nested deeper than {DEPTH_MAX} levels.")
    return value


def _is_within(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False
