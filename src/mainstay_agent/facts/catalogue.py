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
    """One group; `needs_root` means that the root half gives a fuller answer, `is_sweep` that taking it may last minutes."""

    period_s: int
    needs_root: bool = False
    is_sweep: bool = False


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
    "updates": Group(6 * HOUR_S, is_sweep=True),
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
    "connections": Group(HOUR_S, needs_root=True),
    "audit_accounts": Group(6 * HOUR_S, needs_root=True),
    "audit_passwords": Group(6 * HOUR_S),
    "audit_keys": Group(6 * HOUR_S, needs_root=True),
    "audit_sudo": Group(6 * HOUR_S, needs_root=True),
    "audit_root_paths": Group(6 * HOUR_S, needs_root=True),
    "audit_ssh": Group(6 * HOUR_S, needs_root=True),
    "audit_session": Group(6 * HOUR_S),
    "audit_sysctl": Group(6 * HOUR_S, needs_root=True),
    "audit_confinement": Group(6 * HOUR_S, needs_root=True),
    "audit_boot": Group(6 * HOUR_S, needs_root=True),
    "audit_integrity": Group(6 * HOUR_S, needs_root=True),
    "audit_mounts": Group(6 * HOUR_S, needs_root=True),
    "audit_permissions": Group(6 * HOUR_S, needs_root=True),
    "audit_updates": Group(6 * HOUR_S),
    "audit_unpackaged": Group(24 * HOUR_S),
    "audit_logging": Group(6 * HOUR_S, needs_root=True),
    "audit_tls": Group(6 * HOUR_S, needs_root=True),
    "audit_services": Group(6 * HOUR_S, needs_root=True),
    "audit_pressure": Group(HOUR_S),
    "audit_files": Group(24 * HOUR_S, needs_root=True, is_sweep=True),
    "audit_verify": Group(24 * HOUR_S, needs_root=True, is_sweep=True),
}
