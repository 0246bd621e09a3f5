"""Search in log lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mainstay.core.access import queries as access_queries
from mainstay.domains.telemetry.models.engine import Parameter
from mainstay.domains.telemetry.queries import sql
from mainstay.domains.telemetry.queries.engine import engine
from mainstay.domains.telemetry.rules.windows import to_ms

LIMIT_MAX = 1_000


@dataclass(frozen=True)
class LogLine:
    at: datetime
    device_id: UUID
    origin: str
    severity: int
    app: str
    pid: int
    body: str


def search_logs(
    tenant: UUID, *, from_at: datetime, to_at: datetime, sources: Sequence[UUID] = (), text: str = "", severity: int = 7, limit: int = 200
) -> list[LogLine]:
    """Return the newest lines of a time range, at most 1,000. `severity`: the least severe (syslog number) to include."""
    parameters: dict[str, Parameter] = {
        "from_ms": to_ms(from_at),
        "to_ms": to_ms(to_at),
        "sources": [str(source) for source in sources],
        "text": text[:200],
        "severity": severity,
        "limit": min(limit, LIMIT_MAX),
    }
    columns = engine().read([access_queries.tenant_number(tenant)], sql.LOGS, parameters)
    return [_line(row) for row in zip(*columns, strict=True)] if columns else []


def _line(row: tuple[object, ...]) -> LogLine:
    at_ns, device, origin, severity, app, pid, body = row
    at = datetime.fromtimestamp(int(str(at_ns)) / 1e9, UTC)
    return LogLine(at, UUID(str(device)), str(origin), int(str(severity)), str(app), int(str(pid)), str(body))
