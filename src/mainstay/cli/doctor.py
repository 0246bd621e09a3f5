"""`mainstay doctor`: one line per check, with cause and fix.

Owns: the report and its exit code. Does not own: the checks. Invariant: exit code 8 when one check failed, 0 otherwise.
"""

import json
import subprocess
import sys
from typing import Annotated

import typer

from mainstay.cli.processes import say
from mainstay.engines.checks import CHECKS, Outcome, as_json, examine_all
from mainstay.engines.layout import Layout
from mainstay.engines.plan import running_installation
from mainstay.engines.status import supervisor_pid
from mainstay.kernel.errors import MainstayError

EXIT_FAILED = 8
# The checks that need the application's code run in it; the command line lies below it and knows its name only.
_APPLICATION_CHECKS = "mainstay.config.checks"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(doctor)


def doctor(as_json_text: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at this installation and say what is wrong, why, and what to do."""
    outcomes = look()
    say(as_json(outcomes) if as_json_text else as_lines(outcomes))
    if any(outcome.state == "fail" for _name, outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


def look() -> list[tuple[str, Outcome]]:
    """Carry out every check that can be carried out now."""
    try:
        layout = Layout.from_environment()
    except MainstayError as problem:
        return [("settings", Outcome("fail", problem.message, "correct the file; the rest was not looked at"))]
    outcomes = list(examine_all(layout, CHECKS))
    return outcomes + (_of_the_application(layout) if supervisor_pid(layout) is not None else [])


def as_lines(outcomes: list[tuple[str, Outcome]]) -> str:
    """Return the report for people."""
    lines = []
    for name, outcome in outcomes:
        lines.append(f"  [{outcome.state:<4}] {name:<13} {outcome.cause}")
        if outcome.fix:
            lines.append(f"         {'':<13} fix: {outcome.fix}")
    return "\n".join(lines)


def _of_the_application(layout: Layout) -> list[tuple[str, Outcome]]:
    """Ask the application, as the web process's user: `[{"check", "state", "cause", "fix"}, ...]` on its standard output."""
    try:
        installation = running_installation(layout)
        command = installation.launched("web", [sys.executable, "-m", _APPLICATION_CHECKS])
        done = subprocess.run(command, env=installation.environment("web"), capture_output=True, text=True, timeout=60, check=False)
    except (MainstayError, OSError, subprocess.TimeoutExpired) as problem:
        return [("application", Outcome("fail", str(problem), "mainstay down, then mainstay up"))]
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [("application", Outcome("fail", f"its checks cannot run: {last}", f"read {layout.log_file('web')}"))]
    return [(str(row["check"]), Outcome(row["state"], str(row["cause"]), str(row["fix"]))) for row in json.loads(done.stdout)]
