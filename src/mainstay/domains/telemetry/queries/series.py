"""Which series there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from mainstay.domains.telemetry.models import Series
from mainstay.domains.telemetry.rules.series import METRIC, unsigned

SERIES_MAX = 2_000


@dataclass(frozen=True)
class SeriesRef:
    """A series: its id, its metric, and the labels that tell it from its siblings."""

    number: int
    metric: str
    labels: Mapping[str, str]
    target: UUID

    @property
    def name(self) -> str:
        """A short name for a legend: the labels' values, or the metric where there are none."""
        return " ".join(str(self.labels[key]) for key in sorted(self.labels)) or self.metric


def series_of(tenant: UUID, *, metrics: Sequence[str], target: UUID | None = None, limit: int = SERIES_MAX) -> list[SeriesRef]:
    """Return the registered series of some metrics, of one device or of all."""
    rows = Series.objects.filter(tenant=tenant, metric__in=metrics)
    if target is not None:
        rows = rows.filter(target=target)
    found = rows.order_by("metric", "number").values_list("number", "metric", "labels", "target")[:limit]
    return [SeriesRef(unsigned(number), metric, _own(labels), device) for number, metric, labels, device in found]


def _own(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in labels.items() if key not in (METRIC, "device")}
