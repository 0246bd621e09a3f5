"""The ledger's list: who acted has a name, and who has none any more keeps their reference."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mainstay.console.lists import entries
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.estate.models import Device
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.clock import FixedClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def actor(db: None) -> Iterator[Actor]:
    tenant = new_id()
    bind(tenant)
    return Actor(
        kind=ActorKind.PERSON, ref="p:gone", tenant=tenant, via=Via.WEB, roles=frozenset({"owner"}), readable=(tenant,), person_id=new_id()
    )


def test_devices_and_parts_of_mainstay_are_named_and_the_erased_keep_their_reference(actor: Actor) -> None:
    device = Device.objects.create(tenant=actor.tenant, name="elm", state="active", machine_id_hash="e" * 64, first_enrolled_at=NOW)
    for ref in ("p:gone", "s:worker", f"d:{device.id.hex}", f"d:{new_id().hex}"):
        ledger.record(replace(actor, ref=ref), "desk.incident.opened", new_id(), clock=FixedClock(NOW))

    names = list(entries(actor).order_by("id").values_list("who", flat=True))

    assert names[:3] == ["p:gone", "Mainstay (worker)", "elm"]
    assert names[3].startswith("d:")
