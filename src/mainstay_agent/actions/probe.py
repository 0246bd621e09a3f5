"""probe.tcp: connect to a target of the policy and say whether it answers."""

import socket
import sys
import time

from mainstay_agent.actions.program import ActionFailed, Request, run, show

TIMEOUT_S = 5


def probe(request: Request) -> None:
    host, _, port = request.text("target").rpartition(":")
    timeout_s = min(max(1, request.whole("timeout_s", TIMEOUT_S)), 30)
    started = time.monotonic()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout_s):
            show({"target": f"{host}:{port}", "open": True, "ms": round((time.monotonic() - started) * 1000)})
    except OSError as problem:
        show({"target": f"{host}:{port}", "open": False, "reason": problem.strerror or str(problem)})
        raise ActionFailed("no connection") from problem


if __name__ == "__main__":
    sys.exit(run(probe))
