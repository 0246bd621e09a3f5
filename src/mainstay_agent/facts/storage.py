"""Disks, filesystems, and whether they are encrypted.

Owns: groups disks, fs, disk_encryption.
Invariant: a disk without smartctl has unknown health, never good health.
"""

import json
import os

from mainstay_agent.facts.value import Fields, Reason, Value, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import parse_mountinfo
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.samples.disks import is_disk

_SECTOR_BYTES = 512
_COUNTERS = {5: "reallocated_sectors", 197: "pending_sectors", 198: "offline_uncorrectable", 199: "crc_errors"}


def filesystems(machine: Machine) -> Fields:
    mounts: list[Value] = []
    for mount in parse_mountinfo(machine.read("proc/self/mountinfo")):
        size, inodes = _capacity(mount.mount) if mount.is_local else (None, None)
        mounts.append(
            {
                "mount": mount.mount,
                "device": mount.device,
                "type": mount.kind,
                "options": [*mount.options],
                "read_only": mount.is_read_only,
                "network": mount.is_network,
                "size_bytes": size,
                "inodes": inodes,
            }
        )
    return {"mounts": mounts}


def _capacity(mount: str) -> tuple[int | None, int | None]:
    try:
        stat = os.statvfs(mount)
    except OSError:
        return None, None
    return stat.f_blocks * stat.f_frsize, stat.f_files or None


def disks(machine: Machine) -> Fields:
    names = [name for name in machine.children("sys/block") if is_disk(name) and not name.startswith(("dm-", "md"))]
    return {"disks": [_disk(machine, name) for name in names]}


def _disk(machine: Machine, name: str) -> Fields:
    def read(leaf: str) -> str | None:
        return machine.read_or_none(f"sys/block/{name}/{leaf}")

    sectors, rotational = read("size") or "", read("queue/rotational")
    smart, reason = _smart(machine, name)
    fields: Fields = {
        "name": name,
        "model": read("device/model"),
        "serial": read("device/serial"),
        "size_bytes": int(sectors) * _SECTOR_BYTES if sectors.isdigit() else None,
        "rotational": None if rotational is None else rotational == "1",
        "removable": read("removable") == "1",
        "transport": _transport(name),
        "smart": smart,
    }
    return with_unknown(fields, {"smart": reason} if reason else {})


def _transport(name: str) -> str:
    return "nvme" if name.startswith("nvme") else "virtio" if name.startswith("vd") else "xen" if name.startswith("xvd") else "scsi"


def _smart(machine: Machine, name: str) -> tuple[Fields | None, Reason | None]:
    if name.startswith(("vd", "xvd")):
        return None, "not_supported"
    if not machine.is_root:
        return None, "needs_helper"
    try:
        output = machine.run("smartctl", "--json", "--info", "--health", "--attributes", f"/dev/{name}")
        return parse_smart(output.stdout), None
    except ToolMissing:
        return None, "tool_missing"
    except ToolTimedOut:
        return None, "timeout"
    except (ValueError, KeyError, TypeError):
        return None, "parse_failed"


def parse_smart(text: str) -> Fields:
    """Parse `smartctl --json` of an ATA or NVMe disk. Errors: ValueError, KeyError when there is no health at all."""
    report = json.loads(text)
    fields: Fields = {
        "passed": report["smart_status"]["passed"],
        "temperature_c": report.get("temperature", {}).get("current"),
        "power_on_h": report.get("power_on_time", {}).get("hours"),
    }
    for row in report.get("ata_smart_attributes", {}).get("table", []):
        if row["id"] in _COUNTERS:
            fields[_COUNTERS[row["id"]]] = row["raw"]["value"]
    nvme = report.get("nvme_smart_health_information_log")
    if nvme is not None:
        fields |= {
            "wear_pct": nvme.get("percentage_used"),
            "media_errors": nvme.get("media_errors"),
            "critical_warning": nvme.get("critical_warning"),
        }
    return fields


def disk_encryption(machine: Machine) -> Fields:
    try:
        output = machine.run("lsblk", "--json", "--output", "NAME,TYPE,FSTYPE,MOUNTPOINT,MOUNTPOINTS")
    except ToolMissing:
        mounts = [mount for mount in parse_mountinfo(machine.read("proc/self/mountinfo")) if mount.is_local]
        rows: list[Value] = [{"mount": m.mount, "device": m.device, "encrypted": None, "kind": None} for m in mounts]
        return with_unknown({"mounts": rows}, {"encrypted": "tool_missing"})
    return {"mounts": [*parse_lsblk(output.stdout), *_zfs(machine)]}


def _zfs(machine: Machine) -> list[Fields]:
    """Data sets of ZFS are no block devices: they say themselves whether they are encrypted."""
    if not machine.path("sys/module/zfs").is_dir():
        return []
    try:
        output = machine.run("zfs", "list", "-H", "-o", "name,mountpoint,encryption", "-t", "filesystem")
    except ToolMissing:
        return []
    rows = [line.split("\t") for line in output.stdout.splitlines()]
    return [
        {"mount": row[1], "device": row[0], "encrypted": row[2] not in ("off", "-"), "kind": "zfs" if row[2] not in ("off", "-") else None}
        for row in rows
        if len(row) == 3 and row[1].startswith("/")
    ]


def parse_lsblk(text: str) -> list[Fields]:
    """Walk the tree of block devices: a mount is encrypted when a `crypt` device lies above its disk."""
    found: list[Fields] = []
    stack: list[tuple[dict[str, object], bool]] = [(device, False) for device in json.loads(text)["blockdevices"]]
    while stack:
        device, is_below_crypt = stack.pop()
        is_encrypted = is_below_crypt or device.get("type") == "crypt" or device.get("fstype") == "crypto_LUKS"
        for mount in _mount_points(device):
            found.append(
                {"mount": mount, "device": f"/dev/{device['name']}", "encrypted": is_encrypted, "kind": "luks" if is_encrypted else None}
            )
        children = device.get("children", [])
        if isinstance(children, list):
            stack.extend((child, is_encrypted) for child in children)
    return sorted(found, key=lambda row: str(row["mount"]))


def _mount_points(device: dict[str, object]) -> list[str]:
    """Return where a device is mounted; a recent lsblk lists every place, an older one names the last."""
    several = device.get("mountpoints")
    listed = several if isinstance(several, list) else [device.get("mountpoint")]
    return sorted({one for one in listed if isinstance(one, str) and one.startswith("/")})
