"""Key files of the server's own processes: drawn at first use, readable by their owner only.

Owns: the files. Does not own: what is signed with them. Invariant: a key is written once, by one process.
"""

import os
import secrets
from pathlib import Path

from mainstay.engines.layout import Layout


def web_secret(layout: Layout) -> str:
    """Return Django's secret key: the installation's own where this process may read it, else one for this process alone.

    Only the web process signs cookies; the others never need the same key, and should not be able to read it.
    """
    try:
        return read_or_create(layout.keys / "web" / "secret", nbytes=48).hex()
    except PermissionError:
        return secrets.token_hex(48)


def read_or_create(path: Path, *, nbytes: int = 32) -> bytes:
    """Return the bytes of a key file, drawing them first where there is none. Mode 0600, never overwritten."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(nbytes))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # fails when another process won the race, whose key then counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
