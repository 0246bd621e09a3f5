"""The operating system, the kernel and the hardware below it.

Owns: groups os, kernel, hw, cpu_mem, firmware, tpm_secureboot, cloud_instance, timesync, reboot_state.
Invariant: a placeholder that a board maker left in the firmware is no identity; it becomes null.
"""

import os
import re

from mainstay_agent.facts.value import Fields, Reason, Unknown, Value, with_unknown
from mainstay_agent.host.clocks import boot_id
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing
from mainstay_agent.samples.memory import parse_meminfo

_PLACEHOLDERS = frozenset({"", "none", "default string", "to be filled by o.e.m.", "system serial number", "0123456789", "not specified"})
_PLACEHOLDER_UUIDS = frozenset(
    {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "03000200-0400-0500-0006-000700080009"}
)
_CHASSIS = {
    3: "desktop", 4: "desktop", 5: "desktop", 6: "desktop", 7: "desktop", 13: "desktop", 15: "desktop", 35: "desktop", 36: "desktop",
    8: "laptop", 9: "laptop", 10: "laptop", 14: "laptop", 31: "laptop", 32: "laptop",
    17: "server", 23: "server", 28: "server", 29: "server",
}  # fmt: skip
_HYPERVISORS = {
    "qemu": "kvm", "kvm": "kvm", "vmware": "vmware", "virtualbox": "virtualbox", "innotek": "virtualbox", "microsoft corporation": "hyperv",
    "xen": "xen", "amazon ec2": "kvm", "google": "kvm", "parallels": "parallels", "bochs": "kvm",
}  # fmt: skip
_KERNEL_PACKAGE = re.compile(r"^linux-image-(\d\S*)$")


def os_release(machine: Machine) -> Fields:
    text = machine.read_or_none("etc/os-release") or machine.read_or_none("usr/lib/os-release")
    if text is None:
        raise Unknown("not_supported")
    release = parse_os_release(text)
    return {
        "id": release.get("ID", "linux"),
        "version_id": release.get("VERSION_ID"),
        "name": release.get("PRETTY_NAME", "Linux"),
        "codename": release.get("VERSION_CODENAME"),
        "family": "linux",
        "arch": os.uname().machine,
        "hostname": machine.read_or_none("proc/sys/kernel/hostname"),
        "timezone": _timezone(machine),
    }


def parse_os_release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _timezone(machine: Machine) -> str | None:
    named = machine.read_or_none("etc/timezone")
    if named:
        return named
    try:
        return os.readlink(machine.path("etc/localtime")).partition("zoneinfo/")[2] or None
    except OSError:
        return None


def kernel(machine: Machine) -> Fields:
    running = machine.read("proc/sys/kernel/osrelease").strip()
    installed = _installed_kernels(machine)
    fields: Fields = {
        "running": running,
        "build": machine.read_or_none("proc/sys/kernel/version"),
        "boot_id": boot_id(machine.root),
        "booted_at": booted_at(machine),
        "installed": list(installed) if installed is not None else None,
        "newest_installed": newest_kernel([str(one["release"]) for one in installed]) if installed else None,
    }
    return with_unknown(fields, {"installed": "tool_missing"} if installed is None else {})


def booted_at(machine: Machine) -> int | None:
    """Return the Unix second of the last boot, from /proc/stat."""
    match = re.search(r"^btime (\d+)$", machine.read("proc/stat"), re.MULTILINE)
    return int(match.group(1)) if match else None


def _installed_kernels(machine: Machine) -> list[dict[str, Value]] | None:
    try:
        output = machine.run("dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}\n", "linux-image-*")
    except ToolMissing:
        return None
    return parse_kernels(output.stdout)


def parse_kernels(text: str) -> list[dict[str, Value]]:
    """Parse dpkg-query lines; meta packages (`linux-image-amd64`) are left out, they are no image."""
    kernels: list[dict[str, Value]] = []
    for line in text.splitlines():
        status, package, version = [*line.split("\t"), "", "", ""][:3]
        match = _KERNEL_PACKAGE.match(package)
        if status == "installed" and match:
            kernels.append({"package": package, "version": version, "release": match.group(1)})
    return kernels


def newest_kernel(releases: list[str]) -> str | None:
    """Return the highest release, its numbers compared as numbers (6.1.0-9 is older than 6.1.0-18)."""
    return max(releases, key=lambda release: [int(number) for number in re.findall(r"\d+", release)], default=None)


