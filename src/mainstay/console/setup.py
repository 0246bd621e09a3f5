"""The set-up checklist: ticked by what is so, never by a click.

Owns: the questions. Does not own: the answers, which are read from the parts each time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mainstay.core.access import queries as access
from mainstay.core.ledger import queries as ledger
from mainstay.domains.alerting.models import Alert
from mainstay.domains.automation import queries as automation
from mainstay.domains.estate import queries as devices
from mainstay.kernel.actors import Actor

_HEARD_WITHIN = timedelta(minutes=5)


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
    heard = devices.devices([actor.tenant]).filter(last_seen_at__gte=now - _HEARD_WITHIN).count()
    log = ledger.status(actor.tenant)
    return [
        Step("This machine is under watch", heard >= 1, "Its agent reports facts and samples.", "estate:devices"),
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
        Step("A second machine reports", heard >= 2, "Each machine joins with one copied line.", "estate:devices"),
        Step(
            "An alert was acknowledged",
            Alert.objects.filter(tenant=actor.tenant, acknowledged_at__isnull=False).exists(),
            "Shows that alerts reach a person.",
            "alerting:alerts",
        ),
        Step(
            "The ledger has a witness",
            log is not None and log.witnesses > 0,
            "Without one only this server vouches for its own record.",
            "console:ledger",
        ),
    ]
