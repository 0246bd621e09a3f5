"""`mainstay up` of the demonstration: the same stages, with the past before the worker begins, and the simulated agents after it.

Owns: where the two additional stages stand. Run as `python -m mainstay.cli.demo`. The past comes before the worker because
the worker would do at today's time what belongs to the past.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mainstay.cli.problems import exit_with
from mainstay.engines import steps
from mainstay.engines.layout import Layout
from mainstay.engines.plan import Plan, Stage, plan_of, running_installation
from mainstay.engines.processes import Installation, Process
from mainstay.engines.supervisor import Supervisor
from mainstay.kernel.errors import Unavailable

MODULE = "mainstay.config.demo"
LOADED = "loaded.json"
LOAD_S_MAX = 1200


def folder_of(layout: Layout) -> Path:
    """The folder that makes an installation a demonstration, and that holds the simulated agents."""
    return layout.data / "demo"


def plan(layout: Layout) -> Plan:
    """Return the start of the demonstration."""
    usual = plan_of(layout)
    by_name = {stage.name: stage for stage in usual.stages}
    web, *others = by_name["processes"].processes
    stages = [
        by_name["database"],
        by_name["telemetry"],
        replace(by_name["schema"], then=lambda: _schema(layout)),
        # The owner may look on while the past is played: pages only read.
        Stage("web", lambda: _welcome(layout, usual), (web,)),
        Stage("past", lambda: _load(layout)),
        Stage("processes", lambda: ", ".join(one.name for one in others), tuple(others)),
        _machines(layout),
        *(by_name[name] for name in ("helper", "agent") if name in by_name),
    ]
    return replace(usual, stages=tuple(stages), invitation=lambda: _invitations(layout))


def _invitations(layout: Layout) -> str:
    made: dict[str, str] = json.loads(_run(running_installation(layout), "web", "links"))
    lines = [f"    {name:<44} {url}" for name, url in made.items()]
    head = "\n  Sign in as one of these people. A link signs in once; the next start makes new ones.\n"
    return "\n".join((head, *lines, "\n "))


def _welcome(layout: Layout, usual: Plan) -> str:
    """Let the owner in before the past is played; when it was played before, the links of everybody come in a moment."""
    if (folder_of(layout) / LOADED).exists():
        return "pages are there"
    print(usual.invitation(), flush=True)
    return "pages are there; two weeks fill in while you look"


def _schema(layout: Layout) -> str:
    installation, folder = running_installation(layout), folder_of(layout)
    steps.migrate(installation)
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if installation.accounts.is_separate:
            os.chown(folder, installation.accounts.uid_of("worker"), installation.accounts.gid_of("worker"))
        _run(installation, "worker", "found", str(folder))
    steps.prepare(installation)
    return "migrated, organisations founded"


def _load(layout: Layout) -> str:
    installation, folder = running_installation(layout), folder_of(layout)
    if (folder / LOADED).exists():
        return "two weeks, played before"
    _run(installation, "worker", "load", str(folder), _run(installation, "web", "reply-key").strip())
    return "two weeks, played through the intake"


def _machines(layout: Layout) -> Stage:
    installation = running_installation(layout)
    argv = [sys.executable, "-m", "mainstay.cli.demo.live", str(folder_of(layout)), f"http://127.0.0.1:{layout.port}"]
    # The folder and the loading are the worker's; the agents speak from the same files.
    process = Process("machines", installation.launched("worker", argv), installation.environment("agent"))
    return Stage("machines", lambda: "sixty simulated agents in one process", (process,))


def _run(installation: Installation, user: str, *argv: str) -> str:
    log = installation.layout.log_file("demo")
    with log.open("ab") as errors:
        done = subprocess.run(
            installation.launched(user, [sys.executable, "-m", MODULE, *argv]),
            # A past that was broken off is played anew, so nothing of it must survive a power cut on its way.
            env={**installation.environment(user), "PGOPTIONS": "-c synchronous_commit=off"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
            timeout=LOAD_S_MAX,
        )
    if done.returncode:
        raise Unavailable("demo.not_loaded", f"The demo could not do `{argv[0]}`; its log is {log}. Begin anew: mainstay demo --remove")
    return done.stdout.decode()


def main() -> None:
    """Run the demonstration in the foreground until a signal."""
    layout = Layout.from_environment()
    with exit_with(sys.stderr):
        sys.exit(Supervisor(layout, lambda text: print(text, flush=True)).run(lambda: plan(layout)))
