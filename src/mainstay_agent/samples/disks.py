"""Disk input and output from /proc/diskstats.

Owns: which block devices count as disks.
Invariant: a partition is never counted beside its disk, a loop or RAM device never at all.
"""

import re

from mainstay_agent.samples.readings import Readings, Series, series

_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own sector size
_WHOLE_DISK = re.compile(r"^(?:[shv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|md\d+|dm-\d+)$")


def is_disk(name: str) -> bool:
    return _WHOLE_DISK.match(name) is not None


def parse_diskstats(text: str) -> dict[Series, int]:
    """Return the counters of each whole disk; `disk_busy` counts milliseconds."""
    counters: dict[Series, int] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 14 or not is_disk(fields[2]):
            continue
        disk = fields[2]
        counters[series("disk_reads_per_s", disk=disk)] = int(fields[3])
        counters[series("disk_read_bytes_per_s", disk=disk)] = int(fields[5]) * _SECTOR_BYTES
        counters[series("disk_writes_per_s", disk=disk)] = int(fields[7])
        counters[series("disk_write_bytes_per_s", disk=disk)] = int(fields[9]) * _SECTOR_BYTES
        counters[series("disk_busy_pct", disk=disk)] = int(fields[12])
    return counters


def busy_as_pct(rates: Readings) -> Readings:
    """Turn milliseconds of work per second into per cent of time, at most 100."""
    return {
        name: min(100.0, round(value / 10, 2)) if name[0] == "disk_busy_pct" and value is not None else value
        for name, value in rates.items()
    }
