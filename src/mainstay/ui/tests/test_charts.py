"""A chart in words, and ranges that are asked for."""

from datetime import timedelta

import pytest
from django.test import RequestFactory

from mainstay.kernel.clock import FixedClock
from mainstay.kernel.errors import Invalid
from mainstay.ui.charts import POINTS_MAX, Chart, Series, chart_json, chart_range, gaps, summary


def test_the_summary_of_the_specification() -> None:
    series = Series("used", "%", [10, 12, None, 11])

    assert summary(series, 60) == "now 11 %, lowest 10 %, highest 12 %, typical (median) 11 %, 1 gap of 1 min"


def test_a_sample_that_may_still_be_under_way_is_no_gap() -> None:
    assert summary(Series("used", "%", [10, 12, None]), 60) == "now 12 %, lowest 10 %, highest 12 %, typical (median) 11 %"


def test_a_series_that_ends_in_silence_has_no_value_now() -> None:
    text = summary(Series("used", "%", [10, None, None, None]), 60)

    assert text.startswith("no value now, last 10 %")
    assert text.endswith("1 gap of 1 min")


def test_the_time_before_the_first_value_is_said_and_not_counted_as_a_gap() -> None:
    text = summary(Series("used", "%", [None, None, 10, 12]), 60)

    assert text == "now 12 %, lowest 10 %, highest 12 %, typical (median) 11 %, nothing in the first 2 min"


def test_each_of_several_lines_is_said_in_short() -> None:
    series = (Series("sda", "%", [1, 3]), Series("sdb", "%", [None, None]))

    assert chart_json(Chart(t=(0, 60), series=series, step_s=60))["summary"] == (
        "sda: now 3 %, highest 3 %; sdb: nothing was measured in this time"
    )


def test_a_series_without_values_says_so() -> None:
    assert summary(Series("used", "%", [None, None]), 60) == "nothing was measured in this time"


def test_gaps_are_counted_at_both_ends_and_in_the_middle() -> None:
    assert gaps([None, 1, None, None, 2, None]) == [1, 2, 1]


def test_a_gap_stays_a_gap_in_the_data() -> None:
    document = chart_json(Chart(t=(0, 60), series=(Series("used", "%", [None, 0.0]),), step_s=60))

    assert document["series"][0]["values"] == [None, 0.0]


def test_too_many_points_are_refused() -> None:
    with pytest.raises(Invalid, match="at most 2400 points"):
        chart_json(Chart(t=range(POINTS_MAX + 1), series=(), step_s=1))


@pytest.mark.parametrize(
    "query", ["range=1y", "from=1", "from=2&to=1", "from=x&to=2", "from=0&to=99999999", "from=nan&to=2", "from=1&to=inf"]
)
def test_a_range_that_means_nothing_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        chart_range(RequestFactory().get(f"/?{query}"), FixedClock())


def test_a_named_range_ends_now() -> None:
    clock = FixedClock()

    start, end = chart_range(RequestFactory().get("/?range=6h"), clock)

    assert (end, end - start) == (clock.now(), timedelta(hours=6))
