"""The net process of a machine without a root half: `python -m mainstay_agent.net.alone`. Its own authority refuses all above T0."""

import sys

from mainstay_agent.net.halves import open_own
from mainstay_agent.net.runner import run_process

if __name__ == "__main__":
    sys.exit(run_process(open_own, has_helper=False))
