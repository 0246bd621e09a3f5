"""What a simulated machine says when its security is asked for: the fact groups of the System Audit, and what is weak where.

Owns: invented values in the shapes of the agent's `audit_*` groups. Does not own: what counts as weak; the checks of assurance decide.
Invariant: every group names its source as simulated, so no evidence pretends that a command ran.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import cast

from mainstay.cli.demo.cast import Machine
from mainstay_trust.canonical import JSON

Groups = dict[str, dict[str, JSON]]
DAY_S = 86_400
_SSH: dict[str, JSON] = {
    "permitrootlogin": "no", "passwordauthentication": "no", "permitemptypasswords": "no", "maxauthtries": "4",
    "ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com", "macs": "hmac-sha2-256-etm@openssh.com",
    "kexalgorithms": "curve25519-sha256", "clientaliveinterval": "300",
}  # fmt: skip
_KERNEL: dict[str, JSON] = {
    "kernel.randomize_va_space": "2", "kernel.kptr_restrict": "1", "kernel.dmesg_restrict": "1", "kernel.yama.ptrace_scope": "1",
    "fs.protected_hardlinks": "1", "fs.protected_symlinks": "1", "fs.suid_dumpable": "0", "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.accept_redirects": "0", "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.accept_source_route": "0", "net.ipv4.conf.all.rp_filter": "1", "net.ipv4.tcp_syncookies": "1",
}  # fmt: skip
_ORIGIN: JSON = {
    "file": "/etc/apt/sources.list", "line": 1, "uri": "http://deb.debian.org/debian", "suite": "bookworm", "trusted": False,
    "signed_by": True, "enabled": True, "kind": "deb",
}  # fmt: skip


def audit_facts(machine: Machine, day: int, person: str) -> Groups:
    """Return the groups of the System Audit on a day (Unix seconds). `person`: whose account the machine has."""
    groups = {**_who(machine, day, person), **_how(machine, day), **_what(day)}
    for applies, weaken in _WEAK:
        if applies(machine):
            weaken(groups)
    return {name: {**body, "sources": [_source(machine, name)]} for name, body in groups.items()}


def _source(machine: Machine, group: str) -> JSON:
    said = f"simulated: {group} of {machine.name}"
    return {"command": "simulated", "raw_sha256": hashlib.sha256(said.encode()).hexdigest(), "excerpt": said}


def _who(machine: Machine, day: int, person: str) -> Groups:
    home = f"/home/{person}/.ssh/authorized_keys"
    key: JSON = {"user": person, "path": home, "line": 1, "type": "ssh-ed25519", "bits": None,
                 "fingerprint": f"SHA256:demo-{machine.number:04}", "owner_known": True}  # fmt: skip
    rule: JSON = {"source": "/etc/sudoers", "line": 9, "who": "%sudo", "person": True, "nopasswd": False, "all": True}
    return {
        "audit_accounts": {"accounts": [_account("root", 0, day), _account(person, 1000, day)], "uid_min": 1000},
        "audit_passwords": {"min_length": 15, "min_length_from": "pwquality", "lockout": True, "lockout_deny": 5, "null_passwords": False,
                            "files": ["/etc/security/pwquality.conf"]},
        "audit_keys": {"keys": [key], "files": [_file(home, "0600", person)]},
        "audit_sudo": {"present": True, "valid": True, "rules": [rule], "files": [_file("/etc/sudoers", "0440", "root")]},
        "audit_root_paths": {"checked": 40, "writable": [], "truncated": False},
        "audit_ssh": {"installed": True, "running": True, "settings": dict(_SSH)},
        "audit_session": {"tmout_s": 900, "desktop": not machine.is_server, "idle_s": 600, "lock": True},
    }  # fmt: skip


def _account(name: str, uid: int, day: int) -> JSON:
    is_person = uid >= 1000
    return {"name": name, "uid": uid, "interactive": True, "person": is_person, "password": "set" if is_person else "locked",
            "hash": "yescrypt" if is_person else None, "last_login": day - DAY_S if is_person else None,
            "changed_at": day - 200 * DAY_S}  # fmt: skip


def _file(path: str, mode: str, owner: str) -> JSON:
    return {"path": path, "mode": mode, "owner": owner, "loose": False}


def _how(machine: Machine, day: int) -> Groups:
    guarded: JSON = ["rw", "nodev", "nosuid"]
    mounts: list[JSON] = [
        {"mount": mount, "device": "tmpfs", "type": "tmpfs", "options": guarded}
        for mount in ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
    ]
    swap: JSON = {"device": "/dev/dm-1", "kind": "partition", "encrypted": True}
    return {
        "audit_sysctl": {"values": dict(_KERNEL)},
        "audit_confinement": {"apparmor": {"enabled": True, "enforce": 12, "complain": 0}, "selinux": None},
        "audit_boot": {"grub_cfg": {"path": "/boot/grub/grub.cfg", "mode": "0600", "owner": "root"}, "firmware": "uefi",
                       "secure_boot": True},
        "audit_integrity": {"ld_preload": [], "taint": 0, "taint_flags": [], "promiscuous": [], "hidden_pids": [], "dkms": False,
                            "baseline": {"tool": "aide", "at": day - DAY_S}},
        "audit_mounts": {"mounts": mounts, "swaps": [swap]},
        "audit_permissions": {"checked": 9, "loose": [], "kinds": {"host_key": 3}, "truncated": False},
        "audit_tls": {"listeners": [_tls(machine, day)] if machine.is_server else []},
    }  # fmt: skip


def _tls(machine: Machine, day: int) -> JSON:
    return {"address": "127.0.0.1", "port": 443, "process": "nginx", "tls": True, "subject": f"CN={machine.name}.example.net",
            "issuer": "CN=Simulated CA", "names": [f"{machine.name}.example.net"], "not_before": day - 30 * DAY_S,
            "not_after": day + 300 * DAY_S, "key_type": "ec", "key_bits": 256, "curve": "P-256", "signature": "sha256",
            "chain": "trusted", "old_versions": []}  # fmt: skip


def _what(day: int) -> Groups:
    su: JSON = {"path": "/usr/bin/su", "mode": "4755", "owner": "root", "package": "util-linux"}
    unattended: JSON = {"installed": True, "enabled": True, "timer": True, "last_success": day - DAY_S}
    auditd: JSON = {"installed": True, "enabled": 1, "lost": 0, "rules": 8, "covers": ["identity", "sudo", "time", "modules"]}
    return {
        "audit_files": {"suid": [su], "world_writable": [], "unowned": [], "truncated": False},
        "audit_verify": {"manager": "dpkg", "packages": 412, "changed": [], "missing": []},
        "audit_updates": {"unattended": unattended, "reboot_flag_at": None, "origins": [_ORIGIN], "allow_unauthenticated": False},
        "audit_unpackaged": {"programs": [], "count": 0, "truncated": False},
        "audit_logging": {"journald": {"storage": "persistent", "persistent": True}, "syslog": None, "auditd": auditd},
        "audit_services": {"snmp": {"present": False, "default_community": None}, "docker": {"members": [], "privileged": []},
                           "file_server": False, "signatures_at": day - DAY_S, "scanner": "clamav"},
        "audit_pressure": {"psi": {"cpu": 300, "io": 100, "memory": 0}, "oom_kills": 0, "oops": 0, "failed_units": [],
                           "unplanned_boots": 0, "uncorrected_memory": 0, "raid_degraded": [],
                           "full": [{"mount": "/", "used_pct": 40, "inodes_used_pct": 3}]},
    }  # fmt: skip


# --- what is weak, and where ---------------------------------------------------------------------------------------------


def _every(count: int, first: int = 0) -> Callable[[Machine], bool]:
    return lambda machine: machine.number % count == first


def _named(*names: str) -> Callable[[Machine], bool]:
    return lambda machine: machine.name in names


def _put(group: str, **fields: JSON) -> Callable[[Groups], None]:
    def weaken(groups: Groups) -> None:
        groups[group] = {**groups[group], **fields}

    return weaken


def _set_in(group: str, member: str, **fields: JSON) -> Callable[[Groups], None]:
    """Change fields of an object within a group."""

    def weaken(groups: Groups) -> None:
        held = cast(Mapping[str, JSON], groups[group][member])
        groups[group] = {**groups[group], member: {**held, **fields}}

    return weaken


_TOOL: JSON = {"path": "/srv/portal/.env", "kind": "env", "mode": "0644", "owner": "www-data", "problem": "readable by others"}
_JOB: JSON = {"path": "/opt/jobs/rotate.sh", "via": "cron /etc/cron.d/rotate", "mode": "0777", "owner": "root"}
_NOPASSWD: JSON = {"source": "/etc/sudoers.d/office", "line": 1, "who": "omar", "person": True, "nopasswd": True, "all": True}
_SWAP: JSON = {"device": "/dev/nvme0n1p3", "kind": "partition", "encrypted": False}
_STALE: JSON = {"installed": True, "enabled": False, "timer": False, "last_success": None}
# The clinic keeps its servers well; the law firm's print server was forgotten by everybody.
_WEAK: tuple[tuple[Callable[[Machine], bool], Callable[[Groups], None]], ...] = (
    (_named("har-prn-01", "quay-fs-01"), _set_in("audit_ssh", "settings", permitrootlogin="yes", passwordauthentication="yes")),
    (_named("har-prn-01"), _set_in("audit_sysctl", "values", **{"net.ipv4.ip_forward": "1", "kernel.kptr_restrict": "0"})),
    (_named("har-prn-01"), _put("audit_root_paths", writable=[_JOB])),
    (_named("har-web-01"), _put("audit_permissions", loose=[_TOOL])),
    (_named("har-fs-01"), _put("audit_sudo", rules=[_NOPASSWD])),
    (_every(4), _put("audit_passwords", lockout=False, lockout_deny=None)),
    (_every(5, 2), _put("audit_updates", unattended=_STALE)),
    (_every(6, 1), _put("audit_integrity", baseline=None)),
    (_every(7, 3), _put("audit_mounts", swaps=[_SWAP])),
    (_every(9, 4), _set_in("audit_logging", "journald", storage="volatile", persistent=False)),
)
