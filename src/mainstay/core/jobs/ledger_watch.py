"""From a log that was closed for writing to news of it: nobody watches a log file.

Owns: the event `ledger.mismatch_found`, once for each log and reason. Does not own: the checks and the closing
(core.ledger.sequencer), the incident (flows). Invariant: the event is the provider's: into a closed log nothing can be
written, so an incident of its own tenant could not be opened.
Source: security page, section 1 rules 30 and 32.
"""

from uuid import UUID

from mainstay.core import jobs
from mainstay.core.access import queries as access
from mainstay.core.jobs import models, outbox
from mainstay.core.ledger import queries as ledger
from mainstay.core.ledger.entries import PLATFORM
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock

EVENT = "ledger.mismatch_found"
READ_ONLY = "read_only"


def look(clock: Clock) -> None:
    """Tell of each log that is closed for writing and was not told of yet."""
    for tenant in (PLATFORM, *jobs.tenants()):
        with tenant_transaction(tenant):
            log = ledger.live_log(tenant)
        if log is not None and log.state == READ_ONLY:
            _tell(tenant, log.origin, log.state_reason, clock)


def _tell(tenant: UUID, origin: str, reason: str, clock: Clock) -> None:
    provider = access.organisation().id
    with tenant_transaction(provider):
        told = models.Event.objects.filter(tenant=provider, name=EVENT, subject_id=tenant, payload__log=origin, payload__reason=reason)
        if not told.exists():
            payload = {"log": origin, "reason": reason}
            outbox.publish(actors.system("worker", provider), EVENT, tenant, payload, clock=clock)
