"""Today: what needs a person, what was fixed without one, and whether silence is really quiet.

Owns: the collection over all domains and the honest word for nothing. Does not own: what needs somebody.
Invariant: "all quiet" is never said while a source is stale or nothing is watched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mainstay.core.access.services import allows
from mainstay.core.ledger import queries as ledger
from mainstay.domains.alerting import pages as alerting
from mainstay.domains.automation import pages as automation
from mainstay.domains.desk import pages as desk
from mainstay.domains.estate import pages as estate
from mainstay.domains.estate import queries as devices
from mainstay.domains.estate.models import Device
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.ui.today import Handled, NeedsYou, in_order

# Who says what needs a person, and who says what was fixed without one.
NEEDING: tuple[Callable[[Actor, Clock], list[NeedsYou]], ...] = (estate.today, alerting.today, desk.today)
HANDLING: tuple[Callable[[Actor, Clock], list[Handled]], ...] = (automation.handled,)
HANDLED_MAX = 10
FRESH_FOR = timedelta(seconds=60)


@dataclass(frozen=True)
class Quiet:
    """What may be said when nothing needs anybody. `tone` is ok only when every source is fresh."""

    tone: str
    title: str
    text: str


def needs_you(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Return what waits for a person, in the order in which it should be met."""
    rows = [row for part in NEEDING for row in part(actor, clock)]
    covered = frozenset[UUID]().union(*(row.covers for row in rows))
    return in_order([row for row in rows if row.of not in covered])


def handled(actor: Actor, clock: Clock) -> list[Handled]:
    """Return what was fixed without a person, newest first."""
    rows = [row for part in HANDLING for row in part(actor, clock)]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:HANDLED_MAX]


def quiet(actor: Actor, now: datetime) -> Quiet:
    """Return the honest word for an empty list."""
    watched = list(devices.devices(actor.readable).filter(state="active").values_list("name", "last_seen_at"))
    if not watched:
        return Quiet("unknown", "Nothing is watched yet.", "No device has joined. As soon as one reports, this page says how it is.")
    silent = sorted(name for name, seen in watched if seen is None or now - seen > FRESH_FOR)
    if silent:
        names = ", ".join(silent[:3]) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")
        return Quiet("stale", "Not everything can be heard.", f"No word for more than a minute from {names}. Silence is not health.")
    newest = max(seen for _, seen in watched if seen)
    age = max(0, int((now - newest).total_seconds()))
    many = f"{len(watched)} device{'s' if len(watched) != 1 else ''}"
    return Quiet("ok", "All quiet.", f"{many} checked, the last one {age} s ago. Nothing waits for you.")


def own_device(actor: Actor, host: str) -> Device | None:
    """Return the device that this installation runs on: the one with its host name, else the first that joined."""
    known = devices.devices([actor.tenant]).filter(state="active")
    return known.filter(name=host).first() or known.order_by("first_enrolled_at").first()


def lately(actor: Actor, limit: int = 8) -> list[object]:
    """Return the newest entries of the ledger, for whoever may read it."""
    if not allows(actor, "ledger.entry.read"):
        return []
    return list(ledger.numbered_entries(actor.tenant).order_by("-id")[:limit])
