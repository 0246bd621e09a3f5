"""Where a passphrase comes from: a file descriptor, a file named by the environment, or the terminal.

Owns: that order. Does not own: strength rules (`keyfile`).
Invariant: a passphrase is never an argument, because arguments are visible to every user of the machine.
"""

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mainstay_sign import files
from mainstay_trust.errors import Rejected

ENVIRONMENT_NAME = "MAINSTAY_SIGN_PASSPHRASE_FILE"
_BYTES_MAX = 1024


def obtain(descriptor: int | None, environ: Mapping[str, str], *, is_new: bool) -> str:
    """Return the passphrase. A new one typed at a terminal is asked for twice. Errors: Rejected("no_passphrase")."""
    if descriptor is not None:
        return _from_descriptor(descriptor)
    if environ.get(ENVIRONMENT_NAME):
        return _line(files.read(Path(environ[ENVIRONMENT_NAME])))
    if not sys.stdin.isatty():
        raise Rejected("no_passphrase", f"no terminal: use --passphrase-fd or {ENVIRONMENT_NAME}")
    typed = getpass.getpass("Passphrase of the keys file: ", stream=sys.stderr)
    if is_new and getpass.getpass("Once more: ", stream=sys.stderr) != typed:
        raise Rejected("no_passphrase", "the two passphrases differ")
    return typed


def _from_descriptor(descriptor: int) -> str:
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return _line(stream.read(_BYTES_MAX))
    except OSError as error:
        raise Rejected("no_passphrase", f"descriptor {descriptor}: {error.strerror}") from error


def _line(data: bytes) -> str:
    try:
        return data.decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise Rejected("no_passphrase", "the passphrase is not UTF-8") from error
