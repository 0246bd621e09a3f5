"""A closed log is told of: once, in the provider's tenant, whoever's log it is."""

from uuid import UUID

import pytest
from tests.support.engines import RunningPostgres

from mainstay.core import jobs
from mainstay.core.access.models import Tenant
from mainstay.core.jobs import ledger_watch
from mainstay.core.jobs.models import Event
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.sequencer import Sequencer
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock

FAULT = "root_differs at 1: the leaves do not give the root of the checkpoint"


@pytest.fixture
def provider(tenant: UUID, clock: FixedClock) -> UUID:
    made = Tenant.objects.create(
        kind=Tenant.Kind.PROVIDER, number=1, slug="northwind", prefix="NOR", name="Northwind", created_at=clock.now()
    )
    jobs.configure(tenants=lambda: [made.id, tenant])
    return made.id


@pytest.fixture
def sequencer(tenant: UUID, actor: actors.Actor, clock: FixedClock, postgres_server: RunningPostgres) -> Sequencer:
    """A sequencer over a log with one leaf."""
    with tenant_transaction(tenant):
        ledger.record(actor, "desk.incident.opened", "01", clock=clock)
    return Sequencer(postgres_server.url("ledger"), bytes(range(32)), clock=clock)


def told(provider: UUID) -> list[tuple[object, ...]]:
    with tenant_transaction(provider):
        return list(Event.objects.filter(name="ledger.mismatch_found").values_list("tenant", "subject_id", "payload__reason"))


def test_a_closed_log_is_told_of_once_and_to_the_provider(provider: UUID, tenant: UUID, sequencer: Sequencer, clock: FixedClock) -> None:
    with sequencer:
        sequencer.once()
        sequencer.close_for_writing(tenant, FAULT)

    ledger_watch.look(clock)
    ledger_watch.look(clock)

    assert told(provider) == [(provider, tenant, FAULT)]


def test_an_open_log_is_no_news(provider: UUID, sequencer: Sequencer, clock: FixedClock) -> None:
    with sequencer:
        sequencer.once()

    ledger_watch.look(clock)

    assert told(provider) == []
