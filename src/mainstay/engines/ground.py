"""The folders of an installation on disk: made, owned and closed as each process needs.

Owns: folders, their owners and modes. Does not own: what is written into them.
Invariant: a key folder is open to exactly the process that the layout names; nothing of another owner is taken over in silence.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mainstay.engines.accounts import Accounts
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import Unavailable

# Who may open which key folder: the reason why stealing one process does not yield another one's key.
KEY_OWNERS = {"web": "web", "reply": "web", "server": "worker", "ledger": "worker", "telemetry": "telemetry"}
_KEY_BYTES = 32


@dataclass(frozen=True)
class Folder:
    """One folder. `owner` is a process; "" is the supervisor itself. `group` is the process whose group may enter as well."""

    path: Path
    owner: str = ""
    mode: int = 0o700
    group: str = ""


def folders(layout: Layout) -> Iterator[Folder]:
    """Yield every folder of an installation, parents first."""
    yield Folder(layout.data, mode=0o711)
    yield Folder(layout.run, mode=0o755)
    yield Folder(layout.short_run, mode=0o755)
    yield Folder(layout.socket_dir, "postgres", 0o755)
    yield Folder(layout.short_run / "helper", mode=0o750, group="agent")
    yield Folder(layout.log, mode=0o755)
    yield Folder(layout.postgres, "postgres")
    yield Folder(layout.telemetry, "telemetry")
    yield Folder(layout.data / "spool", mode=0o711)
    for process in ("web", "worker"):
        yield Folder(layout.spool(process), process)
    yield Folder(layout.keys, mode=0o711)
    for key, owner in KEY_OWNERS.items():
        yield Folder(layout.keys / key, owner)
    yield Folder(layout.keys / "kek", "web", 0o750, group="worker")
    yield Folder(layout.tls, "web")
    yield Folder(layout.agent, "agent")
    yield Folder(layout.helper)
    yield Folder(layout.secrets, "web")
    yield Folder(layout.blobs, "web")


def prepare(layout: Layout, accounts: Accounts) -> None:
    """Make what is missing and hand each folder to its owner.

    Errors: Unavailable("engines.data_not_writable" or "engines.data_of_another") with the folder and the remedy.
    """
    for folder in folders(layout):
        try:
            _make(folder, accounts)
        except OSError as problem:
            raise Unavailable(
                "engines.data_not_writable",
                f"{folder.path} cannot be made or owned ({problem.strerror}); name another data folder in MAINSTAY_DATA",
                retryable=False,
            ) from problem
    _draw_shared_key(layout, accounts)


def _draw_shared_key(layout: Layout, accounts: Accounts) -> None:
    """Draw the key that encrypts stored fields: two processes read it, so neither of them can be its only owner."""
    path = layout.keys / "kek" / "current"
    if path.exists():
        return
    fresh = path.with_name(".current")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(descriptor)
        if accounts.is_separate:
            os.fchown(descriptor, accounts.uid_of("web"), accounts.gid_of("worker"))
    fresh.rename(path)


def _make(folder: Folder, accounts: Accounts) -> None:
    folder.path.mkdir(parents=True, exist_ok=True, mode=folder.mode)
    seen = folder.path.lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise NotADirectoryError(20, "a file is in its place")
    uid = accounts.uid_of(folder.owner)
    gid = accounts.gid_of(folder.group or folder.owner)
    if (seen.st_uid, seen.st_gid) != (uid, gid):
        _hand_over(folder, seen.st_uid, uid, gid)
    if stat.S_IMODE(seen.st_mode) != folder.mode:
        folder.path.chmod(folder.mode)


def _hand_over(folder: Folder, present: int, uid: int, gid: int) -> None:
    if os.geteuid() != 0:
        if present == uid:
            return
        raise Unavailable(
            "engines.data_of_another",
            f"{folder.path} belongs to the user with id {present}: this installation was started by somebody else (as root?); "
            "start it the same way, or name another folder in MAINSTAY_DATA",
            retryable=False,
        )
    os.chown(folder.path, uid, gid)
    if folder.owner:  # only a process's own folder is taken over with all that is in it
        for parent, names, files in os.walk(folder.path):
            for name in [*names, *files]:
                os.chown(Path(parent) / name, uid, gid, follow_symlinks=False)
