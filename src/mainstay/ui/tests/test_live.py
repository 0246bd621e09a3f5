"""The fan-out of change notices: the right tabs, once, and the last state."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from mainstay.core.jobs.live import Change
from mainstay.core.tenancy.ids import new_id
from mainstay.ui import live
from mainstay.ui.live import Hub, Stream, read_topics


async def nothing() -> AsyncIterator[Change]:
    await asyncio.Event().wait()
    yield Change(new_id(), "never", "")


def stream(tenant: UUID, *topics: str) -> Stream:
    return Stream(frozenset({tenant}), frozenset(topics))


async def test_a_tab_hears_of_its_topics_in_its_tenants_only() -> None:
    hub, here, elsewhere = Hub(nothing), new_id(), new_id()
    mine, other_topic, foreign = stream(here, "alert"), stream(here, "run"), stream(elsewhere, "alert")
    for one in (mine, other_topic, foreign):
        hub.add(one)

    hub.tell(Change(here, "alert", "1"))

    assert [one.waiting for one in (mine, other_topic, foreign)] == [{"alert"}, set(), set()]
    for one in (mine, other_topic, foreign):
        hub.remove(one)


async def test_a_tab_may_follow_one_record() -> None:
    hub, here = Hub(nothing), new_id()
    one = stream(here, "incident:7")
    hub.add(one)

    hub.tell(Change(here, "incident", "8"))
    assert one.waiting == set()
    hub.tell(Change(here, "incident", "7"))
    assert one.waiting == {"incident:7"}
    hub.remove(one)


async def test_many_changes_are_one_message_and_the_end_of_rights_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RATE_S", 0.0)
    monkeypatch.setattr(live, "RIGHTS_CHECK_S", 0.01)
    hub, here = Hub(nothing), new_id()
    one = stream(here, "alert", "run")

    async def no_longer() -> bool:
        return False

    told = live.messages(hub, one, may_go_on=no_longer)
    assert await anext(told) == "event: beat\ndata: {}\n\n"
    for _ in range(5):
        hub.tell(Change(here, "run", "1"))
    hub.tell(Change(here, "alert", "1"))

    assert await anext(told) == 'event: changed\ndata: {"topics":["alert","run"]}\n\n'
    assert await anext(told) == "event: revoked\ndata: {}\n\n"
    with pytest.raises(StopAsyncIteration):
        await anext(told)
    assert hub._by_topic == {}


@pytest.mark.parametrize("text", ["", " , ", "a b", "x" * 101, ",".join(f"t{n}" for n in range(51)), "al\nert", "a/b"])
def test_topics_that_nobody_could_have_meant_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|noun"):
        read_topics(text)


def test_topics_are_nouns_or_records() -> None:
    assert read_topics("alert,incident:0198-aa") == {"alert", "incident:0198-aa"}
