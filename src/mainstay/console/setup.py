"""The set-up checklist of eight: ticked by what is so, never by a click.

Owns: the questions. Does not own: the answers, which are read from the parts each time.
Invariant: a step whose part this release does not have stays open and says so; nothing is ticked for the sake of the list.
Source: experience page, section 8 rule 6.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mainstay.core.access import queries as access
from mainstay.core.ledger import queries as ledger
from mainstay.domains.alerting.models import Alert
from mainstay.domains.automation import queries as automation
from mainstay.domains.estate import queries as devices
from mainstay.kernel.actors import Actor

HEARD_WITHIN = timedelta(minutes=5)
_LATER = "This release has no part for it yet; it stays open until one can measure it."


@dataclass(frozen=True)
class Step:
    """One line of the checklist: what, whether it is so, and how to get there."""

    title: str
    is_done: bool
    text: str
    url_name: str = ""
    command: str = ""


def steps(actor: Actor, now: datetime) -> list[Step]:
    """Return the checklist for the actor's own tenant."""
    return [*_people_and_machines(actor, now), *_proofs(actor), _witness(actor)]


def _people_and_machines(actor: Actor, now: datetime) -> list[Step]:
    heard = devices.devices([actor.tenant]).filter(last_seen_at__gte=now - HEARD_WITHIN).count()
    return [
        Step(
            "The trust ceremony was held",
            automation.newest_document(actor.tenant, "policy") is not None,
            "Until then everything is watched and nothing is repaired.",
            "console:trust",
            "mainstay trust init --keys FILE --service NAME",
        ),
        Step(
            "A second person has signed in",
            access.people(actor.tenant).filter(last_login__isnull=False).count() >= 2,
            "So that no key and no account hangs on one person.",
            "console:people",
        ),
        Step("A second machine reports", heard >= 2, "Each machine joins with one copied line.", "estate:device-add"),
    ]


def _proofs(actor: Actor) -> list[Step]:
    return [
        Step(
            "An alert was acknowledged",
            Alert.objects.filter(tenant=actor.tenant, acknowledged_at__isnull=False).exists(),
            "Shows that alerts reach a person.",
            "alerting:alerts",
        ),
        Step("A mail went out and came back", False, _LATER),
        Step("A compliance framework was chosen", False, _LATER),
        Step("A restore was proven", False, _LATER),
    ]


def _witness(actor: Actor) -> Step:
    log = ledger.status(actor.tenant)
    return Step(
        "The ledger has a witness",
        log is not None and log.witnesses > 0,
        "Without one only this server vouches for its own record.",
        "console:ledger",
    )
