"""Which charts a device can have, and their JSON: columns and words from the kit, the typed gaps from the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mainstay.domains.telemetry.queries.charts import ChartData
from mainstay.kernel.json import Json
from mainstay.ui.charts import Chart, Series, chart_json


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


def chart_body(data: ChartData, title: str) -> dict[str, Json]:
    """Return the JSON of a chart: columns and words from the kit, the typed gaps from the data."""
    series = tuple(Series(line.name, line.unit, line.last) for line in data.lines)
    drawn = chart_json(Chart(data.t, series, data.step_s, title=title, tier=data.tier))
    return {**drawn, "gaps": list(data.gaps)}
