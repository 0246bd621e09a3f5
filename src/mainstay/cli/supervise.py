"""`python -m mainstay.cli.supervise`: what `mainstay up` becomes, and stays for as long as the installation runs.

Owns: the words of the start and the exit code. Does not own: supervision (engines.supervisor).
Invariant: it imports the engines and nothing of the command line, whose libraries would weigh as much as a process of their own.
"""

import sys

from mainstay.cli.problems import exit_with
from mainstay.engines.layout import Layout
from mainstay.engines.plan import plan_of
from mainstay.engines.supervisor import Supervisor


def main() -> int:
    """Start everything, keep it running, stop it in order. Returns the exit code."""
    layout = Layout.from_environment()
    _say(f"\n  Mainstay     data {layout.data}     no account, nothing leaves this machine")
    if layout.has_lan:
        _say(f"  Other machines reach it at {layout.lan_url}, with this installation's own certificate")
    return Supervisor(layout, _say).run(lambda: plan_of(layout))


def _say(text: str) -> None:
    # At once: a start is watched, also through a pipe.
    print(text, flush=True)


if __name__ == "__main__":
    with exit_with(sys.stderr):
        sys.exit(main())
