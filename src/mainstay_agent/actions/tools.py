"""Running one of several tools that do the same, the first that exists."""

from mainstay_agent.actions.program import ActionFailed, say
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

TIMEOUT_S = 90.0


def run_first(*choices: tuple[str, ...]) -> None:
    """Run the first tool that is installed and print what it says. Errors: ActionFailed when none is there or it fails."""
    machine = Machine()
    for argv in choices:
        try:
            output = machine.run(*argv, timeout_s=TIMEOUT_S)
        except ToolMissing:
            continue
        except ToolTimedOut as problem:
            raise ActionFailed(f"{argv[0]} did not end in time") from problem
        say((output.stdout + output.stderr).rstrip())
        if output.code != 0:
            raise ActionFailed(f"{argv[0]} ended with {output.code}")
        return
    raise ActionFailed("tool_missing: none of " + ", ".join(argv[0] for argv in choices))
