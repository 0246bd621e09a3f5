"""Memory and swap from /proc/meminfo.

Invariant: used memory is total minus *available*: memory that the kernel would give back at once is not counted as used.
"""

from mainstay_agent.samples.readings import Readings, series


def parse_meminfo(text: str) -> dict[str, int]:
    """Return bytes per name of /proc/meminfo."""
    sizes: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        fields = rest.split()
        if fields and fields[0].isdigit():
            sizes[name] = int(fields[0]) * (1024 if fields[1:] == ["kB"] else 1)
    return sizes


def usage(sizes: dict[str, int]) -> Readings:
    readings: Readings = {}
    total, available = sizes.get("MemTotal", 0), sizes.get("MemAvailable")
    if total and available is not None:
        readings[series("memory_total_bytes")] = total
        readings[series("memory_available_bytes")] = available
        readings[series("memory_used_bytes")] = total - available
        readings[series("memory_available_pct")] = round(100 * available / total, 2)
        readings[series("memory_cached_bytes")] = sizes.get("Cached", 0)
    swap, free = sizes.get("SwapTotal", 0), sizes.get("SwapFree", 0)
    if swap:
        readings[series("swap_total_bytes")] = swap
        readings[series("swap_used_bytes")] = swap - free
        readings[series("swap_used_pct")] = round(100 * (swap - free) / swap, 2)
    return readings
