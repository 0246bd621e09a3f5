"""How full each local filesystem is.

Owns: space and inodes as an ordinary user sees them (root's reserve is not free).
Invariant: only local filesystems are asked.
"""

import os
from collections.abc import Callable, Iterable

from mainstay_agent.host.mounts import Mount
from mainstay_agent.samples.readings import Readings, series

MOUNTS_MAX = 64


def usage(mounts: Iterable[Mount], statvfs: Callable[[str], os.statvfs_result] = os.statvfs) -> Readings:
    readings: Readings = {}
    for mount in [mount for mount in mounts if mount.is_local][:MOUNTS_MAX]:
        try:
            readings.update(_one(mount, statvfs(mount.mount)))
        except OSError:
            continue  # unmounted between the two reads, or not ours to see
    return readings


def _one(mount: Mount, stat: os.statvfs_result) -> Readings:
    size, used, free = stat.f_blocks * stat.f_frsize, (stat.f_blocks - stat.f_bfree) * stat.f_frsize, stat.f_bavail * stat.f_frsize
    if size == 0:
        return {}
    name = mount.mount
    readings: Readings = {
        series("filesystem_size_bytes", mount=name): size,
        series("filesystem_used_bytes", mount=name): used,
        series("filesystem_free_bytes", mount=name): free,
        # df's percentage: the reserve of root belongs to neither side.
        series("filesystem_free_pct", mount=name): round(100 * free / (used + free), 2) if used + free else 0.0,
        series("filesystem_read_only", mount=name): int(mount.is_read_only),
    }
    if stat.f_files:
        readings[series("filesystem_inodes_free_pct", mount=name)] = round(100 * stat.f_favail / stat.f_files, 2)
    return readings
