"""Configuration as code: seconds to apply a provider with twenty clients to an empty installation, and to write all of it out again.

Whole requests through every middleware, without a network: what `mainstay apply` and `mainstay export` ask for. Each round adds twenty
clients of its own with sites, people and rules; the export is of everything there is by then. What was applied must come out again.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

from bench.figures import figure

NAMES = ("config_apply_s", "config_export_s", "config_apply_unchanged_s")
ROUNDS, CLIENTS = 3, 20


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    os.environ["MAINSTAY_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
    try:
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path) -> None:
    """Print the figures."""
    import django
    from django.conf import settings

    django.setup()
    from bench.databases import migrated_postgres

    with migrated_postgres(settings.LAYOUT):
        from mainstay.core.access.bootstrap import bootstrap
        from mainstay.kernel.clock import SystemClock

        bootstrap(SystemClock(), secrets_dir=folder / "secrets")
        console = Console((folder / "secrets" / "cli-token").read_text().strip())
        applied, exported, unchanged = [], [], []
        for number in range(ROUNDS):
            applied.append(console.apply(files(number)))
            exported.append(console.export(expected=CLIENTS * (number + 1)))
            unchanged.append(console.apply(console.files))
    print(figure("config_apply_s", applied, "s"))
    print(figure("config_export_s", exported, "s"))
    print(figure("config_apply_unchanged_s", unchanged, "s"))


def files(number: int) -> dict[str, str]:
    """Return a set of files with twenty clients, each with a site, two people and a rule of its own."""
    names = [f"client-{number}-{one:02}" for one in range(CLIENTS)]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    clients = "".join(
        f"- name: {name}\n  title: Client {number} {one}\n  prefix: {letters[number]}{letters[one]}X\n"
        f"  sites:\n  - name: site-{number}-{one:02}\n    title: Main\n"
        for one, name in enumerate(names)
    )
    people = "".join(
        f"- login: p{each}-{name}\n  name: Person {each}\n  client: {name}\n  roles: [end_user]\n" for name in names for each in "ab"
    )
    rules = "".join(
        f"- rule: filesystem.filling\n  client: {name}\n  levels:\n    WARNING:\n      fire: 15\n      recover: 18\n  reason: small disks\n"
        for name in names
    )
    return {"clients.yaml": clients, "people.yaml": people, "rules.yaml": rules}


class Console:
    """The two operations, as the command line does them."""

    def __init__(self, token: str) -> None:
        from django.test import Client

        self._client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        self.files: dict[str, str] = {}
        self.export(expected=0)

    def apply(self, given: dict[str, str]) -> float:
        started = time.perf_counter()
        answer = self._client.post("/api/v1/console/config", {"files": given}, content_type="application/json")
        lasted = time.perf_counter() - started
        assert answer.status_code == 200, answer.content[:500]
        return lasted

    def export(self, *, expected: int) -> float:
        started = time.perf_counter()
        answer = self._client.get("/api/v1/console/config")
        lasted = time.perf_counter() - started
        self.files = answer.json()["files"]
        assert self.files.get("clients.yaml", "").count("- name: client-") == expected, self.files.get("clients.yaml", "")[:500]
        return lasted


if __name__ == "__main__":
    main()
