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


# What a metric is called in a legend, where its name alone would not be understood.
WORDS: Mapping[str, str] = {
    "load1": "1 minute",
    "load5": "5 minutes",
    "load15": "15 minutes",
    "disk_read_bytes_per_s": "read",
    "disk_write_bytes_per_s": "written",
    "network_rx_bytes_per_s": "received",
    "network_tx_bytes_per_s": "sent",
}


def legend(refs: Sequence[SeriesRef]) -> dict[int, str]:
    """Return a name for each series, by number, that none of the others has: what it measures is added where labels are shared."""
    many = len({ref.metric for ref in refs}) > 1
    return {ref.number: _named(ref, many) for ref in refs}


def _named(ref: SeriesRef, many: bool) -> str:
    word = WORDS.get(ref.metric, ref.metric.replace("_", " "))
    if not ref.labels:
        return word
    return f"{ref.name} {word}" if many else ref.name


def series_of(tenant: UUID, *, metrics: Sequence[str], target: UUID | None = None, limit: int = SERIES_MAX) -> list[SeriesRef]:
    """Return the registered series of some metrics, of one device or of all."""
    rows = Series.objects.filter(tenant=tenant, metric__in=metrics)
    if target is not None:
        rows = rows.filter(target=target)
    found = rows.order_by("metric", "number").values_list("number", "metric", "labels", "target")[:limit]
    return [SeriesRef(unsigned(number), metric, _own(labels), device) for number, metric, labels, device in found]


def _own(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in labels.items() if key not in (METRIC, "device")}
