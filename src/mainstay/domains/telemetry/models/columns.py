"""The columns of each engine table as they travel: Arrow schemas, their numbers in the spool, their partitions.

Invariant: a number is never given to another table, because segments written by an older version still carry it.
"""

from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa

_TEXT_MAP = pa.map_(pa.string(), pa.string())
_MS = pa.timestamp("ms", "UTC")


class Table(IntEnum):
    SAMPLES = 1
    SERIES = 2
    SERIES_BY_LABEL = 3
    METRIC_META = 4
    LOGS = 5
    EVENTS = 6
    RESULTS = 7


@dataclass(frozen=True)
class Shape:
    """`day`: the time column whose day parts the table; None where one insert never spreads over many partitions."""

    name: str
    schema: pa.Schema
    day: str | None = None


def _shape(name: str, day: str | None = None, /, **fields: pa.DataType) -> Shape:
    return Shape(name, pa.schema(list(fields.items())), day)


SHAPES: dict[Table, Shape] = {
    Table.SAMPLES: _shape("samples", "ts", tenant=pa.uint32(), series=pa.uint64(), ts=_MS, value=pa.float64(), keep=pa.uint16()),
    Table.SERIES: _shape(
        "series",
        tenant=pa.uint32(), series=pa.uint64(), metric=pa.string(), labels=_TEXT_MAP, month=pa.uint32(), first_seen=_MS,
        target=pa.string(),
    ),
    Table.SERIES_BY_LABEL: _shape(
        "series_by_label", tenant=pa.uint32(), month=pa.uint32(), name=pa.string(), value=pa.string(), series=pa.uint64()
    ),
    Table.METRIC_META: _shape(
        "metric_meta", tenant=pa.uint32(), metric=pa.string(), type=pa.string(), unit=pa.string(), help=pa.string(), seen=_MS
    ),
    Table.LOGS: _shape(
        "logs", "ts",
        tenant=pa.uint32(), ts=pa.timestamp("ns", "UTC"), seen=_MS, source=pa.string(), origin=pa.string(), severity=pa.uint8(),
        facility=pa.uint8(), host=pa.string(), app=pa.string(), pid=pa.uint32(), msgid=pa.string(), body=pa.string(), attrs=_TEXT_MAP,
        trace_id=pa.string(), raw=pa.string(), keep=pa.uint16(),
    ),
    Table.EVENTS: _shape(
        "events", "ts",
        tenant=pa.uint32(), ts=_MS, seen=_MS, kind=pa.string(), subject=pa.string(), source=pa.string(), severity=pa.uint8(),
        key=pa.string(), payload=pa.string(), keep=pa.uint16(),
    ),
    Table.RESULTS: _shape(
        "results", "ts",
        tenant=pa.uint32(), ts=_MS, check=pa.uint64(), vantage=pa.string(), state=pa.string(), attempt=pa.uint8(), t_start=_MS,
        t_end=_MS, reason=pa.string(), output=pa.string(), keep=pa.uint16(),
    ),
}  # fmt: skip

# Computed in the engine, never sent: they have no place in the spool.
ROLLUPS = ("samples_5m", "samples_1h")
TENANT_TABLES = tuple(f"mainstay.{name}" for name in (*(shape.name for shape in SHAPES.values()), *ROLLUPS))
