"""Reads of telemetry."""

from mainstay.domains.telemetry.queries.charts import ChartData, chart, metric_chart
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.queries.latest import Latest, Trend, latest_values, trends
from mainstay.domains.telemetry.queries.logs import LogLine, search_logs
from mainstay.domains.telemetry.queries.series import SeriesRef, series_of

__all__ = [
    "ChartData",
    "Latest",
    "LogLine",
    "SeriesRef",
    "Trend",
    "chart",
    "engine",
    "latest_values",
    "metric_chart",
    "search_logs",
    "series_of",
    "trends",
]
