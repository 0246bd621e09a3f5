"""Today: honest about silence, in the order of the rules."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from mainstay.console import setup, today
from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.alerting import pages as alerting
from mainstay.domains.estate import pages as estate
from mainstay.domains.estate.models import Device, FactChange
from mainstay.kernel.actors import Actor, ActorKind, Via
from mainstay.kernel.clock import FixedClock
from mainstay.ui.today import NeedsYou, in_order

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRESH = today.Source("Devices", "ok", "2 of 2 heard", NOW)


@pytest.fixture
def actor(db: None) -> Iterator[Actor]:
    tenant = new_id()
    bind(tenant)
    return Actor(
        kind=ActorKind.PERSON, ref="p:tara", tenant=tenant, via=Via.WEB, roles=frozenset({"owner"}), readable=(tenant,), person_id=new_id()
    )


def device(actor: Actor, name: str, state: str = "active", seen: datetime | None = None) -> Device:
    return Device.objects.create(
        tenant=actor.tenant, name=name, state=state, machine_id_hash=f"{name:0>64}", first_enrolled_at=NOW, last_seen_at=seen
    )


def test_only_fresh_sources_make_it_quiet(actor: Actor) -> None:
    assert today.quiet(actor, [FRESH]).tone == "ok"
    assert today.quiet(actor, [FRESH]).title == "All quiet."


@pytest.mark.parametrize("tone", ["stale", "critical"])
def test_one_source_that_is_not_heard_and_nothing_is_quiet(actor: Actor, tone: str) -> None:
    said = today.quiet(actor, [FRESH, today.Source("Ledger", tone, "nothing signed for an hour")])

    assert (said.tone, said.title) == ("stale", "Not everything can be heard.")
    assert said.text == "Ledger: nothing signed for an hour. Silence is not health."


def test_without_a_device_nothing_is_watched(actor: Actor) -> None:
    said = today.quiet(actor, today.sources(actor, NOW)[:1])

    assert (said.tone, said.title) == ("unknown", "Nothing is watched yet.")


def test_a_device_that_is_silent_for_more_than_a_minute_is_named(actor: Actor) -> None:
    device(actor, "web", seen=NOW - timedelta(seconds=59))
    assert today.sources(actor, NOW)[0].text == "1 of 1 heard"

    device(actor, "db", seen=NOW - timedelta(seconds=61))

    assert today.sources(actor, NOW)[0].tone == "stale"
    assert today.sources(actor, NOW)[0].text == "no word for more than a minute from db"


def test_few_devices_that_wish_to_join_are_named_and_many_are_one_row(actor: Actor) -> None:
    for number in range(3):
        device(actor, f"new{number}", "pending")
    assert sorted(row.title for row in estate.today(actor, FixedClock())) == [f"new{number} wants to join" for number in range(3)]
    assert {row.act_label for row in estate.today(actor, FixedClock())} == {"Approve"}

    device(actor, "new3", "pending")

    [row] = estate.today(actor, FixedClock())
    assert (row.title, row.url, row.act) == ("4 devices want to join", "/devices/?state=pending", "")


def test_changes_of_a_day_are_summed_up_by_device_and_part(actor: Actor) -> None:
    web = device(actor, "web")
    for hours, group in ((1, "packages"), (2, "packages"), (3, "users"), (25, "users")):
        FactChange.objects.create(tenant=actor.tenant, device=web, group=group, patch=[], at=NOW - timedelta(hours=hours))

    found = estate.changes(actor, NOW - timedelta(days=1))

    assert [(row.title, row.text, row.count, row.at) for row in found] == [
        ("web", "packages", 2, NOW - timedelta(hours=1)),
        ("web", "users", 1, NOW - timedelta(hours=3)),
    ]


def test_rows_stand_in_the_order_of_the_rules_then_the_nearer_deadline() -> None:
    rows = [
        NeedsYou(rank, title, "", f"/{title}", "Open", NOW + timedelta(hours=hours))
        for rank, title, hours in (("f", "old", 0), ("a", "later", 2), ("b", "people", 0), ("a", "sooner", 1))
    ]

    assert [row.title for row in in_order(rows)] == ["sooner", "later", "people", "old"]
    assert rows[0].rule == "it has waited longest"


def test_the_checklist_has_eight_steps_and_ticks_none_by_itself(actor: Actor) -> None:
    found = setup.steps(actor, NOW)

    assert len(found) == 8
    assert [step.title for step in found if step.is_done] == []


def test_without_an_alert_the_tab_carries_no_state(actor: Actor) -> None:
    assert alerting.worst(actor) == (0, 0)
    assert alerting.last_resolved(actor) is None