def hardware(machine: Machine) -> Fields:
    fields: Fields = {name: _dmi(machine, source) for name, source in _HARDWARE.items()}
    fields["chassis"] = _chassis(machine)
    fields["virtualisation"] = _virtualisation(machine)
    unknown: dict[str, Reason] = {}
    for name in ("serial", "board_uuid"):
        if machine.path(f"sys/class/dmi/id/{_HARDWARE[name]}").exists() and not machine.is_root:
            unknown[name] = "needs_helper"
    if not machine.path("sys/class/dmi/id").is_dir():
        unknown |= dict.fromkeys(("vendor", "product", "serial", "board_uuid"), "not_supported")
    return with_unknown(fields, unknown)


_HARDWARE = {
    "vendor": "sys_vendor",
    "product": "product_name",
    "version": "product_version",
    "serial": "product_serial",
    "board_uuid": "product_uuid",
    "board_vendor": "board_vendor",
    "board_name": "board_name",
}


def identity(text: str | None) -> str | None:
    """Return an identity string, or None for a maker's placeholder. Source: rule N6."""
    if text is None:
        return None
    plain = text.strip().lower()
    if plain in _PLACEHOLDERS or plain in _PLACEHOLDER_UUIDS or set(plain) <= set("0-. ") or (len(plain) > 3 and set(plain) <= set("f-")):
        return None
    return text.strip()


def _dmi(machine: Machine, name: str) -> str | None:
    return identity(machine.read_or_none(f"sys/class/dmi/id/{name}"))


def _chassis(machine: Machine) -> str:
    if _virtualisation(machine):
        return "virtual"
    kind = machine.read_or_none("sys/class/dmi/id/chassis_type") or ""
    return _CHASSIS.get(int(kind), "other") if kind.isdigit() else "other"


def _virtualisation(machine: Machine) -> str | None:
    vendor = f"{_dmi(machine, 'sys_vendor') or ''} {_dmi(machine, 'product_name') or ''}".lower()
    for mark, kind in _HYPERVISORS.items():
        if mark in vendor:
            return kind
    flags = machine.read_or_none("proc/cpuinfo") or ""
    return "unspecified" if re.search(r"^flags\s*:.*\bhypervisor\b", flags, re.MULTILINE) else None


def processor_and_memory(machine: Machine) -> Fields:
    sizes = parse_meminfo(machine.read("proc/meminfo"))
    # The momentary clock rate of /proc/cpuinfo would make this group change at every look; the ceiling is a fact.
    ceiling_khz = machine.read_or_none("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq") or ""
    fields = parse_cpuinfo(machine.read("proc/cpuinfo"))
    fields["mhz_max"] = int(ceiling_khz) // 1000 if ceiling_khz.isdigit() else None
    return fields | {"memory_bytes": sizes.get("MemTotal"), "swap_bytes": sizes.get("SwapTotal", 0)}


def parse_cpuinfo(text: str) -> Fields:
    cores, sockets, threads = set[tuple[str, str]](), set[str](), 0
    first: dict[str, str] = {}
    for block in text.strip().split("\n\n"):
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" not in fields:
            continue
        threads += 1
        first = first or fields
        sockets.add(fields.get("physical id", "0"))
        cores.add((fields.get("physical id", "0"), fields.get("core id", fields["processor"])))
    return {
        "model": first.get("model name"),
        "vendor": first.get("vendor_id"),
        "sockets": len(sockets),
        "cores": len(cores),
        "threads": threads,
    }


def firmware(machine: Machine) -> Fields:
    has_dmi = machine.path("sys/class/dmi/id").is_dir()
    fields: Fields = {
        "vendor": _dmi(machine, "bios_vendor"),
        "version": _dmi(machine, "bios_version"),
        "date": _dmi(machine, "bios_date"),
        "mode": "uefi" if machine.path("sys/firmware/efi").is_dir() else "bios" if has_dmi else None,
    }
    return with_unknown(fields, {} if has_dmi else {"vendor": "not_supported", "version": "not_supported", "mode": "not_supported"})


def trusted_platform(machine: Machine) -> Fields:
    chips = machine.children("sys/class/tpm")
    version = machine.read_or_none(f"sys/class/tpm/{chips[0]}/tpm_version_major") if chips else None
    secure = _secure_boot(machine)
    fields: Fields = {"tpm": bool(chips), "tpm_version": version, "secure_boot": secure}
    return with_unknown(fields, {"secure_boot": "denied"} if secure is None else {})


