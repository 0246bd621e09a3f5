"""Files in and out: written whole or not at all, private where they must be.

Owns: atomic writes, reading with a stable error. Does not own: what a file means.
Invariant: after a crash a file holds its old content or its new one; a private file is never readable by others, not even briefly.
"""

import os
from pathlib import Path

from mainstay_trust.errors import Rejected

FILE_BYTES_MAX = 64 * 1024 * 1024


def read(path: Path) -> bytes:
    """Return a file's bytes. Errors: Rejected("no_file" | "too_large")."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Rejected("no_file", f"{path}: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise Rejected("too_large", f"{path} is larger than 64 MiB")
    return data


def write(path: Path, data: bytes, *, is_private: bool = False) -> None:
    """Replace a file by fsync and rename. Errors: Rejected("not_written")."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise Rejected("not_written", f"{path}: {error.strerror}") from error


def append(path: Path, line: bytes) -> None:
    """Add one line and fsync it; the file is private."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Rejected("not_written", f"{path}: {error.strerror}") from error
