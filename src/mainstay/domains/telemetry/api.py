"""The API of telemetry."""

from datetime import datetime, timedelta
from uuid import UUID

from ninja import Router, Schema

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.estate import queries as estate
from mainstay.domains.telemetry import queries
from mainstay.kernel.errors import NotFound
from mainstay.ui.charts import chart_range

router = Router(tags=["telemetry"])


class LogOut(Schema):
    at: datetime
    device_id: UUID
    origin: str
    severity: int
    app: str
    pid: int
    body: str


@router.get("/devices/{device_id}/charts/{metric}", operation_id="telemetry_chart_read")
def chart(request: Request, device_id: UUID, metric: str) -> dict[str, object]:
    """Return a chart of a device: columns, typed gaps, words."""
    plot = queries.PLOTS.get(metric)
    if plot is None:
        raise NotFound("telemetry.chart_unknown", "There is no such chart.")
    device = estate.find_device(request.actor.readable, device_id)
    require(request.actor, "telemetry.series.read", device.tenant)
    start, end = chart_range(request, request.clock)
    data = queries.metric_chart(device.tenant, device.id, plot.metrics, from_s=int(start.timestamp()), to_s=int(end.timestamp()))
    return dict(queries.chart_body(data, plot.title))


@router.get("/logs", response=list[LogOut], operation_id="telemetry_logs_search")
def logs(
    request: Request, device_id: UUID | None = None, text: str = "", minutes: int = 60, severity: int = 7, limit: int = 200
) -> list[LogOut]:
    """Search the newest log lines of the last minutes."""
    require(request.actor, "telemetry.logs.read")
    to_at = request.clock.now()
    lines = queries.search_logs(
        request.actor.tenant, from_at=to_at - timedelta(minutes=min(max(minutes, 1), 7 * 1440)), to_at=to_at,
        sources=[device_id] if device_id else [], text=text, severity=severity, limit=limit,
    )  # fmt: skip
    return [LogOut(**vars(line)) for line in lines]
