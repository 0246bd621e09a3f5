"""Network interfaces from /proc/net/dev."""

from mainstay_agent.samples.readings import Series, series

_COLUMNS = {
    0: "network_rx_bytes_per_s",
    2: "network_rx_errors_per_s",
    3: "network_rx_drops_per_s",
    8: "network_tx_bytes_per_s",
    10: "network_tx_errors_per_s",
}
_LEFT_OUT = ("lo", "ifb", "veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "dummy")
INTERFACES_MAX = 32


def parse_dev(text: str) -> dict[Series, int]:
    """Return the counters of real interfaces: loop-back and per-container ones would multiply series without telling more."""
    counters: dict[Series, int] = {}
    seen = 0
    for line in text.splitlines():
        name, separator, rest = line.partition(":")
        name, fields = name.strip(), rest.split()
        if not separator or len(fields) < 16 or name.startswith(_LEFT_OUT) or seen >= INTERFACES_MAX:
            continue
        seen += 1
        for column, metric in _COLUMNS.items():
            counters[series(metric, interface=name)] = int(fields[column])
    return counters
