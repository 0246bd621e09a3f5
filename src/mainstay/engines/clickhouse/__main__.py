"""The telemetry process: `python -m mainstay.engines.clickhouse`, told where by the installation's environment.

Owns: start, readiness of the port, clean stop. Invariant: after SIGTERM nothing new is accepted, what was begun is finished.
"""

import os
import signal
import sys
import threading

from mainstay.engines.clickhouse.engine import Engine
from mainstay.engines.clickhouse.server import TelemetryServer
from mainstay.engines.layout import Layout
from mainstay.kernel.errors import MainstayError, Unavailable

_MIB = 1024 * 1024
_STOP_S = 10


def main() -> int:
    """Serve until a signal ends us. Returns the exit code."""
    try:
        serve(Layout.from_environment())
    except MainstayError as problem:
        sys.stderr.write(f"mainstay: {problem.message} [{problem.code}]\n")
        return problem.exit_code
    return 0


def serve(layout: Layout) -> None:
    """Own the folder, answer on the port that the installation chose, stop in order."""
    secret = layout.telemetry_secret.read_text().strip()
    port = int(layout.telemetry_port_file.read_text())
    engine = Engine(layout.telemetry, memory_bytes=memory_bytes(layout))
    try:
        server = TelemetryServer(port, engine, secret=secret)
    except OSError as problem:
        raise Unavailable("engines.telemetry_port", f"port {port} on 127.0.0.1 cannot be opened: {problem.strerror}") from problem
    for number in (signal.SIGTERM, signal.SIGINT):
        # From another thread: `shutdown` waits for the loop that this signal interrupts.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    server.wait_until_quiet(_STOP_S)
    engine.close()


def memory_bytes(layout: Layout) -> int:
    """Return the engine's memory cap: the operator's, else a tenth of the machine between 400 MB and 4 GB."""
    chosen = int(str(layout.settings["telemetry.memory_mb"]))
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return chosen * _MIB if chosen else max(400 * _MIB, min(machine // 10, 4096 * _MIB))


if __name__ == "__main__":
    # The engine's threads would keep a normal exit waiting for minutes; everything that matters is closed by now.
    code = main()
    sys.stderr.flush()
    os._exit(code)
