"""What a chart draws: at most 2,400 buckets with lowest, highest and last, gaps named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mainstay.core.access import queries as access_queries
from mainstay.domains.telemetry.models import Loss
from mainstay.domains.telemetry.models.engine import Parameter
from mainstay.domains.telemetry.queries import sql
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.queries.series import SeriesRef, legend, series_of
from mainstay.domains.telemetry.rules import charts
from mainstay.kernel.json import JsonObject

SERIES_PER_CHART_MAX = 20
TIER = "raw"


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
    filled = _read(tenant, refs, first=first, count=count, step=step) if refs else {}
    empty = ((None,) * count,) * 3
    names = legend(refs)
    lines = tuple(Line(names[ref.number], units.get(ref.metric, ""), *filled.get(ref.number, empty)) for ref in refs)
    times = tuple((first + index) * step for index in range(count))
    losses = _losses(tenant, device_id, from_s, to_s)
    return ChartData(times, lines, step, TIER, (*_silences(lines, times, step), *losses))


def _read(tenant: UUID, refs: Sequence[SeriesRef], *, first: int, count: int, step: int) -> dict[int, tuple[tuple[float | None, ...], ...]]:
    parameters: dict[str, Parameter] = {
        "series": [ref.number for ref in refs],
        "from_ms": first * step * 1000,
        "to_ms": (first + count) * step * 1000,
        "step_ms": step * 1000,
    }
    columns = engine().read([access_queries.tenant_number(tenant)], sql.BUCKETS, parameters)
    rows: dict[int, tuple[list[float | None], ...]] = {}
    for series, bucket, low, high, last in zip(*columns, strict=True) if columns else ():
        lists = rows.setdefault(int(str(series)), ([None] * count, [None] * count, [None] * count))
        for values, value in zip(lists, (low, high, last), strict=True):
            values[int(str(bucket)) - first] = float(str(value))
    return {series: tuple(tuple(values) for values in lists) for series, lists in rows.items()}


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
