"""The names of the fact groups, how often each is taken, and which need root's eyes (rule I1).

Owns: the time table. Kept apart from the collectors, so that the agent's long-lived process does not hold their parsers in memory.
Does not own: how a group is taken (`facts.groups`).
Invariant: every group here has a collector there, and the other way round.
"""

from dataclasses import dataclass

HOUR_S = 3600
QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Group:
    """One group; `needs_root` means that the root half gives a fuller answer."""

    period_s: int
    needs_root: bool = False


GROUPS: dict[str, Group] = {
    "os": Group(24 * HOUR_S),
    "hw": Group(24 * HOUR_S, needs_root=True),
    "cpu_mem": Group(24 * HOUR_S),
    "firmware": Group(24 * HOUR_S),
    "tpm_secureboot": Group(24 * HOUR_S),
    "disks": Group(6 * HOUR_S, needs_root=True),
    "fs": Group(QUARTER_S),
    "net": Group(QUARTER_S),
    "routes": Group(QUARTER_S),
    "dns_client": Group(QUARTER_S),
    "sockets": Group(QUARTER_S, needs_root=True),
    "services": Group(QUARTER_S),
    "timers_cron": Group(QUARTER_S, needs_root=True),
    "sessions": Group(QUARTER_S),
    "timesync": Group(QUARTER_S),
    "reboot_state": Group(QUARTER_S),
    "packages": Group(6 * HOUR_S),
    "updates": Group(6 * HOUR_S),
    "kernel": Group(6 * HOUR_S),
    "users_groups": Group(6 * HOUR_S, needs_root=True),
    "sudo": Group(6 * HOUR_S, needs_root=True),
    "firewall": Group(6 * HOUR_S, needs_root=True),
    "disk_encryption": Group(6 * HOUR_S),
    "protection": Group(6 * HOUR_S),
    "screen_lock": Group(6 * HOUR_S),
    "certificates": Group(6 * HOUR_S, needs_root=True),
    "containers": Group(6 * HOUR_S),
    "cloud_instance": Group(6 * HOUR_S),
    "backups": Group(6 * HOUR_S),
}
