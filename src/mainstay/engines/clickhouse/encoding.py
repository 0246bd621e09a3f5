"""Content codings of request and reply, as ClickHouse accepts them.

Invariant: a compressed body is opened piece by piece and never beyond the limit, so a small body cannot fill the memory.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator

import lz4.frame
from backports import zstd

from mainstay.engines.clickhouse.errors import TOO_MANY_BYTES, UNKNOWN_COMPRESSION, refusal

BODY_BYTES_MAX = 512 * 1024 * 1024
# Below this size a reply is smaller than the work of compressing it.
_REPLY_BYTES_MIN = 1024


def opened(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield the decoded body. Errors: code 89 for an unknown coding or a damaged body, 307 beyond the limit."""
    total = 0
    try:
        for piece in _decoded(pieces, coding):
            total += len(piece)
            if total > BODY_BYTES_MAX:
                raise refusal(TOO_MANY_BYTES, "TOO_MANY_BYTES", f"the request body is larger than {BODY_BYTES_MAX} bytes")
            yield piece
    except (zlib.error, zstd.ZstdError, RuntimeError, EOFError) as problem:
        raise refusal(UNKNOWN_COMPRESSION, "UNKNOWN_COMPRESSION_METHOD", f"the {coding} body cannot be read: {problem}") from problem


def packed(body: bytes, accepted: str) -> tuple[bytes, str]:
    """Return the reply and its coding ("" for none), by what the client accepts."""
    names = {part.split(";")[0].strip() for part in accepted.split(",")}
    if len(body) < _REPLY_BYTES_MIN:
        return body, ""
    if "zstd" in names:
        return zstd.compress(body, 1), "zstd"
    if "lz4" in names:
        return lz4.frame.compress(body), "lz4"
    if "gzip" in names:
        maker = zlib.compressobj(1, zlib.DEFLATED, 31)
        return maker.compress(body) + maker.flush(), "gzip"
    return body, ""


def _decoded(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    if coding in ("", "identity"):
        yield from pieces
        return
    step, finished = _opener(coding)
    for piece in pieces:
        yield from step(piece)
    if not finished():
        raise EOFError("it ends too early")


Step = Callable[[bytes], Iterator[bytes]]


def _opener(coding: str) -> tuple[Step, Callable[[], bool]]:
    if coding in ("gzip", "deflate"):
        return _zlib_opener(31 if coding == "gzip" else zlib.MAX_WBITS)
    if coding == "zstd":
        return _framed_opener(zstd.ZstdDecompressor)
    if coding == "lz4":
        return _framed_opener(lz4.frame.LZ4FrameDecompressor)
    raise refusal(UNKNOWN_COMPRESSION, "UNKNOWN_COMPRESSION_METHOD", f"unknown content coding {coding!r}; use gzip, deflate, zstd or lz4")


def _zlib_opener(bits: int) -> tuple[Step, Callable[[], bool]]:
    opener = zlib.decompressobj(bits)

    def step(piece: bytes) -> Iterator[bytes]:
        while piece:
            yield opener.decompress(piece, _PIECE)
            piece = opener.unconsumed_tail

    return step, lambda: opener.eof


_PIECE = 1024 * 1024


def _framed_opener(make: Callable[[], "zstd.ZstdDecompressor | lz4.frame.LZ4FrameDecompressor"]) -> tuple[Step, Callable[[], bool]]:
    """Open consecutive frames: a client may close one frame per block."""
    state = [make()]

    def step(piece: bytes) -> Iterator[bytes]:
        while piece:
            if state[0].eof:
                state[0] = make()
            yield state[0].decompress(piece, _PIECE)
            while not state[0].eof and not state[0].needs_input:
                yield state[0].decompress(b"", _PIECE)
            piece = (state[0].unused_data or b"") if state[0].eof else b""

    return step, lambda: state[0].eof
