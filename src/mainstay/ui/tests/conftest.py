"""A list over rows that are easy to make: first answers, with a text, a nullable number and an instant."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.ui.lists import Column, Kind, ListSpec
from mainstay.ui.lists.values import Viewer
from mainstay.ui.models import FirstAnswer

NOW = datetime(2026, 3, 29, 10, tzinfo=UTC)


@pytest.fixture
def viewer() -> Viewer:
    return Viewer(now=NOW, zone=ZoneInfo("Europe/Berlin"), ref="p:viewer")


@pytest.fixture
def spec() -> ListSpec:
    return ListSpec(
        name="ui.answers",
        title="Answers",
        noun="answer",
        permission="access.tenant.read",
        rows=lambda actor: FirstAnswer.objects.filter(tenant__in=actor.readable),
        columns=(
            Column("name", "Name", field="key", link=True),
            Column("owner", "Owner", field="actor", me=True),
            Column("status", "Status", Kind.NUMBER),
            Column("state", "State", Kind.CHOICE, field="actor", choices={"offline": "Offline", "online": "Online"}),
            Column("site", "Site", field="key"),
            Column("seen", "Seen", Kind.TIME, field="created_at"),
            Column("free_pct", "Free", Kind.NUMBER, field="status", unit="%"),
            Column("note", "Note", value=lambda row: f"-{row.key}"),
        ),
        sort="name",
        search=("key", "actor"),
    )


@pytest.fixture
def actor(db: None) -> Iterator[Actor]:
    """Somebody of a tenant of this test, bound to the transaction of the test."""
    tenant = new_id()
    bind(tenant)
    return Actor(
        kind=ActorKind.PERSON,
        ref="p:viewer",
        tenant=tenant,
        via=Via.WEB,
        roles=frozenset({"owner"}),
        readable=(tenant,),
        person_id=new_id(),
    )


def answer(tenant: UUID, name: str, *, owner: str = "p:other", status: int | None = None, age: timedelta = timedelta()) -> FirstAnswer:
    return FirstAnswer.objects.create(tenant=tenant, key=name, actor=owner, status=status, request_sha256=b"0" * 32, created_at=NOW - age)
