"""What happens once at a start, between the engines and the processes: each step a short-lived program with a user of its own.

Owns: running a step and its error. The steps are named by module: the engines know none of the code that they run.
Invariant: only the migration sees the owner's address of the database.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from mainstay.engines.processes import Installation
from mainstay.kernel.errors import Unavailable

_STEP_S_MAX = 600


def prepare_database(installation: Installation) -> str:
    """Make roles and database of the embedded server, or examine the one outside; return what it is."""
    # As whoever started us, with every setting: nobody else may take the server's highest role.
    environment = {**os.environ, "MAINSTAY_DATA": str(installation.layout.data)}
    return _run(installation, "database", "", [sys.executable, "-m", "mainstay.engines.postgres"], environment).strip()


def migrate(installation: Installation) -> None:
    """Bring the tables to this release's form, as the owner."""
    environment = installation.environment("web") | {"MAINSTAY_DATABASE_URL": installation.layout.database_url("owner")}
    # The embedded server knows its own user as the owner; an external one goes by its URL, whoever calls.
    user = "postgres" if installation.layout.has_embedded_postgres else "web"
    _run(
        installation,
        "migrate",
        user,
        [sys.executable, "-m", "django", "migrate", "--no-input", "--skip-checks", "--verbosity", "0"],
        environment,
    )


def prepare(installation: Installation) -> None:
    """Make what must exist once: the organisation, the telemetry tables, the first keys."""
    _run(installation, "prepare", "web", [sys.executable, "-m", "mainstay.config.prepare"], installation.environment("web"))


def make_link(installation: Installation) -> str:
    """Return the address of a fresh one-time link."""
    command = [sys.executable, "-m", "mainstay.config.link"]
    return _run(installation, "link", "web", command, installation.environment("web")).strip()


def join_own_machine(installation: Installation) -> None:
    """Let this machine's agent join, unless it did: a one-use code of the server's, given on standard input of nobody else."""
    if (installation.layout.agent / "receipt.json").exists():
        return
    said = _run(installation, "enrol", "web", [sys.executable, "-m", "mainstay.config.enrol_local"], installation.environment("web"))
    offer = json.loads(said)
    command = [sys.executable, "-m", "mainstay_agent", "join", str(offer["url"]), "--code", str(offer["code"])]
    _run(installation, "join", "agent", command, installation.environment("agent"))


def _run(installation: Installation, name: str, user: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    log = installation.layout.log_file(name)
    with log.open("a+b") as errors:
        done = subprocess.run(
            installation.launched(user, command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
            timeout=_STEP_S_MAX,
        )
        if done.returncode == 0:
            return done.stdout.decode()
        errors.seek(max(0, errors.tell() - 2000))
        lines = errors.read().decode(errors="replace").strip().splitlines()
    cause = lines[-1] if lines else "it said nothing"
    raise Unavailable(
        "engines.step_failed", f"the step {name} ended with code {done.returncode}: {cause}; its log is {log}", retryable=False
    )