def _secure_boot(machine: Machine) -> bool | None:
    folder = "sys/firmware/efi/efivars"
    if not machine.path("sys/firmware/efi").is_dir():
        return False  # without UEFI there is no secure boot
    for name in machine.children(folder):
        if name.startswith("SecureBoot-"):
            try:
                return machine.path(f"{folder}/{name}").read_bytes()[-1:] == b"\x01"
            except OSError:
                return None
    return None


def cloud_instance(machine: Machine) -> Fields:
    text = " ".join(_dmi(machine, name) or "" for name in ("sys_vendor", "product_name", "chassis_asset_tag", "bios_vendor")).lower()
    marks = {
        "amazon ec2": "aws",
        "google": "gcp",
        "7783-7084-3265-9085-8269-3286-77": "azure",
        "digitalocean": "digitalocean",
        "hetzner": "hetzner",
    }
    provider = next((name for mark, name in marks.items() if mark in text), None)
    instance = machine.read_or_none("var/lib/cloud/data/instance-id")
    return {"provider": provider, "instance_id": instance if instance != "iid-datasource-none" else None}


_TIME_SERVICES = {"chronyd": "chrony", "systemd-timesyn": "systemd-timesyncd", "ntpd": "ntpd", "ntpsec": "ntpd", "openntpd": "openntpd"}


def time_synchronisation(machine: Machine) -> Fields:
    service = next((_TIME_SERVICES[name] for name in process_names(machine) if name in _TIME_SERVICES), None)
    if service == "chrony":
        fields = _chrony(machine)
    elif service is not None:
        fields = _timedatectl(machine)
    else:
        fields = {"synchronised": None, "offset_ms": None, "servers": []}
    fields["service"] = service or "none"
    reason: Reason = "not_supported" if service is None else "tool_missing"
    return with_unknown(fields, {"synchronised": reason} if fields["synchronised"] is None else {})


def process_names(machine: Machine) -> set[str]:
    """Return the (at most 15 characters long) names of running processes."""
    names = (machine.read_or_none(f"proc/{pid}/comm") for pid in machine.children("proc") if pid.isdigit())
    return {name for name in names if name}


def _chrony(machine: Machine) -> Fields:
    try:
        return parse_chrony(machine.run("chronyc", "-c", "tracking").stdout)
    except ToolMissing:
        return {"synchronised": None, "offset_ms": None, "servers": []}


def parse_chrony(text: str) -> Fields:
    """Parse `chronyc -c tracking`. Source: chronyc(1): field 3 stratum, 5 system time offset in seconds, 14 leap status."""
    fields = text.strip().split(",")
    if len(fields) < 14:
        raise Unknown("parse_failed")
    return {"synchronised": fields[13] != "Not synchronised", "offset_ms": round(float(fields[4]) * 1000), "servers": [fields[1]]}


def _timedatectl(machine: Machine) -> Fields:
    try:
        text = machine.run("timedatectl", "show").stdout
    except ToolMissing:
        text = ""
    values = parse_os_release(text)
    answer = {"yes": True, "no": False}.get(values.get("NTPSynchronized", ""))
    return {"synchronised": answer, "offset_ms": None, "servers": []}


def reboot_state(machine: Machine) -> Fields:
    flagged = machine.path("run/reboot-required").exists() or machine.path("var/run/reboot-required").exists()
    names = machine.read_or_none("run/reboot-required.pkgs") or machine.read_or_none("var/run/reboot-required.pkgs") or ""
    running, installed = machine.read("proc/sys/kernel/osrelease").strip(), _installed_kernels(machine)
    newest = newest_kernel([str(one["release"]) for one in installed]) if installed else None
    # In a container or a VM with a foreign kernel no installed image is ever the running one: then only the flag file speaks.
    is_own_kernel = newest is not None and running in [one["release"] for one in installed or []]
    found = {"flag_file": flagged, "kernel": is_own_kernel and newest != running}
    reasons: list[Value] = [reason for reason, holds in found.items() if holds]
    packages: list[Value] = [*sorted(set(names.split()))]
    return {
        "required": bool(reasons),
        "reasons": reasons,
        "packages": packages,
        "booted_at": booted_at(machine),
        "boot_id": boot_id(machine.root),
    }
