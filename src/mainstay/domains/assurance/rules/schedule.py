"""When a device is audited without anybody asking: at once when its first facts are in, again when the sweeps are, then daily.

Source: security page, section 5 rule 1. Invariant: a device that keeps changing its facts is audited at most once in the pause.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

# Enough to say something true about a machine; everything else may come later.
FIRST_GROUPS = frozenset({"os", "services", "sockets", "users_groups", "packages"})
SETTLE = timedelta(seconds=2)
PAUSE = timedelta(seconds=20)
DAILY = timedelta(hours=24)
# What checks read beside the groups of every inventory; a run without one of these waits for it.
AUDIT_GROUPS = frozenset(
    f"audit_{name}"
    for name in (
        "accounts", "passwords", "keys", "sudo", "root_paths", "ssh", "session", "sysctl", "confinement", "boot", "integrity", "mounts",
        "permissions", "files", "verify", "updates", "unpackaged", "logging", "tls", "services", "pressure",
    )
)  # fmt: skip
RUNNING = "running"


def pending(unknown: Mapping[str, str], known: Collection[str]) -> tuple[str, ...]:
    """Return the groups that a run must do without, but that are on their way: never sent, or a sweep that still runs."""
    running = {name for name, reason in unknown.items() if reason == RUNNING}
    return tuple(sorted(running | (AUDIT_GROUPS - set(known))))


def due_after_facts(
    *,
    now: datetime,
    last_run: datetime | None,
    due: datetime | None,
    known: Collection[str],
    arrived: Collection[str],
    pending: Collection[str],
) -> datetime | None:
    """Return when the device should be audited after facts came in, or None for no change of plan.

    known: groups that have arrived so far. arrived: those that came now with a value. pending: those that the last run missed.
    """
    if last_run is None:
        return now + SETTLE if due is None and set(known) >= FIRST_GROUPS else None
    if not set(arrived) & set(pending):
        return None
    wanted = max(now + SETTLE, last_run + PAUSE)
    return wanted if due is None or wanted < due else None


def due_after_run(now: datetime) -> datetime:
    """Return when the device is audited next if nothing happens."""
    return now + DAILY
