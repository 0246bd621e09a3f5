"""Start the root half: `python -m mainstay_agent.helper [--user NAME]`.

Owns: its arguments and environment, signals.
Invariant: it refuses to start where another user could change its state.
"""

import argparse
import os
import pwd
import signal
import sys
from pathlib import Path
from types import FrameType

from mainstay_agent.authority.embedded import open_authority
from mainstay_agent.helper.client import socket_path
from mainstay_agent.helper.server import Server, listen

STATE_FOLDER = "/var/lib/mainstay-helper"


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    account = pwd.getpwnam(options.user) if options.user else None
    os.umask(0o077)
    # A folder and files of ours alone: the state decides what may run as root.
    authority = open_authority(Path(os.environ.get("MAINSTAY_HELPER_STATE", STATE_FOLDER)), is_helper=True)
    uids = {account.pw_uid} if account else set()
    uids |= {options.uid} if options.uid is not None else set()
    listener = listen(socket_path(), account.pw_gid if account else options.gid)
    server = Server(authority, listener, uids, exits_idle=options.exit_idle)

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
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mainstay-agent-helper", description="The root half of the Mainstay agent.")
    parser.add_argument("--user", help="the user of the networked half, who may connect")
    parser.add_argument("--uid", type=int, help="the same by number")
    parser.add_argument("--gid", type=int, help="the group that owns the socket")
    parser.add_argument("--exit-idle", action="store_true", help="end after 60 s without work (socket activation)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
