"""What a chart draws: at most 2,400 buckets with lowest, highest and last, gaps named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mainstay.core.access import queries as access_queries
from mainstay.domains.telemetry.models import Loss, Rollup
from mainstay.domains.telemetry.models.engine import Parameter, Statement
from mainstay.domains.telemetry.queries import sql
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.queries.series import SeriesRef, legend, series_of
from mainstay.domains.telemetry.rules import charts, tiers
from mainstay.domains.telemetry.rules.tiers import Tier
from mainstay.kernel.json import JsonObject

SERIES_PER_CHART_MAX = 20


@dataclass(frozen=True)
class Line:
    """One series in buckets. `last` is drawn; `low` and `high` keep a spike visible at any zoom."""

    name: str
    unit: str
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    last: tuple[float | None, ...]


@dataclass(frozen=True)
class ChartData:
    """`t`: the start of each bucket, Unix seconds. `gaps`: typed `no_data` or `loss`."""

    t: tuple[int, ...]
    lines: tuple[Line, ...]
    step_s: int
    tier: str
    gaps: tuple[JsonObject, ...]


def metric_chart(tenant: UUID, device_id: UUID, metrics: Mapping[str, str], *, from_s: int, to_s: int) -> ChartData:
    """Return the chart of some metrics (name to unit) of one device. Errors: Unavailable while the engine is away."""
    refs = series_of(tenant, metrics=list(metrics), target=device_id, limit=SERIES_PER_CHART_MAX)
    return chart(tenant, device_id, refs, metrics, from_s=from_s, to_s=to_s)


def chart(tenant: UUID, device_id: UUID, refs: Sequence[SeriesRef], units: Mapping[str, str], *, from_s: int, to_s: int) -> ChartData:
    """Return the chart of given series."""
    step = charts.step_s(from_s, to_s)
    first, count = from_s // step, (to_s - 1) // step - from_s // step + 1
    tier, through = _tier(step)
    filled = _read(tenant, refs, first=first, count=count, step=step, tier=tier, through=through) if refs else {}
    empty = ((None,) * count,) * 3
    names = legend(refs)
    lines = tuple(Line(names[ref.number], units.get(ref.metric, ""), *filled.get(ref.number, empty)) for ref in refs)
    times = tuple((first + index) * step for index in range(count))
    losses = _losses(tenant, device_id, from_s, to_s)
    return ChartData(times, lines, step, tier, (*_silences(lines, times, step), *losses))


def _tier(step: int) -> tuple[Tier, int]:
    """Return the tier that a chart reads and how far it is computed; what is newer comes from the samples themselves."""
    tier = tiers.tier_for(step)
    row = Rollup.objects.filter(tier=tier).values_list("through_at", flat=True).first() if tier is not Tier.RAW else None
    return (tier, int(row.timestamp())) if row is not None else (Tier.RAW, 0)


def _read(
    tenant: UUID, refs: Sequence[SeriesRef], *, first: int, count: int, step: int, tier: Tier, through: int
) -> dict[int, tuple[tuple[float | None, ...], ...]]:
    start, end = first * step, (first + count) * step
    border = min(max(through, start), end) if tier is not Tier.RAW else start
    parts = [(_STATEMENTS[tier], start, border), (sql.BUCKETS, border, end)]
    rows: dict[int, tuple[list[float | None], ...]] = {}
    for statement, begin, stop in parts:
        if begin < stop:
            for series, bucket, *values in _buckets(tenant, refs, statement, begin, stop, step):
                lists = rows.setdefault(series, ([None] * count, [None] * count, [None] * count))
                _merge(lists, bucket - first, values)
    return {series: tuple(tuple(values) for values in lists) for series, lists in rows.items()}


def _buckets(
    tenant: UUID, refs: Sequence[SeriesRef], statement: Statement, begin: int, stop: int, step: int
) -> Iterator[tuple[int, int, float, float, float]]:
    parameters: dict[str, Parameter] = {
        "series": [ref.number for ref in refs], "from_ms": begin * 1000, "to_ms": stop * 1000, "step_ms": step * 1000,
    }  # fmt: skip
    columns = engine().read([access_queries.tenant_number(tenant)], statement, parameters)
    for series, bucket, low, high, last in zip(*columns, strict=True) if columns else ():
        yield int(str(series)), int(str(bucket)), float(str(low)), float(str(high)), float(str(last))


def _merge(lists: tuple[list[float | None], ...], at: int, values: Sequence[float]) -> None:
    """Put a part of a bucket beside what is there; the later part is read last, and its last value counts."""
    lows, highs, lasts = lists
    low, high, last = values
    lows[at] = low if (known := lows[at]) is None else min(known, low)
    highs[at] = high if (top := highs[at]) is None else max(top, high)
    lasts[at] = last


_STATEMENTS = {Tier.RAW: sql.BUCKETS, Tier.FIVE_MINUTES: sql.BUCKETS_5M, Tier.HOUR: sql.BUCKETS_1H}


def _silences(lines: Sequence[Line], times: Sequence[int], step: int) -> list[JsonObject]:
    """Name the stretches in which no series of the chart has a value."""
    if not lines:
        return []
    together = [next((value for value in column if value is not None), None) for column in zip(*(line.last for line in lines), strict=True)]
    return [{"kind": "no_data", "from": times[gap.first], "to": times[gap.last] + step} for gap in charts.gaps(together)]


def _losses(tenant: UUID, device_id: UUID, from_s: int, to_s: int) -> list[JsonObject]:
    start, end = datetime.fromtimestamp(from_s, UTC), datetime.fromtimestamp(to_s, UTC)
    rows = Loss.objects.filter(tenant=tenant, sender=device_id, to_at__gte=start, from_at__lte=end).order_by("from_at")[:100]
    return [
        {"kind": "loss", "from": int(row.from_at.timestamp()), "to": int(row.to_at.timestamp()), "rows": row.rows, "reason": row.reason}
        for row in rows
    ]
