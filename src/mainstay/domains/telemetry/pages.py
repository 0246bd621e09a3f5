"""Charts of a device. There is no page of its own yet: the device page shows them.

Owns: which charts there are and their JSON. Does not own: the data (queries), how it is drawn (ui).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from django.http import JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.estate import queries as estate
from mainstay.domains.telemetry import queries
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import Json
from mainstay.ui.charts import Chart, Series, chart_json, chart_range


@dataclass(frozen=True)
class Plot:
    """A chart that a device can have. `metrics`: metric to unit."""

    title: str
    unit: str
    metrics: Mapping[str, str]
    icon: str = "cpu"


PLOTS: Mapping[str, Plot] = MappingProxyType(
    {
        "cpu": Plot("Processor", "%", {"cpu_used_pct": "%"}),
        "memory": Plot("Memory available", "%", {"memory_available_pct": "%"}, "memory"),
        "load": Plot("Load", "", {"load1": "", "load5": "", "load15": ""}, "bolt"),
        "filesystems": Plot("Free space by filesystem", "%", {"filesystem_free_pct": "%"}, "disk"),
        "disk": Plot("Disk traffic", "bytes/s", {"disk_read_bytes_per_s": "bytes/s", "disk_write_bytes_per_s": "bytes/s"}, "disk"),
        "network": Plot("Network", "bytes/s", {"network_rx_bytes_per_s": "bytes/s", "network_tx_bytes_per_s": "bytes/s"}, "network"),
    }
)


@require_GET
def device_chart(request: Request, device_id: UUID, metric: str) -> JsonResponse:
    """Answer a chart of one device as columnar JSON."""
    plot = PLOTS.get(metric)
    if plot is None:
        raise NotFound("telemetry.chart_unknown", "There is no such chart.")
    device = estate.find_device(request.actor.readable, device_id)
    require(request.actor, "telemetry.series.read", device.tenant)
    start, end = chart_range(request, request.clock)
    data = queries.metric_chart(device.tenant, device.id, plot.metrics, from_s=int(start.timestamp()), to_s=int(end.timestamp()))
    return JsonResponse(chart_body(data, plot.title))


def chart_body(data: queries.ChartData, title: str) -> dict[str, Json]:
    """Return the JSON of a chart: columns and words from the kit, the typed gaps from the data."""
    series = tuple(Series(line.name, line.unit, line.last) for line in data.lines)
    drawn = chart_json(Chart(data.t, series, data.step_s, title=title, tier=data.tier))
    return {**drawn, "gaps": list(data.gaps)}


urlpatterns: list[URLPattern] = [
    path("devices/<uuid:device_id>/charts/<slug:metric>.json", device_chart, name="device-chart"),
]
