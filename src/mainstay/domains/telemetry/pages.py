"""Charts of a device. There is no page of its own yet: the device page shows them.

Owns: the address. Does not own: which charts there are and their data (queries), how they are drawn (ui).
"""

from uuid import UUID

from django.http import JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.estate import queries as estate
from mainstay.domains.telemetry import queries
from mainstay.kernel.errors import NotFound
from mainstay.ui.charts import chart_range


@require_GET
def device_chart(request: Request, device_id: UUID, metric: str) -> JsonResponse:
    """Answer a chart of one device as columnar JSON."""
    plot = queries.PLOTS.get(metric)
    if plot is None:
        raise NotFound("telemetry.chart_unknown", "There is no such chart.")
    device = estate.find_device(request.actor.readable, device_id)
    require(request.actor, "telemetry.series.read", device.tenant)
    start, end = chart_range(request, request.clock)
    data = queries.metric_chart(device.tenant, device.id, plot.metrics, from_s=int(start.timestamp()), to_s=int(end.timestamp()))
    return JsonResponse(queries.chart_body(data, plot.title))


urlpatterns: list[URLPattern] = [
    path("devices/<uuid:device_id>/charts/<slug:metric>.json", device_chart, name="device-chart"),
]
