"""What the tests of isolation share: a world with a row of every table in three tenants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.db import connection

from mainstay.core.access.models import Assignment, Grant, Person, Token
from mainstay.core.access.services.tokens import draw
from mainstay.kernel.clock import SystemClock
from tests.support.cast import Cast, make_cast
from tests.support.engines import acting_as
from tests.support.rows import RowMaker, key_column, tenant_models

# What a check constraint demands and a field alone does not tell.
OVERRIDES = {
    "desk_slatarget": {"target_s": 60},
    # A made-up key must not be the one that evidence is sealed with.
    "access_data_key": {"state": "decrypt_only", "version": 1},
}


@dataclass(frozen=True)
class Target:
    """A row of a tenant that somebody else tries to reach."""

    table: str
    key: str
    value: object
    tenant: UUID


@dataclass(frozen=True)
class World:
    """The cast, and rows of three tenants: two clients of one provider, and another provider."""

    cast: Cast
    targets: tuple[Target, ...]
    names: dict[tuple[UUID, str], object]

    def key_of(self, table: str, tenant: UUID) -> object:
        """Return the key of the row of a table in a tenant, walled or not."""
        walled = (target.value for target in self.targets if (target.table, target.tenant) == (table, tenant))
        return next(walled, None) or self.names[tenant, table]


@contextmanager
def make_world() -> Iterator[World]:
    """Write the world; whoever asks puts the database back."""
    connection.close()
    cast = make_cast(SystemClock())
    maker, targets = RowMaker(OVERRIDES), []
    with acting_as("owner"):
        for tenant in (cast.harbor, cast.elm, cast.southgate):
            for model in tenant_models():
                row, key = maker.row(model, tenant.id), key_column(model)
                targets.append(Target(model._meta.db_table, key, getattr(row, key), tenant.id))
    yield World(cast, tuple(targets), _unwalled(cast))
    connection.close()


def _unwalled(cast: Cast) -> dict[tuple[UUID, str], object]:
    """Rows that stand outside the wall and are kept apart by services alone."""
    names: dict[tuple[UUID, str], object] = {}
    for tenant in (cast.harbor, cast.elm, cast.southgate):
        person = Person.objects.filter(home=tenant).order_by("login").first()
        assert person is not None
        token, _ = draw("of a person", home=tenant.id, at=cast.clock.now(), days=1, owner_id=person.id)
        token.save()
        names[tenant.id, Token._meta.db_table] = token.id
        names[tenant.id, Person._meta.db_table] = person.id
        names[tenant.id, Assignment._meta.db_table] = Assignment.objects.filter(scope=tenant).values_list("id", flat=True)[0]
        grant = Grant.objects.filter(into=tenant).values_list("id", flat=True).first()
        names[tenant.id, Grant._meta.db_table] = grant or cast.clock.now()
    return names


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker, postgres_server) -> Iterator[World]:
    with django_db_blocker.unblock():
        with make_world() as made:
            yield made
        postgres_server.restore()
