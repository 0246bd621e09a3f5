"""How the machine bears its load: pressure, crashes, failed services, worn hardware, full disks.

Owns: group audit_pressure.
Invariant: shares are whole numbers (hundredths of a percent); a counter that the kernel does not keep is null, not zero.
"""

import os
import re
import struct

from mainstay_agent.facts.audit.looking import Look
from mainstay_agent.facts.value import Fields, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import parse_mountinfo
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.managers import Managers

_UTMP = struct.Struct("<h2xi32s4s32s256s2hiii16s20s")
_RUN_LEVEL, _BOOT = 1, 2
WINDOW_S = 30 * 86_400
_MDSTAT = re.compile(r"^(md\w+) : .*\n.*\[(\d+)/(\d+)\]", re.MULTILINE)


def pressure(machine: Machine) -> Fields:
    look = Look(machine)
    vmstat = look.read("proc/vmstat") or ""
    killed = re.search(r"^oom_kill (\d+)$", vmstat, re.MULTILINE)
    look.sources.clear()  # counters that change at every look would make this group new each time
    return look.fields(
        psi=_psi(look),
        oom_kills=int(killed.group(1)) if killed else None,
        oops=_oops(machine),
        failed_units=_failed(machine),
        unplanned_boots=_unplanned_boots(machine),
        uncorrected_memory=_memory_errors(machine),
        raid_degraded=_raid(look),
        full=_full(machine),
    )


def _psi(look: Look) -> Fields | None:
    found: Fields = {}
    for name in ("cpu", "io", "memory"):
        match = re.search(r"^some .*\bavg300=([\d.]+)", look.read(f"proc/pressure/{name}") or "", re.MULTILINE)
        if match:
            found[name] = int(float(match.group(1)) * 100)
    return found if len(found) == 3 else None


def _oops(machine: Machine) -> int | None:
    counted, taint = machine.read_or_none("sys/kernel/oops_count"), machine.read_or_none("proc/sys/kernel/tainted")
    if counted is not None and counted.isdigit():
        return int(counted)
    return None if taint is None or not taint.isdigit() else int(taint) >> 7 & 1  # bit 7: the kernel has died before


def _failed(machine: Machine) -> list[Value] | None:
    managers = Managers(machine)
    if managers.native_name != "systemd":
        return _failed_scripts(managers)
    try:
        return [one.unit for one in managers.inventory() if one.state == "failed"]
    except (ToolMissing, ToolTimedOut):
        return None


def _failed_scripts(managers: Managers) -> list[Value] | None:
    """Init scripts that left a pid file behind; without any init system nothing is known."""
    return None if managers.native_name == "none" else [one.unit for one in managers.inventory() if one.state == "failed"]


def _unplanned_boots(machine: Machine) -> int | None:
    """Count starts of the last 30 days that no orderly shutdown went before. Source: utmp(5), as `last -x` reads it."""
    try:
        data = machine.path("var/log/wtmp").read_bytes()
    except OSError:
        return None
    since, count, is_up = machine.clock.wall_ms() // 1000 - WINDOW_S, 0, False
    for at in range(0, len(data) - _UTMP.size + 1, _UTMP.size):
        kind, _pid, _line, _id, user, _host, _e1, _e2, _session, seconds, *_rest = _UTMP.unpack_from(data, at)
        if kind == _BOOT:
            count += is_up and seconds >= since
            is_up = True
        elif kind == _RUN_LEVEL and user.startswith(b"shutdown"):
            is_up = False
    return count


def _memory_errors(machine: Machine) -> int | None:
    folder = "sys/devices/system/edac/mc"
    counts = [machine.read_or_none(f"{folder}/{name}/ue_count") for name in machine.children(folder) if re.fullmatch(r"mc\d+", name)]
    return sum(int(one) for one in counts if one and one.isdigit()) if counts else None


def _raid(look: Look) -> list[Value]:
    return [name for name, wanted, active in _MDSTAT.findall(look.read("proc/mdstat") or "") if int(active) < int(wanted)]


def _full(machine: Machine) -> list[Value]:
    rows: list[Value] = []
    for mount in parse_mountinfo(machine.read("proc/self/mountinfo")):
        try:
            found = os.statvfs(mount.mount) if mount.is_local and not mount.is_read_only else None
        except OSError:
            found = None
        if found is not None and found.f_blocks:
            used = found.f_blocks - found.f_bfree
            inodes = (found.f_files - found.f_ffree) * 100 // found.f_files if found.f_files else None
            rows.append({"mount": mount.mount, "used_pct": used * 100 // max(used + found.f_bavail, 1), "inodes_used_pct": inodes})
    return rows
