"""journal.vacuum: shrink the systemd journal."""

import sys

from mainstay_agent.actions.program import ActionFailed, Request, run
from mainstay_agent.actions.tools import run_first

KEEP_MB_MIN = 100


def vacuum(request: Request) -> None:
    keep_mb = request.whole("keep_mb")
    if keep_mb < KEEP_MB_MIN:
        raise ActionFailed(f"at least {KEEP_MB_MIN} MB of the journal are kept: it is evidence too")
    run_first(("journalctl", f"--vacuum-size={keep_mb}M"))


if __name__ == "__main__":
    sys.exit(run(vacuum))
