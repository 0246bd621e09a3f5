"""The demonstration's steps that need the installation's keys or tables: `found FOLDER`, `reply-key`,
`load FOLDER REPLY_KEY`, `links`.

Each runs as the user whose keys it needs, as the processes themselves do. Does not own: the invented world (`mainstay.cli.demo`).
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
from django.conf import settings
from nacl.signing import SigningKey

from mainstay.cli.demo import history
from mainstay.cli.demo.cast import OWNER, PEOPLE
from mainstay.config import keys
from mainstay.core.access.models import Person
from mainstay.core.access.services import make_link
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.actors import Via, system
from mainstay.kernel.clock import SystemClock


def reply_key() -> None:
    """Print the public half of the key by which the web process answers, so that the policy of the past can name it."""
    sys.stdout.write(bytes(SigningKey(keys.read_or_create(settings.LAYOUT.keys / "reply" / "current")).verify_key).hex() + "\n")


def found(folder: str) -> None:
    """Make organisations and people."""
    history.found(Path(folder))


def load(folder: str, reply: str) -> None:
    """Load the two weeks, and say so only when all of it is there."""
    layout = settings.LAYOUT
    server = SigningKey(keys.read_or_create(layout.keys / "server" / "current"))
    ledger = keys.read_or_create(layout.keys / "ledger" / "current")
    history.load(layout, Path(folder), history.Keys(ledger, bytes(server.verify_key), bytes.fromhex(reply)))
    (Path(folder) / "loaded.json").write_text("{}\n", encoding="utf-8")


def links() -> None:
    """Print a one-time link for each person, as JSON."""
    made = {}
    for somebody in (OWNER, *PEOPLE):
        person = Person.objects.get(login=somebody.login)
        with tenant_transaction(person.home_id):
            secret = make_link(actor=system("bootstrap", person.home_id, via=Via.CLI), clock=SystemClock(), person=person)
        made[f"{somebody.name}, {somebody.does}"] = f"{settings.LAYOUT.url}/hello/{secret}"
    json.dump(made, sys.stdout)


STEPS: dict[str, Callable[..., None]] = {"found": found, "reply-key": reply_key, "load": load, "links": links}


def main(argv: list[str]) -> int:
    """Do one step."""
    STEPS[argv[0]](*argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
