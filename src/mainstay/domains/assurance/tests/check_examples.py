"""One host on which every check passes, and for each check the smallest change that makes it fail.

Owns: examples as data. Does not own: expectations about missing, stale or contradictory facts (`test_checks`).
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstay.domains.assurance.rules.facts import Group, Host, Role
from mainstay.domains.assurance.rules.results import Verdict

AS_OF = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW = int(AS_OF.timestamp())
DAY = 86_400


def account(name: str, uid: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "uid": uid,
        "interactive": uid == 0 or uid >= 1000,
        "person": uid >= 1000,
        "password": "set" if uid >= 1000 else "locked",
        "hash": "yescrypt" if uid >= 1000 else None,
        "last_login": NOW - DAY if uid >= 1000 else None,
        "changed_at": NOW - 200 * DAY,
    } | more


def listener(port: int, protocol: str = "tcp", address: str = "192.0.2.10", process: str = "sshd") -> dict[str, Any]:
    return {
        "protocol": protocol,
        "family": "ipv4",
        "address": address,
        "port": port,
        "uid": 0,
        "user": "root",
        "pid": 1,
        "process": process,
    }


def certificate(**more: Any) -> dict[str, Any]:
    return {
        "path": "/etc/nginx/site.crt",
        "position": 0,
        "subject": "CN=harbor-law.example",
        "names": ["harbor-law.example"],
        "not_before": NOW - 10 * DAY,
        "not_after": NOW + 80 * DAY,
        "is_ca": False,
        "key_type": "rsa",
        "key_bits": 2048,
        "signature": "sha256",
    } | more


def tls(**more: Any) -> dict[str, Any]:
    return certificate() | {"address": "127.0.0.1", "port": 443, "tls": True, "chain": "trusted", "old_versions": []} | more


SSH = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "maxauthtries": "4",
    "ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
    "macs": "hmac-sha2-256-etm@openssh.com",
    "kexalgorithms": "curve25519-sha256",
    "clientaliveinterval": "300",
}
KERNEL = {
    "kernel.randomize_va_space": "2",
    "kernel.kptr_restrict": "1",
    "kernel.dmesg_restrict": "1",
    "kernel.yama.ptrace_scope": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_symlinks": "1",
    "fs.suid_dumpable": "0",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.accept_source_route": "0",
    "net.ipv4.conf.all.rp_filter": "1",
    "net.ipv4.tcp_syncookies": "1",
}
GUARDED = ["rw", "nodev", "nosuid"]
AUDITD = {"installed": True, "enabled": 1, "lost": 0, "rules": 8, "covers": ["identity", "sudo", "time", "modules"]}
UNATTENDED = {"installed": True, "enabled": True, "timer": True, "last_success": NOW - DAY}
ORIGIN = {
    "file": "/etc/apt/sources.list",
    "line": 1,
    "uri": "http://deb.debian.org/debian",
    "suite": "bookworm",
    "trusted": False,
    "signed_by": True,
    "enabled": True,
    "kind": "deb",
}
KEY = {"user": "tara", "path": "/home/tara/.ssh/authorized_keys", "line": 1, "type": "ssh-ed25519", "bits": None, "owner_known": True}
KEY_FILE = {"path": "/home/tara/.ssh/authorized_keys", "mode": "0600", "owner": "tara", "loose": False}
SUDOERS = {"path": "/etc/sudoers", "mode": "0440", "owner": "root", "loose": False}
RULE = {"source": "/etc/sudoers", "line": 9, "who": "%sudo", "person": True, "nopasswd": False, "all": True}
INTEGRITY = {
    "ld_preload": [],
    "taint": 0,
    "taint_flags": [],
    "promiscuous": [],
    "hidden_pids": [],
    "dkms": False,
    "baseline": {"tool": "aide", "at": NOW - DAY},
}

HEALTHY: dict[str, dict[str, Any]] = {
    "os": {"id": "debian", "version_id": "12", "name": "Debian 12"},
    "sockets": {"listening": [listener(22), listener(8080, address="127.0.0.1")]},
    "firewall": {"active": True, "input_policy": "drop", "input_default": "drop"},
    "packages": {"manager": "dpkg", "packages": [{"name": "openssh-server"}]},
    "certificates": {"certificates": [certificate()], "files_scanned": 1, "truncated": False},
    "disk_encryption": {
        "mounts": [
            {"mount": "/", "device": "/dev/mapper/root", "encrypted": True},
            {"mount": "/boot", "device": "/dev/sda1", "encrypted": False},
        ]
    },
    "updates": {"manager": "apt", "updates": [], "security_count": 0, "lists_at": NOW - DAY},
    "reboot_state": {"required": False, "booted_at": NOW - 20 * DAY, "reasons": [], "packages": []},
    "timesync": {"synchronised": True, "service": "chrony", "offset_ms": 3},
    "protection": {"products": [{"name": "clamav", "installed": True, "running": True}]},
    "disks": {"disks": [{"name": "sda", "smart": {"passed": True}}]},
    "audit_accounts": {"accounts": [account("root", 0), account("tara", 1001)], "uid_min": 1000},
    "audit_passwords": {"min_length": 15, "min_length_from": "pwquality", "lockout": True, "lockout_deny": 5, "null_passwords": False},
    "audit_keys": {"keys": [KEY], "files": [KEY_FILE]},
    "audit_sudo": {"present": True, "valid": True, "rules": [RULE], "files": [SUDOERS]},
    "audit_root_paths": {"checked": 40, "writable": [], "truncated": False},
    "audit_ssh": {"installed": True, "running": True, "settings": SSH},
    "audit_session": {"tmout_s": 900, "desktop": False, "idle_s": 600, "lock": True},
    "audit_sysctl": {"values": KERNEL},
    "audit_confinement": {"apparmor": {"enabled": True, "enforce": 12, "complain": 0}, "selinux": None},
    "audit_boot": {"grub_cfg": {"path": "/boot/grub/grub.cfg", "mode": "0600", "owner": "root"}, "firmware": "uefi", "secure_boot": True},
    "audit_integrity": INTEGRITY,
    "audit_mounts": {
        "mounts": [
            {"mount": mount, "device": "tmpfs", "type": "tmpfs", "options": GUARDED} for mount in ("/", "/tmp", "/var/tmp", "/dev/shm")
        ],
        "swaps": [{"device": "/dev/dm-1", "kind": "partition", "encrypted": True}],
    },
    "audit_permissions": {"checked": 9, "loose": [], "kinds": {"host_key": 3}, "truncated": False},
    "audit_files": {
        "suid": [{"path": "/usr/bin/su", "mode": "4755", "owner": "root", "package": "util-linux"}],
        "world_writable": [],
        "unowned": [],
        "truncated": False,
    },
    "audit_verify": {"manager": "dpkg", "packages": 400, "changed": [], "missing": [], "truncated": False},
    "audit_updates": {
        "unattended": UNATTENDED,
        "reboot_flag_at": None,
        "origins": [ORIGIN],
        "allow_unauthenticated": False,
        "truncated": False,
    },
    "audit_unpackaged": {"programs": ["/opt/ledger/bin/app"], "count": 1, "truncated": False},
    "audit_logging": {"journald": {"storage": "persistent", "persistent": True}, "syslog": None, "auditd": AUDITD},
    "audit_tls": {"listeners": [tls()]},
    "audit_services": {
        "snmp": {"present": True, "default_community": False},
        "docker": {"members": [], "privileged": []},
        "file_server": True,
        "signatures_at": NOW - DAY,
        "scanner": "clamav",
    },
    "audit_pressure": {
        "psi": {"cpu": 500, "io": 100, "memory": 0},
        "oom_kills": 0,
        "oops": 0,
        "failed_units": [],
        "unplanned_boots": 0,
        "uncorrected_memory": 0,
        "raid_degraded": [],
        "full": [{"mount": "/", "used_pct": 40, "inodes_used_pct": 3}],
    },
}
DECLARED: dict[str, Any] = {
    "people": ["tara"],
    "software_owners": ["/opt/ledger"],
    "kev_matches": [],
    "logs_received_at": NOW - 60,
    "days_to_full": {"/": 400},
}


@dataclass(frozen=True)
class Bad:
    """Fields that replace those of the healthy host, and what the check then answers."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict = Verdict.FAIL
    failing: str = ""


