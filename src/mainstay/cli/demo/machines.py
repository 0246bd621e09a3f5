"""What a simulated machine says of itself: fact groups and samples, from its number and the time alone.

Owns: invented values in the shapes of the agent protocol. Invariant: the same machine at the same time says the same.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mainstay.cli.demo import hosts
from mainstay.cli.demo.cast import Machine
from mainstay_trust import canonical
from mainstay_trust.canonical import JSON

GIB = 1024**3
DAY_S = 86_400
STEP_S = 300
# What is older than a week is looked at in wide windows only.
OLD_STEP_S = 900
SEED = 20_260_115
_USERS = ("agnes", "bela", "carl", "dora", "emil", "fay", "gus", "hana")
_PACKAGES = (
    *("openssl 3.0.15-1", "openssh-server 1:9.2p1-2", "sudo 1.9.13p3-1", "bash 5.2.15-2", "systemd 252.31-1", "curl 7.88.1-10"),
    *("libc6 2.36-9", "tzdata 2024b-0", "linux-image-amd64 6.1.124-1", "ca-certificates 20230311", "python3 3.11.2-1", "rsync 3.2.7-1"),
)
_SERVER_PACKAGES = ("nginx 1.22.1-9", "postgresql-15 15.10-0", "restic 0.14.0-1", "chrony 4.3-2", "auditd 1:3.0.9-1")
_PENDING = ("openssl 3.0.15-1 3.0.16-1", "openssh-server 1:9.2p1-2 1:9.2p1-4", "sudo 1.9.13p3-1 1.9.13p3-3", "curl 7.88.1-10 7.88.1-12")

Facts = Mapping[str, JSON]
# What a machine says of a socket that listens everywhere; nothing here listens.
ANY = "0.0.0.0"  # noqa: S104


def name_hash(text: str) -> str:
    return hashlib.sha256(f"mainstay demo {text}".encode()).hexdigest()


def identity(machine: Machine, boot: str) -> dict[str, JSON]:
    """Return what an agent says of its machine when it joins."""
    digest = name_hash(machine.name)
    mac = ":".join(("02", *(digest[at : at + 2] for at in range(0, 10, 2))))
    return {
        "machine_id_hash": digest,
        "hostname": machine.name,
        "serial": f"DEMO-{machine.number:04}",
        "board_uuid": f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}",
        "macs": [mac],
        "boot_id": boot,
    }


def facts(machine: Machine, at: int, *, failed_unit: str = "", is_audited: bool = False) -> dict[str, Facts]:
    """Return the fact groups of a machine at an instant (Unix seconds). `is_audited`: with those of the System Audit."""
    dice = random.Random(SEED + machine.number)  # noqa: S311 - invented values, the same each time
    audited = hosts.audit_facts(machine, at // DAY_S * DAY_S, _person(machine)) if is_audited else {}
    return {
        **audited,
        **_system(machine, at, dice),
        **_storage(machine),
        **_network(machine),
        **_software(machine, at, failed_unit),
        **_people(machine),
        **_protection(machine),
    }


def group_hashes(groups: Mapping[str, Facts]) -> dict[str, str]:
    return {name: hashlib.sha256(canonical.encode(dict(value))).hexdigest() for name, value in groups.items()}


def _system(machine: Machine, at: int, dice: random.Random) -> dict[str, Facts]:
    needs = "reboot" in machine.quirks
    booted = at // DAY_S * DAY_S - dice.randrange(20, 60) * DAY_S
    cores = 8 if machine.is_server else 4
    return {
        "os": {
            "id": "debian", "version_id": "12", "name": "Debian GNU/Linux 12 (bookworm)", "codename": "bookworm", "family": "linux",
            "arch": "x86_64", "hostname": machine.name, "timezone": "Etc/UTC",
        },
        "hw": {
            "vendor": "Simulated", "product": machine.kind.title(), "version": None, "serial": f"DEMO-{machine.number:04}",
            "board_uuid": None, "board_vendor": None, "board_name": None, "chassis": machine.kind, "virtualisation": None,
        },
        "cpu_mem": {
            "model": "Simulated CPU", "vendor": "Simulated", "sockets": 1, "cores": cores, "threads": cores, "mhz_max": 3200,
            "memory_bytes": cores * 4 * GIB, "swap_bytes": 2 * GIB,
        },
        "reboot_state": {"required": needs, "packages": ["linux-image-amd64"] if needs else [], "reasons": ["kernel"] if needs else [],
                         "booted_at": booted, "boot_id": name_hash(machine.name)[:32]},
        "timesync": {"synchronised": True, "service": "chrony" if machine.is_server else "systemd-timesyncd", "offset_ms": 1,
                     "servers": ["time.example.net"]},
    }  # fmt: skip


def _storage(machine: Machine) -> dict[str, Facts]:
    size = (2000 if machine.is_server else 500) * GIB
    smart: JSON = {"passed": True, "temperature_c": 34, "power_on_h": 9000 + machine.number, "reallocated_sectors": 0,
                   "pending_sectors": 0, "media_errors": 0, "wear_pct": 4}  # fmt: skip
    disk: JSON = {"name": "nvme0n1", "model": "Simulated NVMe", "serial": f"D{machine.number:05}", "size_bytes": size, "rotational": False,
                  "removable": False, "transport": "nvme", "smart": smart}  # fmt: skip
    mount: JSON = {"mount": mount_of(machine), "device": "/dev/nvme0n1p2", "type": "ext4", "size_bytes": size, "inodes": 32_000_000,
                   "options": ["rw", "relatime"], "read_only": False, "network": False}  # fmt: skip
    encrypted: JSON = {"mount": mount_of(machine), "device": "/dev/nvme0n1p2", "encrypted": machine.kind == "laptop", "kind": None}
    return {"disks": {"disks": [disk]}, "fs": {"mounts": [mount]}, "disk_encryption": {"mounts": [encrypted]}}


def _network(machine: Machine) -> dict[str, Facts]:
    net = {"house": 10, "annexe": 11, "clinic": 20, "lab": 21, "quay": 30}[machine.site]
    address: JSON = {"address": f"10.{net}.0.{machine.number + 10}", "prefix": 24, "family": "ipv4"}
    interface: JSON = {"name": "eth0", "mac": f"02:00:00:00:{net:02x}:{machine.number:02x}", "mtu": 1500, "state": "up", "speed_mbps": 1000,
                       "kind": "ethernet", "addresses": [address]}  # fmt: skip
    route: JSON = {"family": "ipv4", "destination": ANY, "prefix": 0, "gateway": f"10.{net}.0.1", "interface": "eth0", "metric": 100}
    ports: list[JSON] = [_port(22, "sshd")] + ([_port(443, "nginx")] if machine.is_server else [])
    return {
        "net": {"interfaces": [interface], "hostname": machine.name, "fqdn": f"{machine.name}.example.net"},
        "routes": {"routes": [route]},
        "dns_client": {"servers": [f"10.{net}.0.1"], "search": ["example.net"], "options": []},
        "sockets": {"listening": ports},
    }  # fmt: skip


def _port(port: int, process: str) -> JSON:
    return {"protocol": "tcp", "family": "ipv4", "address": ANY, "port": port, "uid": 0, "user": "root", "pid": 700 + port,
            "process": process, "package": None}  # fmt: skip


def _software(machine: Machine, at: int, failed_unit: str) -> dict[str, Facts]:
    listed = [*_PACKAGES, *(_SERVER_PACKAGES if machine.is_server else ())]
    packages: list[JSON] = [_package(*line.split(" ", 1)) for line in listed]
    pending: list[JSON] = [_update(*line.split(" ")) for line in _PENDING] if "outdated" in machine.quirks else []
    backed = "unprotected" not in machine.quirks
    units: list[JSON] = [_unit(unit, "running") for unit in ("ssh.service", "cron.service", *machine.units)]
    units += [_unit(failed_unit, "failed")] if failed_unit else []
    lists_at = at // DAY_S * DAY_S
    tool: JSON = {"name": "restic", "version": "0.14.0", "scheduled": ["nightly-backup.timer"]}
    job: JSON = {"name": "nightly-backup.timer", "kind": "timer", "schedule": "*-*-* 02:00:00", "command": None, "user": "root",
                 "source": "/etc/systemd/system/nightly-backup.timer"}  # fmt: skip
    return {
        "packages": {"manager": "dpkg", "packages": packages},
        "updates": {"manager": "apt", "updates": pending, "security_count": len(pending), "lists_at": lists_at},
        "services": {"manager": "systemd", "services": units},
        "backups": {"tools": [tool] if backed else [], "known": backed},
        "certificates": {"certificates": _certificates(machine, at), "files_scanned": 12, "truncated": False},
        "timers_cron": {"jobs": [job] if backed else []},
    }


def _package(name: str, version: str) -> JSON:
    return {
        "name": name,
        "version": version,
        "arch": "amd64",
        "source_name": name,
        "source_version": version,
        "held": False,
        "origin": "Debian",
    }


def _update(name: str, current: str, candidate: str) -> JSON:
    return {"name": name, "arch": "amd64", "current": current, "candidate": candidate, "origin": "Debian-Security", "security": True,
            "action": "upgrade"}  # fmt: skip


def _unit(unit: str, state: str) -> JSON:
    return {"unit": unit, "manager": "systemd", "description": unit.removesuffix(".service"), "state": state,
            "detail": "exit-code" if state == "failed" else "", "enabled": True, "pid": 900 if state == "running" else None}  # fmt: skip


def _certificates(machine: Machine, at: int) -> list[JSON]:
    if "certificate" not in machine.quirks:
        return []
    # Its end is a day of the calendar and not an age: the story moves time towards it.
    end = CERTIFICATE_ENDS.get(machine.name, at + 300 * DAY_S)
    return [{"path": "/etc/nginx/tls/portal.pem", "position": 0, "subject": "CN=portal.harborlaw.example", "issuer": "CN=Simulated CA",
             "serial": "01", "names": ["portal.harborlaw.example"], "not_before": end - 90 * DAY_S, "not_after": end,
             "sha256": name_hash("certificate"), "is_ca": False, "key_type": "ec", "key_bits": 256,
             "curve": "P-256", "signature": "sha256"}]  # fmt: skip


CERTIFICATE_ENDS: dict[str, int] = {}


def _person(machine: Machine) -> str:
    return _USERS[machine.number % len(_USERS)]


def _people(machine: Machine) -> dict[str, Facts]:
    person = _person(machine)
    users: list[JSON] = [
        {
            "name": name,
            "uid": uid,
            "gid": uid,
            "home": home,
            "shell": "/bin/bash",
            "can_login": True,
            "system": uid == 0,
            "password": password,
        }
        for name, uid, home, password in (("root", 0, "/root", "locked"), (person, 1000, f"/home/{person}", "set"))
    ]
    admins: list[JSON] = [person] if machine.is_server else []
    return {
        "users_groups": {"users": users, "groups": [{"name": "sudo", "gid": 27, "members": admins}]},
        "sudo": {"rules": [{"source": "/etc/sudoers", "rule": "%sudo ALL=(ALL:ALL) ALL"}], "admins": admins},
    }


def _protection(machine: Machine) -> dict[str, Facts]:
    is_open, has_tpm = machine.number % 11 == 0, not machine.is_server
    rules, policy = (0, "accept") if is_open else (14, "drop")
    scanner: JSON = {"name": "clamav", "installed": True, "running": machine.number % 7 != 0}
    return {
        "firewall": {"active": not is_open, "kind": "nftables", "rules": rules, "input_policy": policy, "input_default": policy,
                     "ufw": False, "firewalld": False},
        "protection": {"products": [scanner], "apparmor": "enforce", "selinux": None},
        "tpm_secureboot": {"tpm": has_tpm, "tpm_version": "2" if has_tpm else None, "secure_boot": has_tpm},
    }  # fmt: skip


# --- samples -------------------------------------------------------------------------------------------------------------


def mount_of(machine: Machine) -> str:
    return "/srv" if machine.is_server else "/"


def series_of(machine: Machine) -> list[JSON]:
    """Return the list of series of every batch of a machine."""
    mount: JSON = {"mount": mount_of(machine)}
    return [
        *([name, {}] for name in ("cpu_used_pct", "cpu_count", "load5", "memory_available_pct")),
        *([name, mount] for name in ("filesystem_free_pct", "filesystem_free_bytes")),
        *([name, {"interface": "eth0"}] for name in ("network_rx_bytes_per_s", "network_tx_bytes_per_s")),
    ]


def values_of(machine: Machine, times: Sequence[int], *, end: int) -> list[list[float]]:
    """Return the values of `series_of` at times (Unix seconds). `end`: when the history ends, to which a filling disk runs out."""
    at = np.asarray(times, dtype=np.float64)
    # A wave of its own for each machine, and noise from the time itself: no state is kept between two batches.
    noise = np.modf(np.sin(at * 12.9898 + machine.number * 78.233) * 43758.5453)[0]
    hours = (at / 3600 + machine.number % 5) % 24
    busy = np.clip(np.sin((hours - 7) / 12 * np.pi), 0, None)
    cores = 8 if machine.is_server else 4
    cpu = np.clip(6 + 35 * busy + 6 * noise, 0.5, 98)
    memory = 62 - 25 * busy + 3 * noise
    free = _free_pct(machine, at, end)
    size = (2000 if machine.is_server else 500) * GIB
    traffic = (20_000 + 900_000 * busy) * (1.1 + noise)
    rows = (cpu, np.full_like(at, cores), cpu / 100 * cores, memory, free, free / 100 * size, traffic, traffic / 6)
    digits = (1, 0, 2, 1, 2, 0, 0, 0)
    return [np.round(row, count).tolist() for row, count in zip(rows, digits, strict=True)]


def _free_pct(machine: Machine, at: "npt.NDArray[np.float64]", end: int) -> "npt.NDArray[np.float64]":
    left_h = (end - at) / 3600
    if "filling" in machine.quirks:
        # 8 % are free when the history ends, and three hours before it was 10 %.
        return np.clip(8 + left_h * 0.65, 2, 61)
    return 40 + machine.number % 30 + np.clip(left_h, 0, None) * 0.02


def batch(machine: Machine, times: Sequence[int], *, end: int) -> dict[str, JSON | list[list[float]]]:
    """Return BATCH of the agent protocol."""
    listed = series_of(machine)
    return {
        "dict": hashlib.sha256(canonical.encode(listed)).hexdigest(),
        "series": listed,
        "t": [moment * 1000 for moment in times],
        "v": values_of(machine, times, end=end),
    }
