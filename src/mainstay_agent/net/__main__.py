"""The net process beside a root half: `python -m mainstay_agent.net`, what `mainstay-agent run` becomes.

Invariant: it imports neither the command line nor an authority: what this process holds, it holds for months.
"""

import sys

from mainstay_agent.helper.client import HelperClient, socket_path
from mainstay_agent.net.runner import run_process

if __name__ == "__main__":
    sys.exit(run_process(lambda _home: HelperClient(socket_path()), has_helper=True))
