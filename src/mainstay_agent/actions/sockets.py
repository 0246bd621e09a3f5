"""net.sockets: print the listening sockets with their owners."""

import sys

from mainstay_agent.actions.program import Request, run, show
from mainstay_agent.facts.network import listening_sockets
from mainstay_agent.host.machine import Machine


def list_sockets(_request: Request) -> None:
    show(listening_sockets(Machine()))


if __name__ == "__main__":
    sys.exit(run(list_sockets))
