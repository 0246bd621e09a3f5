"""The root half itself: `python -m mainstay_agent.helper.serve`, started by systemd or by `helper.__main__` when somebody calls.

Owns: its arguments and environment, signals, the lock on its state.
Invariant: two root halves never work on one state: the second waits until the first, which may have lost its parent, has ended.
"""

import argparse
import fcntl
import os
import pwd
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

from mainstay_agent.authority.embedded import open_authority
from mainstay_agent.helper.client import socket_path
from mainstay_agent.helper.server import Server
from mainstay_agent.host import durable

STATE_FOLDER = "/var/lib/mainstay-helper"
LISTEN_FD = 3


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    account = pwd.getpwnam(options.user) if options.user else None
    os.umask(0o077)
    folder = Path(os.environ.get("MAINSTAY_HELPER_STATE", STATE_FOLDER))
    durable.make_private_folder(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    authority = open_authority(folder, is_helper=True)
    uids = {account.pw_uid} if account else set()
    uids |= {options.uid} if options.uid is not None else set()
    listener = socket.socket(fileno=LISTEN_FD)
    server = Server(authority, listener, uids, parent=options.parent)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop()
        listener.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    pid_file = socket_path().with_suffix(".pid")
    pid_file.write_text(str(os.getpid()))
    pid_file.chmod(0o644)  # the networked half shows what we cost
    server.serve()
    pid_file.unlink(missing_ok=True)
    authority.store.close()
    os.close(lock)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mainstay_agent.helper.serve", description="The root half of the Mainstay agent.")
    parser.add_argument("--user", help="the user of the networked half, who may connect")
    parser.add_argument("--uid", type=int, help="the same by number")
    parser.add_argument("--gid", type=int, help="the group that owns the socket")
    parser.add_argument("--parent", type=int, help="end with the process of this number, which started us")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
