"""Identity of series, chart buckets, accepted times."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.domains.telemetry.rules import charts, series, windows
from mainstay.kernel.errors import Invalid

UP = {"__name__": "up", "instance": "a:9100", "job": "node"}


@pytest.mark.parametrize(
    ("tenant", "labels", "expected"),
    [
        (1, UP, 0x4CBF7FCB93D20AFF),
        (2, UP, 0xAB4B953A6319A9DD),
        (1, {"job": "node", "empty": "", "instance": "a:9100", "__name__": "up"}, 0x4CBF7FCB93D20AFF),
        (1, {"__name__": "wärme_celsius", "ort": "Köln"}, 0xA7E9678B998DC6E9),
    ],
)
def test_the_id_of_a_series_is_that_of_the_vectors(tenant: int, labels: dict[str, str], expected: int) -> None:
    assert series.series_id(tenant, labels) == expected


def test_the_hashed_bytes_are_those_of_the_vectors() -> None:
    assert len(series.label_bytes(UP)) == 55
    assert series.label_bytes({"__name__": "up", "job": "x"}).hex() == "080000005f5f6e616d655f5f020000007570030000006a6f620100000078"


def test_a_salt_gives_another_id() -> None:
    assert series.series_id(1, UP, salt=1) != series.series_id(1, UP)


@pytest.mark.parametrize(
    "labels", [{"": "x"}, {"n" * 257: "x"}, {"n": "v" * 2049}, {f"n{number}": "v" for number in range(65)}, {"n": "\ud800"}]
)
def test_labels_beyond_the_limits_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        series.label_bytes(labels)


def test_a_label_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        series.from_pairs([("job", "a"), ("job", "b")])

    assert refused.value.code == "telemetry.label_twice"


@given(st.integers(0, 2**64 - 1))
def test_an_id_survives_the_signed_column(number: int) -> None:
    assert series.unsigned(series.signed(number)) == number
    assert -(2**63) <= series.signed(number) < 2**63


@given(st.integers(0, 2_000_000_000), st.integers(1, 400 * 86_400))
def test_a_chart_never_has_more_than_its_buckets(start: int, span: int) -> None:
    step = charts.step_s(start, start + span)

    assert span / step <= charts.BUCKETS_MAX
    assert step >= 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, None, 2.0], [(1, 1)]),
        ([None, 1.0, 2.0, None], []),
        ([1.0, None, None, 2.0, None, 3.0], [(1, 2), (4, 4)]),
        ([], []),
    ],
)
def test_a_gap_lies_between_two_values(values: list[float | None], expected: list[tuple[int, int]]) -> None:
    assert [(gap.first, gap.last) for gap in charts.gaps(values)] == expected


def test_times_are_believed_for_a_week_back_and_ten_minutes_ahead() -> None:
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)

    assert windows.accepted_ms(at) == (1_767_873_600_000, 1_768_479_000_000)
