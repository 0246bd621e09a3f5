"""A stream that only the passphrase opens: Argon2id makes the key, XChaCha20-Poly1305 in libsodium's secretstream seals chunks.

Owns: the file's first line, the frames, the proof that nothing is missing at the end. Does not own: what is inside.
Invariant: a reader sees bytes only after their authentication; the end is a frame of its own, so a cut file is an error.
"""

import io
import json
import os
from typing import IO, TYPE_CHECKING

from nacl import bindings, pwhash

from mainstay.kernel.errors import Invalid

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FORMAT = "mainstay-backup.v1"
CHUNK_BYTES = 64 * 1024
_FIRST_LINE_BYTES_MAX = 1024
_LENGTH_BYTES = 4
_MESSAGE, _FINAL = (bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE, bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL)
_OVERHEAD = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
# Bounds on what a foreign file may make this machine compute.
_OPS_MAX, _MEMORY_MAX = pwhash.argon2id.OPSLIMIT_SENSITIVE, pwhash.argon2id.MEMLIMIT_SENSITIVE


class SealedWriter(io.RawIOBase):
    """A file object for writing. `finish` writes the final frame; without it the file is not whole."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        salt = os.urandom(pwhash.argon2id.SALTBYTES)
        ops, memory = pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE
        self._file = file
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        header = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, _key(passphrase, salt, ops, memory))
        first = {"format": FORMAT, "kdf": "argon2id", "salt": salt.hex(), "ops": ops, "memory": memory, "header": header.hex()}
        self._first = json.dumps(first, sort_keys=True).encode() + b"\n"
        file.write(self._first)
        self._buffer = bytearray()

    def write(self, data: "ReadableBuffer") -> int:
        self._buffer += memoryview(data)
        while len(self._buffer) > CHUNK_BYTES:
            self._push(bytes(self._buffer[:CHUNK_BYTES]), _MESSAGE)
            del self._buffer[:CHUNK_BYTES]
        return memoryview(data).nbytes

    def finish(self) -> None:
        self._push(bytes(self._buffer), _FINAL)
        self._buffer.clear()

    def _push(self, chunk: bytes, tag: int) -> None:
        # The first line is bound to every frame, so that nobody can weaken its numbers unseen.
        frame = bindings.crypto_secretstream_xchacha20poly1305_push(self._state, chunk, self._first, tag)
        self._file.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)


class SealedReader(io.RawIOBase):
    """A file object for reading. Errors: Invalid("engines.backup_unreadable") for a wrong passphrase, a changed or a cut file."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        self._file = file
        self._first = file.readline(_FIRST_LINE_BYTES_MAX)
        said = _first_line(self._first)
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        key = _key(passphrase, bytes.fromhex(str(said["salt"])), int(str(said["ops"])), int(str(said["memory"])))
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(self._state, bytes.fromhex(str(said["header"])), key)
        self._buffer = bytearray()
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._buffer) < size):
            self._buffer += self._pull()
        taken = bytes(self._buffer if size < 0 else self._buffer[:size])
        del self._buffer[: len(taken)]
        return taken

    def _pull(self) -> bytes:
        length = int.from_bytes(self._file.read(_LENGTH_BYTES), "big")
        if not _OVERHEAD <= length <= CHUNK_BYTES + _OVERHEAD:
            raise _unreadable("it ends too early, or is damaged")
        try:
            chunk, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(self._state, self._file.read(length), self._first)
        except (RuntimeError, ValueError) as problem:
            raise _unreadable("the passphrase is another one, or the file was changed") from problem
        self._ended = tag == _FINAL
        return bytes(chunk)


def _first_line(line: bytes) -> dict[str, object]:
    try:
        said = json.loads(line)
        sound = (
            said["format"] == FORMAT
            and len(bytes.fromhex(said["salt"])) == pwhash.argon2id.SALTBYTES
            and len(bytes.fromhex(said["header"])) == bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
            and 1 <= int(said["ops"]) <= _OPS_MAX
            and pwhash.argon2id.MEMLIMIT_MIN <= int(said["memory"]) <= _MEMORY_MAX
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise _unreadable(f"it is no {FORMAT} file") from problem
    if not sound:
        raise _unreadable(f"it is no {FORMAT} file")
    return dict(said)


def _key(passphrase: str, salt: bytes, ops: int, memory: int) -> bytes:
    size = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
    return pwhash.argon2id.kdf(size, passphrase.encode(), salt, opslimit=ops, memlimit=memory)


def _unreadable(cause: str) -> Invalid:
    return Invalid("engines.backup_unreadable", f"the backup cannot be read: {cause}. Nothing was changed.")
