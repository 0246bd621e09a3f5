"""Pages of rows: nothing twice, nothing skipped, nothing shown when a filter cannot be obeyed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import Invalid
from mainstay.ui.lists import ListSpec, fetch, reading
from mainstay.ui.lists.grammar import parse
from mainstay.ui.lists.reading import Page, read_page
from mainstay.ui.lists.values import Viewer
from mainstay.ui.tests.conftest import answer


def page(spec: ListSpec, actor: Actor, viewer: Viewer, **pairs: str | list[str]) -> Page:
    listed = {key: value if isinstance(value, list) else [value] for key, value in pairs.items()}
    return read_page(spec, actor, parse(spec, listed, viewer))


def names(found: Page) -> list[str]:
    return [row.key for row in found.rows]


def walk(spec: ListSpec, actor: Actor, viewer: Viewer, **pairs: str) -> list[str]:
    """Follow `next` to the end and return every name on the way."""
    seen: list[str] = []
    after = ""
    for _ in range(100):
        found = page(spec, actor, viewer, **pairs, **({"after": after} if after else {}))
        seen += names(found)
        after = found.next
        if not after:
            return seen
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("sort", ["status", "-status", "status,-seen", "-status,name", "-seen", "name", "-id"])
def test_walking_the_pages_shows_every_row_once_in_the_order_of_the_whole(spec: ListSpec, actor: Actor, viewer: Viewer, sort: str) -> None:
    for number in range(23):
        status = None if number % 4 == 0 else number % 3
        answer(actor.tenant, f"n{number:02}", status=status, age=timedelta(minutes=number % 5))

    walked = walk(spec, actor, viewer, sort=sort, n="4")

    assert walked == names(page(spec, actor, viewer, sort=sort, n="200"))
    assert sorted(walked) == [f"n{number:02}" for number in range(23)]


@pytest.mark.parametrize(("sort", "expected"), [("status", ["one", "two", "none"]), ("-status", ["two", "one", "none"])])
def test_nulls_are_last_in_both_directions(spec: ListSpec, actor: Actor, viewer: Viewer, sort: str, expected: list[str]) -> None:
    answer(actor.tenant, "none")
    answer(actor.tenant, "one", status=1)
    answer(actor.tenant, "two", status=2)

    assert names(page(spec, actor, viewer, sort=sort)) == expected


def test_an_unknown_filter_shows_no_row_and_is_refused_by_the_api(spec: ListSpec, actor: Actor, viewer: Viewer) -> None:
    answer(actor.tenant, "one")

    assert page(spec, actor, viewer, statsu="offline").rows == ()
    with pytest.raises(Invalid) as refused:
        fetch(spec, actor, {"statsu": ["offline"]}, viewer)
    assert (refused.value.code, refused.value.fields["pointer"]) == ("list.unknown_filter", "statsu")


def test_a_cursor_of_another_order_shows_page_one_and_says_so(spec: ListSpec, actor: Actor, viewer: Viewer) -> None:
    for number in range(3):
        answer(actor.tenant, f"n{number}")
    by_name = page(spec, actor, viewer, sort="name", n="1").next

    found = page(spec, actor, viewer, sort="-seen", n="1", after=by_name)

    assert len(found.rows) == 1
    assert [problem.code for problem in found.problems] == ["list.cursor_mismatch"]
    with pytest.raises(Invalid, match=r"another order"):
        fetch(spec, actor, {"sort": ["-seen"], "after": [by_name]}, viewer)


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "W10", "WyJhIixbMV1d", "%%%", "ÿ"])
def test_a_mangled_cursor_is_reported_and_never_an_error_of_ours(spec: ListSpec, actor: Actor, viewer: Viewer, cursor: str) -> None:
    answer(actor.tenant, "one")

    assert [problem.code for problem in page(spec, actor, viewer, after=cursor).problems] == ["list.cursor_mismatch"]


def test_filters_of_different_keys_are_all_of(spec: ListSpec, actor: Actor, viewer: Viewer) -> None:
    answer(actor.tenant, "hq", owner="offline")
    answer(actor.tenant, "branch", owner="offline")
    answer(actor.tenant, "hq2", owner="offline")
    answer(actor.tenant, "branch2", owner="online")

    assert names(page(spec, actor, viewer, state="offline", site=["hq", "branch", "branch2"])) == ["branch", "hq"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({"status__not": "1"}, ["none", "two"]),
        ({"status__lt": "2"}, ["one"]),
        ({"status__gte": "1.5"}, ["two"]),
        ({"status__empty": "true"}, ["none"]),
        ({"status__empty": "false"}, ["one", "two"]),
        ({"name__contains": "NO"}, ["none"]),
        ({"name__contains": "%"}, []),
        ({"q": "viewer tw"}, ["two"]),
        ({"owner": "@me"}, ["one", "two"]),
        ({"owner__not": "@me"}, ["none"]),
        ({"seen__lt": "-1h"}, ["two"]),
        ({"seen__not": "today"}, ["two"]),
        ({"seen__lte": "yesterday"}, ["two"]),
        ({"seen__gt": "yesterday"}, ["none", "one"]),
        ({"seen": ["yesterday", "today"]}, ["none", "one", "two"]),
    ],
)
def test_each_suffix_means_what_it_says(spec: ListSpec, actor: Actor, viewer: Viewer, pairs: dict[str, str], expected: list[str]) -> None:
    answer(actor.tenant, "none")
    answer(actor.tenant, "one", status=1, owner="p:viewer")
    answer(actor.tenant, "two", status=2, owner="p:viewer", age=timedelta(days=1))

    assert names(page(spec, actor, viewer, **pairs)) == expected


def test_the_total_is_exact_up_to_its_limit_and_then_honest(
    spec: ListSpec, actor: Actor, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TOTAL_MAX", 3)
    for number in range(3):
        answer(actor.tenant, f"n{number}")
    assert (page(spec, actor, viewer).total, page(spec, actor, viewer).total_is_exact) == (3, True)

    answer(actor.tenant, "n3")

    assert (page(spec, actor, viewer).total, page(spec, actor, viewer).total_is_exact) == (3, False)


def test_rows_of_another_tenant_are_not_there(spec: ListSpec, actor: Actor, viewer: Viewer) -> None:
    answer(actor.tenant, "mine")
    foreign = replace(actor, tenant=actor.person_id or actor.tenant, readable=(actor.person_id or actor.tenant,))

    assert names(page(spec, foreign, viewer)) == []
