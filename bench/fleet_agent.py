"""The net process of an agent of the fleet: `python -m bench.fleet_agent`, without the sweeps of the whole file system.

A sweep takes minutes of a core. Fifty agents of this one machine would read the same disk fifty times, for hours on two cores,
and say nothing of the server. All else is the real agent: keys, requests, samples, and the quick groups of the inventory.
"""

import sys

from mainstay_agent.facts import catalogue
from mainstay_agent.net.halves import open_own
from mainstay_agent.net.runner import run_process


def main() -> int:
    """Run until told to stop."""
    groups = catalogue.GROUPS
    for name in [name for name, group in groups.items() if group.is_sweep]:
        del groups[name]
    return run_process(open_own, has_helper=False)


if __name__ == "__main__":
    sys.exit(main())
