"""How old is what we know? Fresh, stale, unknown; and when silence is silence.

Source: endpoint page, rules I1 and I2; control page, section 3.3 rule 2.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from mainstay_trust import canonical

HOUR_S = 3600
DAY_S = 24 * HOUR_S
_QUARTER_HOUR = 15 * 60
UNKNOWN_AFTER_S = 7 * DAY_S
POLL_S = 10
SILENT_FLOOR_S = 30

PERIOD_S: Mapping[str, int] = {
    **dict.fromkeys(("os", "hw", "cpu_mem", "firmware", "tpm_secureboot"), DAY_S),
    **dict.fromkeys(
        ("disks", "packages", "kernel", "users_groups", "sudo", "firewall", "disk_encryption", "protection", "screen_lock"), 6 * HOUR_S
    ),
    **dict.fromkeys(("certificates", "containers", "cloud_instance", "updates", "backups"), 6 * HOUR_S),
    **dict.fromkeys(("fs", "net", "routes", "dns_client", "sockets", "services", "timers_cron"), _QUARTER_HOUR),
    **dict.fromkeys(("sessions", "timesync", "reboot_state"), _QUARTER_HOUR),
}


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


def freshness(group: str, *, seen_at: datetime, at: datetime) -> Freshness:
    """Judge the age of a fact group. `seen_at`: when the device last confirmed the value, not when it changed.

    Older than three periods is stale; older than seven days is unknown, also where three periods would be longer.
    """
    age_s = (at - seen_at).total_seconds()
    if age_s > UNKNOWN_AFTER_S:
        return Freshness.UNKNOWN
    return Freshness.STALE if age_s > 3 * PERIOD_S.get(group, DAY_S) else Freshness.FRESH


def silent_after_s(poll_s: int = POLL_S) -> int:
    """Return after how many seconds without a word a device is silent: three polls, at least 30 s."""
    return max(3 * poll_s, SILENT_FLOOR_S)


def is_silent(last_seen_at: datetime | None, *, at: datetime, poll_s: int = POLL_S) -> bool:
    """Tell whether a device is silent. One that never spoke is new, not silent."""
    return last_seen_at is not None and at - last_seen_at > timedelta(seconds=silent_after_s(poll_s))


def group_hash(value: canonical.JSON, unknown: str) -> str:
    """Return the hash of one group: of its value, or of the reason why there is none."""
    return hashlib.sha256(canonical.encode({"unknown": unknown} if unknown else value)).hexdigest()


def facts_hash(groups: Mapping[str, str]) -> str:
    """Return the one hash over all group hashes, which a heartbeat repeats."""
    return hashlib.sha256(canonical.encode(dict(groups))).hexdigest()
