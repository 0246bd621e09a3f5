"""Files and folders that nobody keeps.

Owns: a file without a name, a private folder that goes with its block.
Invariant: neither is ever reached through a link that somebody else made.

Not `tempfile`: with what it imports it costs the long-lived process nearly a megabyte.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = "/tmp"  # noqa: S108 names are random, made exclusively and gone at once


def unnamed_file() -> int:
    """Return the descriptor of a file that has no name any more; whoever asked closes it."""
    path = _new_name()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.unlink(path)
    return descriptor


@contextmanager
def folder() -> Iterator[str]:
    """Make a folder of mode 0700, and remove it with all that was put into it."""
    path = _new_name()
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: str) -> None:
    # By descriptors: a link that was put there is removed and never followed.
    for _, folders, files, here in os.fwalk(path, topdown=False, follow_symlinks=False):
        for name in files:
            os.unlink(name, dir_fd=here)
        for name in folders:
            _remove_folder(name, here)
    os.rmdir(path)


def _remove_folder(name: str, here: int) -> None:
    try:
        os.rmdir(name, dir_fd=here)
    except NotADirectoryError:
        os.unlink(name, dir_fd=here)  # a link to a folder is listed among the folders


def _new_name() -> str:
    return f"{_FOLDER}/mainstay-{os.urandom(12).hex()}"
