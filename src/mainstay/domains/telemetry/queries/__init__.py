"""Reads of telemetry."""

from mainstay.domains.telemetry.queries.charts import ChartData, chart, metric_chart
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.queries.health import intake_health
from mainstay.domains.telemetry.queries.latest import Latest, Trend, latest_values, trends
from mainstay.domains.telemetry.queries.logs import LogLine, search_logs
from mainstay.domains.telemetry.queries.plots import PLOTS, Plot, chart_body
from mainstay.domains.telemetry.queries.series import SeriesRef, series_of

__all__ = [
    "PLOTS",
    "ChartData",
    "Latest",
    "LogLine",
    "Plot",
    "SeriesRef",
    "Trend",
    "chart",
    "chart_body",
    "engine",
    "intake_health",
    "latest_values",
    "metric_chart",
    "search_logs",
    "series_of",
    "trends",
]
