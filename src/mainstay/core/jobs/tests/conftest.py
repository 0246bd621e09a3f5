"""Work in a real queue: what a test commits is undone by bringing the whole database back."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import connection

from mainstay.core import jobs
from mainstay.core.access.fields import FieldSealer
from mainstay.core.jobs import outbox
from mainstay.core.ledger import sealing
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def tenant(transactional_db: None) -> Iterator[UUID]:
    """A tenant of its own, and wiring that is put back afterwards."""
    tenant = new_id()
    consumers, tenants, slot = dict(outbox._consumers), list(jobs._tenants), list(sealing._slot)
    jobs.configure(tenants=lambda: [tenant])
    sealing.configure_sealer(FieldSealer(lambda: b"k" * 32))
    yield tenant
    outbox._consumers.clear()
    outbox._consumers.update(consumers)
    jobs._tenants[:] = tenants
    sealing._slot[:] = slot


@pytest.fixture
def actor(tenant: UUID) -> actors.Actor:
    return actors.system("worker", tenant)


def queued() -> list[tuple[str, dict[str, str], str]]:
    """Return name, arguments and status of all jobs, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args::text, status::text, attempts FROM procrastinate_jobs ORDER BY id")
        return cursor.fetchall()
