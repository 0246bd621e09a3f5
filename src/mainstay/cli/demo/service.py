"""A small daemon to watch in the demo: it listens on a port of loopback and does nothing else.

Run as `python demo_service.py FOLDER start|stop|status|run`. Knows nothing of Mainstay, as a real service would not.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def running(folder: Path) -> int | None:
    """Return the process id of the daemon, or None when it does not run."""
    try:
        pid = int((folder / "pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def start(folder: Path) -> int:
    """Start the daemon in a session of its own and wait until it runs."""
    if running(folder) is None:
        argv = [sys.executable, __file__, str(folder), "run"]
        subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(50):
        if running(folder) is not None:
            return 0
        time.sleep(0.1)
    return 1


def stop(folder: Path) -> int:
    """Ask the daemon to end."""
    pid = running(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    return 0


def run(folder: Path) -> int:
    """Be the daemon."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        (folder / "pid").write_text(str(os.getpid()))
        while True:
            server.accept()[0].close()


def main(folder: str, verb: str) -> int:
    """Do one verb; `status` answers 0 for running and 3 for stopped, as init scripts do."""
    if verb == "status":
        return 0 if running(Path(folder)) is not None else 3
    return {"start": start, "stop": stop, "run": run}[verb](Path(folder))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
