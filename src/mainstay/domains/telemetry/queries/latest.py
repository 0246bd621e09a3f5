"""The newest value of each series, and where a series is heading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any  # rows of the driver
from uuid import UUID

from mainstay.core.access import queries as access_queries
from mainstay.domains.telemetry.models.engine import Parameter, Statement
from mainstay.domains.telemetry.queries import sql
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.queries.series import SeriesRef, series_of
from mainstay.domains.telemetry.rules.windows import to_ms

LOOKBACK = timedelta(minutes=5)
TREND_WINDOW = timedelta(hours=6)
_SERIES_MAX = 50_000


@dataclass(frozen=True)
class Latest:
    ref: SeriesRef
    at: datetime
    value: float


@dataclass(frozen=True)
class Trend:
    """A straight line through a series. Unit of `slope`: its unit per second; `span_s`: how much of the window it covers."""

    ref: SeriesRef
    last: float
    slope: float
    span_s: float
    samples: int


def latest_values(
    tenant: UUID, metrics: Sequence[str], *, at: datetime, target: UUID | None = None, lookback: timedelta = LOOKBACK
) -> list[Latest]:
    """Return the newest value of each series of some metrics within the lookback. Errors: Unavailable."""
    refs = _refs(tenant, metrics, target)
    rows = _read(tenant, sql.LATEST, refs, at - lookback)
    return [Latest(refs[series], datetime.fromtimestamp(at_ms / 1000, UTC), last) for series, at_ms, last in rows]


def trends(tenant: UUID, metrics: Sequence[str], *, at: datetime, window: timedelta = TREND_WINDOW) -> list[Trend]:
    """Return the trend of each series of some metrics. Errors: Unavailable."""
    refs = _refs(tenant, metrics, None)
    rows = _read(tenant, sql.TRENDS, refs, at - window)
    now_s = at.timestamp()
    return [Trend(refs[int(row[0])], row[3], row[4], now_s - row[2] / 1000, int(row[1])) for row in rows]


def _refs(tenant: UUID, metrics: Sequence[str], target: UUID | None) -> dict[int, SeriesRef]:
    return {ref.number: ref for ref in series_of(tenant, metrics=metrics, target=target, limit=_SERIES_MAX)}


def _read(tenant: UUID, statement: Statement, refs: dict[int, SeriesRef], since: datetime) -> list[tuple[Any, ...]]:
    if not refs:
        return []
    parameters: dict[str, Parameter] = {"series": list(refs), "from_ms": to_ms(since)}
    columns = engine().read([access_queries.tenant_number(tenant)], statement, parameters)
    # The driver's columns are untyped. Series ids pass 2^53, so none of them may become a float on its way.
    return list(zip(*columns, strict=True)) if columns else []
