"""Wait for the networked half on a socket, and start the root half when it calls: `python -m mainstay_agent.helper [--user NAME]`.

Owns: the listening socket where no systemd owns it, the life of one `serve` process at a time.
Does not own: a single byte of what is said: it never accepts a connection.
Invariant: it imports next to nothing, because it is what stays in memory while nothing happens (rule P2, socket activation).
"""

import os
import pwd
import select
import signal
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket  # what `socket` adds to it is a megabyte, and we only listen
from types import FrameType

SOCKET = "/run/mainstay/helper.sock"
LISTEN_FD = 3
BACKLOG = 8
WAKE_EVERY_S = 600.0  # held commands are looked at even when nobody calls
CRASHED_S = 1.0


def main(arguments: list[str]) -> int:
    path = os.environ.get("MAINSTAY_HELPER_SOCKET", SOCKET)
    listener = _listen(path, _group(arguments))
    child: list[int] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        for pid in child:
            os.kill(pid, signal.SIGTERM)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        while True:
            select.select([listener], [], [], WAKE_EVERY_S)
            child[:] = [_start(listener, arguments)]
            _, status = os.waitpid(child[0], 0)
            child.clear()
            if status != 0:
                select.select([], [], [], CRASHED_S)
    finally:
        for pid in child:
            os.waitpid(pid, 0)
        if os.path.exists(path):
            os.unlink(path)


def _listen(path: str, group: int) -> socket:
    """Make the socket: mode 0660, for the group of the networked half."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.unlink(path)
    listener = socket(AF_UNIX, SOCK_STREAM)
    before = os.umask(0o117)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    os.chown(path, -1, group)
    listener.listen(BACKLOG)
    return listener


def _start(listener: socket, arguments: list[str]) -> int:
    """Start the root half with the socket as its third descriptor, as systemd does."""
    environment = {**os.environ, "LISTEN_FDS": "1"}
    argv = [sys.executable, "-m", "mainstay_agent.helper.serve", *arguments, "--parent", str(os.getpid())]
    actions = [(os.POSIX_SPAWN_DUP2, listener.fileno(), LISTEN_FD)]
    if listener.fileno() == LISTEN_FD:
        os.set_inheritable(LISTEN_FD, True)
        actions = []
    return os.posix_spawn(sys.executable, argv, environment, file_actions=actions)


def _group(arguments: list[str]) -> int:
    """Return the group of the networked half's user, or -1 to leave the socket to our own."""
    if "--user" in arguments[:-1]:
        return pwd.getpwnam(arguments[arguments.index("--user") + 1]).pw_gid
    return int(arguments[arguments.index("--gid") + 1]) if "--gid" in arguments[:-1] else -1


if __name__ == "__main__":
    if not sys.flags.no_site:
        # Once more without `site` and the machinery of `-m`, which this process would keep in memory for nothing.
        os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, *sys.argv[1:]])  # noqa: S606 our own interpreter and file
    sys.exit(main(sys.argv[1:]))
