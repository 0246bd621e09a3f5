"""The filter vectors of the experience page, section 3, and what must be reported instead of ignored."""

from datetime import UTC, datetime

import pytest

from mainstay.ui.lists import ListSpec
from mainstay.ui.lists.grammar import Query, parse
from mainstay.ui.lists.values import Span, Viewer


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def read(spec: ListSpec, viewer: Viewer):
    return lambda **pairs: parse(spec, {key: value if isinstance(value, list) else [value] for key, value in pairs.items()}, viewer)


def problems(query: Query) -> list[tuple[str, str]]:
    return [(problem.code, problem.key) for problem in query.problems]


def test_a_repeated_key_is_any_of_and_different_keys_are_all_of(read) -> None:
    query = read(state="offline", site=["hq", "branch"])

    assert [(one.key, one.values) for one in query.filters] == [("state", ("offline",)), ("site", ("hq", "branch"))]


def test_a_comma_does_not_split_a_value(read) -> None:
    assert read(name="Smith, Jones").filters[0].values == ("Smith, Jones",)


def test_a_relative_time_is_exact_seconds(read) -> None:
    assert read(seen__lt="-1d").filters[0].values == (Span(at("2026-03-28T10:00"), at("2026-03-28T10:00")),)


def test_today_is_the_local_day_even_when_it_has_23_hours(read) -> None:
    assert read(seen__gte="today").filters[0].values == (Span(at("2026-03-28T23:00"), at("2026-03-29T22:00")),)


def test_yesterday_is_the_whole_local_day_before(read) -> None:
    assert read(seen="yesterday").filters[0].values == (Span(at("2026-03-27T23:00"), at("2026-03-28T23:00")),)


def test_me_is_whoever_looks(read) -> None:
    assert read(owner="@me").filters[0].values == ("p:viewer",)


def test_me_is_plain_text_where_the_column_names_nobody(read) -> None:
    assert read(name="@me").filters[0].values == ("@me",)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({"statsu": "offline"}, ("list.unknown_filter", "statsu")),
        ({"free_pct__lt": "ten"}, ("list.bad_value", "free_pct__lt")),
        ({"free_pct__lt": "nan"}, ("list.bad_value", "free_pct__lt")),
        ({"free_pct__lt": "1e999"}, ("list.bad_value", "free_pct__lt")),
        ({"state": "asleep"}, ("list.bad_value", "state")),
        ({"name__lt": "x"}, ("list.unknown_filter", "name__lt")),
        ({"name__regex": "x"}, ("list.unknown_filter", "name__regex")),
        ({"note": "x"}, ("list.unknown_filter", "note")),
        ({"name__key__contains": "x"}, ("list.unknown_filter", "name__key__contains")),
        ({"tenant": "x"}, ("list.unknown_filter", "tenant")),
        ({"owner__empty": "maybe"}, ("list.bad_value", "owner__empty")),
        ({"seen": "soon"}, ("list.bad_value", "seen")),
        ({"seen": "9999-12-31"}, ("list.bad_value", "seen")),
        ({"name": "a\x00b"}, ("list.bad_value", "name")),
        ({"n": "5000"}, ("list.bad_value", "n")),
        ({"n": "0"}, ("list.bad_value", "n")),
        ({"n": "²"}, ("list.bad_value", "n")),
        ({"sort": "-nothing"}, ("list.bad_value", "sort")),
        ({"sort": "note"}, ("list.bad_value", "sort")),
        ({"cols": "name,nothing"}, ("list.bad_value", "cols")),
        ({"q": "x" * 501}, ("list.bad_value", "q")),
        ({"site": ["x"] * 101}, ("list.bad_value", "site")),
    ],
)
def test_what_cannot_be_obeyed_is_a_problem(read, pairs: dict[str, str], expected: tuple[str, str]) -> None:
    assert problems(read(**pairs)) == [expected]


def test_the_id_is_always_the_last_key_of_the_order(read) -> None:
    assert [key.text for key in read(sort="-seen,name").sort] == ["-seen", "name", "id"]
    assert [key.text for key in read().sort] == ["name", "id"]


def test_the_id_may_be_named_and_nothing_comes_after_it(read) -> None:
    assert [key.text for key in read(sort="-id,name").sort] == ["-id"]


def test_an_order_names_each_column_once(read) -> None:
    assert [key.text for key in read(sort="name,-name").sort] == ["name", "id"]


def test_chosen_columns_keep_their_order(read) -> None:
    assert [column.key for column in read(cols="seen,name").columns] == ["seen", "name"]


def test_the_fingerprint_knows_sort_and_filter_but_not_the_page(read) -> None:
    assert read(site=["a", "b"]).fingerprint == read(site=["b", "a"], n="100").fingerprint
    assert read(site="a").fingerprint != read(site="b").fingerprint
    assert read().fingerprint != read(sort="-name").fingerprint
