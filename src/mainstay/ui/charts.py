"""The data of a chart: columns, a text summary, honest gaps.

Owns: the JSON that `<ms-chart>` reads, and the words under it. Does not own: where samples come from.
Invariant: a gap stays a gap: never 0, never interpolated. At most 2,400 points per series.
Source: experience page, section 6.1 and its vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.http import HttpRequest, JsonResponse

from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json
from mainstay.ui import formats

POINTS_MAX = 2_400
UNDER_WAY_POINTS = 2
RANGES_S = {"15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
RANGE_DEFAULT = "1h"
SPAN_MAX_S = 366 * 86_400


@dataclass(frozen=True)
class Series:
    """One line. `values` has one entry per instant of the chart; None where nothing is known."""

    name: str
    unit: str
    values: Sequence[float | None]
    tone: str = ""


@dataclass(frozen=True)
class Chart:
    """Instants (unix seconds), lines, and the step between instants. `limits` are horizontal marks: (value, words)."""

    t: Sequence[int]
    series: Sequence[Series]
    step_s: int
    title: str = ""
    tier: str = ""
    limits: Sequence[tuple[float, str]] = ()


def chart_response(chart: Chart) -> JsonResponse:
    """Answer a chart. Errors: Invalid("chart.too_many_points")."""
    return JsonResponse(chart_json(chart))


def chart_json(chart: Chart) -> dict[str, Json]:
    """Return the chart as `<ms-chart>` reads it."""
    if len(chart.t) > POINTS_MAX:
        raise Invalid("chart.too_many_points", f"A chart has at most {POINTS_MAX} points. Choose a coarser step.")
    return {
        "t": list(chart.t),
        "series": [
            {"name": one.name, "unit": one.unit, "values": list(one.values), "tone": one.tone, "summary": summary(one, chart.step_s)}
            for one in chart.series
        ],
        "tier": chart.tier,
        "step": chart.step_s,
        "title": chart.title,
        "limits": [{"value": value, "text": text} for value, text in chart.limits],
        "summary": "; ".join(_named(one, chart) for one in chart.series) or "Nothing was measured in this time.",
    }


def _named(one: Series, chart: Chart) -> str:
    return f"{one.name}: {_in_short(one)}" if len(chart.series) > 1 else summary(one, chart.step_s)


def _in_short(series: Series) -> str:
    """Return the words of one line among several: the table has the rest."""
    known = [value for value in _settled(series.values) if value is not None]
    if not known:
        return "nothing was measured in this time"
    return f"{_now(series, known)}, highest {_value(max(known), series)}"


def summary(series: Series, step_s: int) -> str:
    """Return what a chart shows, in words: now, lowest, highest, typical, gaps."""
    values = _settled(series.values)
    known = [value for value in values if value is not None]
    if not known:
        return "nothing was measured in this time"
    before = next(index for index, value in enumerate(values) if value is not None)
    parts = [
        _now(series, known),
        f"lowest {_value(min(known), series)}",
        f"highest {_value(max(known), series)}",
        f"typical (median) {_value(median(known), series)}",
        *_gap_words(gaps(values[before:]), step_s),
    ]
    if before:
        parts.append(f"nothing in the first {formats.duration(before * step_s)}")
    return ", ".join(parts)


def _settled(values: Sequence[float | None]) -> Sequence[float | None]:
    """Leave out the newest instants whose samples may still be on their way; a longer silence stays a gap."""
    end = len(values)
    while end and end > len(values) - UNDER_WAY_POINTS and values[end - 1] is None:
        end -= 1
    return values[:end]


def _now(series: Series, known: Sequence[float]) -> str:
    if _settled(series.values)[-1] is not None:
        return f"now {_value(known[-1], series)}"
    return f"no value now, last {_value(known[-1], series)}"


def gaps(values: Sequence[float | None]) -> list[int]:
    """Return the lengths (in points) of the runs without a value, in order."""
    lengths: list[int] = []
    run = 0
    for value in [*values, 0.0]:
        if value is None:
            run += 1
        elif run:
            lengths.append(run)
            run = 0
    return lengths


def _gap_words(lengths: Sequence[int], step_s: int) -> list[str]:
    if not lengths:
        return []
    total = formats.duration(sum(lengths) * step_s)
    return [f"1 gap of {total}" if len(lengths) == 1 else f"{len(lengths)} gaps of {total} in all"]


def _value(value: float, series: Series) -> str:
    text = formats.number(value, series.unit)
    return text.replace("\u202f", " ")


def chart_range(request: HttpRequest, clock: Clock) -> tuple[datetime, datetime]:
    """Return the time that a chart request asks for: `range=1h`, or `from` and `to` in unix seconds.

    Errors: Invalid("chart.bad_range") for an unknown word, a bad number, or a span that is empty or above a year.
    """
    now = clock.now()
    if "from" not in request.GET:
        seconds = RANGES_S.get(request.GET.get("range", RANGE_DEFAULT))
        if seconds is None:
            raise Invalid("chart.bad_range", f"One of {', '.join(RANGES_S)} is expected.", pointer="range")
        return now - timedelta(seconds=seconds), now
    try:
        start, end = (datetime.fromtimestamp(float(request.GET[key]), now.tzinfo) for key in ("from", "to"))
    except (KeyError, ValueError, OverflowError, OSError):
        raise Invalid("chart.bad_range", "`from` and `to` are unix seconds, and both are needed.", pointer="from") from None
    if not 0 < (end - start).total_seconds() <= SPAN_MAX_S:
        raise Invalid("chart.bad_range", "A chart shows more than nothing and at most a year.", pointer="to")
    return start, end
