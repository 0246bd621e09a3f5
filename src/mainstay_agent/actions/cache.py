"""cache.clear: remove downloaded packages of one package manager."""

import sys

from mainstay_agent.actions.program import ActionFailed, Request, run
from mainstay_agent.actions.tools import run_first

_TOOLS = {
    "apt": ("apt-get", "-o", "DPkg::Lock::Timeout=60", "clean"),
    "dnf": ("dnf", "--assumeyes", "clean", "packages"),
    "zypper": ("zypper", "--non-interactive", "clean"),
}


def clear(request: Request) -> None:
    argv = _TOOLS.get(request.text("cache"))
    if argv is None:
        raise ActionFailed("an unknown cache")
    run_first(argv)


if __name__ == "__main__":
    sys.exit(run(clear))
