"""A log in a real database: entries are committed for good, so every test takes a tenant of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker
from tests.support.engines import RunningPostgres

from mainstay.core.access.fields import FieldSealer
from mainstay.core.ledger import sealing
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.sequencer import Sequencer
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock
from mainstay_trust.canonical import JSON

SEED = bytes(range(32))


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test commit. Nothing is undone afterwards: entries and leaves cannot be deleted, and other tenants never see them."""
    before = list(sealing._slot)
    sealing.configure_sealer(FieldSealer(lambda: b"k" * 32))
    with django_db_blocker.unblock():
        yield
        connections.close_all()
    sealing._slot[:] = before


@dataclass
class LogUnderTest:
    """One tenant with its log."""

    postgres: RunningPostgres
    folder: Path
    tenant: UUID = field(default_factory=new_id)
    clock: FixedClock = field(default_factory=FixedClock)

    @property
    def actor(self) -> actors.Actor:
        return actors.system("worker", self.tenant)

    def record(self, count: int = 1, **body: JSON) -> list[int]:
        """Record entries, each in a transaction of its own, and return their ids."""
        return [self._record_one({"number": number, **body}) for number in range(count)]

    def _record_one(self, body: dict[str, JSON]) -> int:
        with tenant_transaction(self.tenant):
            return ledger.record(self.actor, "desk.incident.opened", new_id(), clock=self.clock, body=body).id

    def sequencer(self, kind: type[Sequencer] = Sequencer, heads: Path | None = None) -> Sequencer:
        return kind(self.postgres.url("ledger"), SEED, heads, clock=self.clock)

    def sequence(self) -> int:
        with self.sequencer() as sequencer:
            return sequencer.once()

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read past row security, as the cluster's superuser."""
        with psycopg.connect(self.postgres.url("admin")) as admin:
            return admin.execute(query, parameters).fetchall()

    def tamper(self, statement: str, *parameters: object) -> None:
        """Change what nobody may change: as the superuser, with triggers switched off."""
        with psycopg.connect(self.postgres.url("admin")) as admin:
            admin.execute("SET session_replication_role = replica")
            assert admin.execute(statement, parameters).rowcount > 0

    def leaves(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT seq, entry_id FROM ledger_leaf WHERE tenant = %s ORDER BY seq", self.tenant)


@pytest.fixture
def log(committed: None, postgres_server: RunningPostgres, tmp_path: Path) -> LogUnderTest:
    return LogUnderTest(postgres_server, tmp_path)


@pytest.fixture
def other_log(committed: None, postgres_server: RunningPostgres, tmp_path: Path) -> LogUnderTest:
    return LogUnderTest(postgres_server, tmp_path)