def accounts_with(*more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"audit_accounts": {"accounts": [account("root", 0), account("tara", 1001), *more]}}


PARTIAL = Verdict.PARTIAL
BAD: dict[str, Bad] = {
    "ACC-01": Bad(accounts_with(account("toor", 0)), verdict=PARTIAL, failing="toor"),
    "ACC-02": Bad(accounts_with(account("scan", 1002, password="empty", hash=None)), verdict=PARTIAL, failing="scan"),
    "ACC-03": Bad(accounts_with(account("old", 1002, hash="md5")), verdict=PARTIAL, failing="old (md5)"),
    "ACC-04": Bad(accounts_with(account("gone", 1002, last_login=NOW - 91 * DAY)), verdict=PARTIAL, failing="gone"),
    "ACC-05": Bad(accounts_with(account("office", 1002)), verdict=PARTIAL, failing="office"),
    "ACC-06": Bad(
        {"audit_sudo": {"rules": [RULE | {"who": "omar", "nopasswd": True}]}},
        failing="/etc/sudoers:9 lets omar do everything without a password.",
    ),
    "ACC-07": Bad({"audit_passwords": {"lockout": False, "lockout_deny": None}}, failing="Wrong passwords are never locked out."),
    "ACC-10": Bad(
        {"audit_keys": {"keys": [KEY, KEY | {"line": 2, "type": "ssh-dss", "bits": 1024}]}},
        verdict=PARTIAL,
        failing="/home/tara/.ssh/authorized_keys:2 (DSA)",
    ),
    "NET-01": Bad({"sockets": {"listening": [listener(22), listener(6379, process="redis")]}}, verdict=PARTIAL, failing="tcp/6379 (redis)"),
    "NET-03": Bad({"firewall": {"input_default": "accept"}}, failing="Packets to this host are accepted unless a rule refuses them."),
    "NET-04": Bad({"audit_ssh": {"settings": SSH | {"permitrootlogin": "yes"}}}, failing="PermitRootLogin is “yes”."),
    "NET-05": Bad({"audit_ssh": {"settings": SSH | {"passwordauthentication": "yes"}}}, failing="PasswordAuthentication is on."),
    "NET-06": Bad({"audit_ssh": {"settings": SSH | {"ciphers": "aes128-cbc"}}}, failing="The outdated algorithm aes128-cbc is offered."),
    "NET-07": Bad({"packages": {"packages": [{"name": "telnetd"}]}}, failing="telnetd is installed."),
    "NET-08": Bad({"audit_sysctl": {"values": KERNEL | {"net.ipv4.ip_forward": "1"}}}, verdict=PARTIAL, failing="net.ipv4.ip_forward=1"),
    "ENC-01": Bad({"disk_encryption": {"mounts": [{"mount": "/srv", "device": "/dev/sdb1", "encrypted": False}]}}, failing="/srv"),
    "ENC-02": Bad({"audit_mounts": {"swaps": [{"device": "/dev/sda3", "kind": "partition", "encrypted": False}]}}, failing="/dev/sda3"),
    "ENC-04": Bad(
        {"certificates": {"certificates": [certificate(not_after=NOW + 21 * DAY)]}},
        verdict=PARTIAL,
        failing="/etc/nginx/site.crt (21 days left)",
    ),
    "ENC-05": Bad({"audit_tls": {"listeners": [tls(old_versions=["TLSv1.0"])]}}, failing="port 443 (TLSv1.0)"),
    "ENC-06": Bad(
        {
            "audit_permissions": {
                "loose": [{"path": "/srv/app/.env", "kind": "env", "mode": "0644", "owner": "www", "problem": "readable by others"}]
            }
        },
        verdict=PARTIAL,
        failing="/srv/app/.env (readable by others, mode 0644, owner www)",
    ),
    "PAT-01": Bad({"os": {"version_id": "11", "name": "Debian 11"}}, failing="Debian 11 gets no security updates since 2026-08-31."),
    "PAT-02": Bad(
        {"updates": {"updates": [{"name": "openssl", "security": True}], "security_count": 1}}, failing="1 security updates wait: openssl."
    ),
    "PAT-03": Bad(declared={"kev_matches": ["CVE-2026-0001"]}, failing="CVE-2026-0001 is known to be exploited and is open here."),
    "PAT-04": Bad(
        {"reboot_state": {"required": True}, "audit_updates": {"reboot_flag_at": NOW - 8 * DAY}}, failing="A restart is pending for 8 days."
    ),
    "PAT-05": Bad(
        {"audit_updates": {"unattended": UNATTENDED | {"enabled": False}}}, failing="Nothing installs security updates by itself."
    ),
    "PAT-06": Bad(
        {"audit_updates": {"origins": [ORIGIN | {"trusted": True}]}}, failing="/etc/apt/sources.list:1 (signatures are not checked)"
    ),
    "PAT-07": Bad({"audit_unpackaged": {"programs": ["/usr/local/bin/tool"]}}, failing="/usr/local/bin/tool"),
    "LOG-01": Bad({"timesync": {"service": "none", "synchronised": None}}, failing="No program keeps the clock right."),
    "LOG-02": Bad(
        {"audit_logging": {"auditd": AUDITD | {"covers": ["identity", "sudo", "time"]}}}, failing="No rule records changes of modules."
    ),
    "LOG-03": Bad({"audit_logging": {"journald": {"storage": "volatile", "persistent": False}}}, failing="Logs are lost at each restart."),
    "SYS-01": Bad({"audit_sysctl": {"values": KERNEL | {"kernel.kptr_restrict": "0"}}}, verdict=PARTIAL, failing="kernel.kptr_restrict=0"),
    "SYS-02": Bad({"audit_confinement": {"apparmor": None}}, failing="Neither AppArmor nor SELinux is on."),
    "SYS-03": Bad({"audit_mounts": {"mounts": [{"mount": "/", "device": "/dev/sda2", "type": "ext4", "options": ["rw"]}]}}, failing="/tmp"),
    "SYS-04": Bad(
        {"audit_files": {"world_writable": [{"path": "/srv/share", "mode": "0777", "type": "d"}]}}, failing="/srv/share (mode 0777)"
    ),
    "SYS-05": Bad(
        {"audit_files": {"suid": [{"path": "/opt/x", "mode": "4755", "owner": "root", "package": None}]}}, failing="/opt/x (mode 4755)"
    ),
    "SYS-06": Bad(
        {"audit_root_paths": {"writable": [{"path": "/opt/job", "via": "cron /etc/cron.d/job", "mode": "0777", "owner": "root"}]}},
        verdict=PARTIAL,
        failing="/opt/job (cron /etc/cron.d/job, mode 0777, owner root)",
    ),
    "SYS-07": Bad({"audit_boot": {"secure_boot": False}}, failing="Secure Boot is off."),
    "SYS-08": Bad(
        {"audit_services": {"docker": {"members": ["omar"], "privileged": []}}},
        failing="omar is in group docker, which is as good as root.",
    ),
    "SYS-09": Bad({"audit_session": {"tmout_s": None}}, failing="TMOUT does not end idle shells within 15 minutes."),
    "INT-01": Bad({"audit_verify": {"changed": ["/usr/bin/ls"]}}, verdict=PARTIAL, failing="/usr/bin/ls"),
    "INT-02": Bad({"audit_integrity": {"baseline": None}}, failing="No baseline of critical files exists."),
    "INT-03": Bad({"protection": {"products": []}}, failing="No malware protection runs."),
    "INT-04": Bad({"audit_integrity": {"ld_preload": ["/tmp/x.so"]}}, failing="ld.so.preload loads /tmp/x.so into every program."),
    "HLT-01": Bad({"audit_pressure": {"oom_kills": 2}}, failing="The kernel ended 2 programs because memory ran out."),
    "HLT-02": Bad({"audit_pressure": {"psi": {"cpu": 500, "io": 2_000, "memory": 0}}}, failing="Work waited for io 20 % of the time."),
    "HLT-03": Bad({"disks": {"disks": [{"name": "sda", "smart": {"passed": False}}]}}, failing="Disk sda says that it is failing."),
    "HLT-04": Bad(declared={"days_to_full": {"/": 30}}, failing="/ (full in 30 days)"),
}


def host(
    bodies: dict[str, dict[str, Any]] | None = None,
    declared: dict[str, Any] | None = None,
    *,
    role: Role = Role.SERVER,
    age: timedelta = timedelta(hours=1),
) -> Host:
    """Return a host with these groups, all taken `age` ago."""
    found = HEALTHY if bodies is None else bodies
    groups = {name: Group(name, AS_OF - age, "0" * 64, "1", body=body) for name, body in found.items()}
    return Host("d1", "files-01", AS_OF, role, groups, DECLARED if declared is None else declared)


def changed(patch: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the healthy host's groups with some fields replaced."""
    found = deepcopy(HEALTHY)
    for name, fields in patch.items():
        found[name] |= fields
    return found
