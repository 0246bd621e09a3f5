"""time.sync: ask the machine's own time service to step the clock now."""

import sys

from mainstay_agent.actions.program import Request, run
from mainstay_agent.actions.tools import run_first


def synchronise(_request: Request) -> None:
    run_first(("chronyc", "-a", "makestep"), ("systemctl", "restart", "systemd-timesyncd.service"))


if __name__ == "__main__":
    sys.exit(run(synchronise))
