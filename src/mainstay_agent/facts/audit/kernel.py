"""The kernel: its settings, confinement of services, the boot chain, signs of a hidden guest.

Owns: groups audit_sysctl, audit_confinement, audit_boot, audit_integrity.
"""

import os
import stat
from collections.abc import Iterable

from mainstay_agent.facts.audit.looking import Look, mode_text, owner_name, status
from mainstay_agent.facts.system import trusted_platform
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine

SETTINGS = (
    "kernel.randomize_va_space", "kernel.kptr_restrict", "kernel.dmesg_restrict", "kernel.yama.ptrace_scope", "kernel.sysrq",
    "kernel.unprivileged_bpf_disabled", "kernel.perf_event_paranoid", "kernel.core_uses_pid", "kernel.modules_disabled",
    "fs.protected_hardlinks", "fs.protected_symlinks", "fs.protected_fifos", "fs.protected_regular", "fs.suid_dumpable",
    "dev.tty.ldisc_autoload",
    "net.core.bpf_jit_harden", "net.ipv4.ip_forward", "net.ipv4.tcp_syncookies", "net.ipv4.icmp_echo_ignore_broadcasts",
    "net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.all.accept_source_route", "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.all.send_redirects", "net.ipv4.conf.all.log_martians", "net.ipv4.conf.default.accept_source_route",
    "net.ipv6.conf.all.accept_redirects", "net.ipv6.conf.all.accept_source_route", "net.ipv6.conf.all.forwarding",
)  # fmt: skip


def settings(machine: Machine) -> Fields:
    look = Look(machine)
    values: Fields = {name: machine.read_or_none(f"proc/sys/{name.replace('.', '/')}") for name in SETTINGS}
    if all(value is None for value in values.values()):
        raise Unknown("not_supported")
    raw = "\n".join(f"{name} = {value}" for name, value in values.items() if value is not None)
    look.note("sysctl, read from /proc/sys", raw, raw)
    return look.fields(values=values)


def confinement(machine: Machine) -> Fields:
    look = Look(machine)
    selinux = machine.read_or_none("sys/fs/selinux/enforce")
    mode = {"1": "enforcing", "0": "permissive"}.get(selinux or "")
    enabled = machine.read_or_none("sys/module/apparmor/parameters/enabled")
    apparmor = None if enabled is None else _apparmor(look, is_on=enabled == "Y")
    look.note(
        "/sys/fs/selinux/enforce, /sys/module/apparmor/parameters/enabled", f"{selinux}\n{enabled}", f"selinux {mode}, apparmor {enabled}"
    )
    return look.fields(apparmor=apparmor, selinux={"mode": mode} if mode else None)


def _apparmor(look: Look, *, is_on: bool) -> Fields:
    text = look.read("sys/kernel/security/apparmor/profiles")
    if text is None:
        return {"enabled": is_on, "enforce": None, "complain": None}
    return {"enabled": is_on, "enforce": text.count("(enforce)"), "complain": text.count("(complain)")}


_GRUB = ("boot/grub/grub.cfg", "boot/grub2/grub.cfg", "boot/efi/EFI/debian/grub.cfg")


def boot(machine: Machine) -> Fields:
    look = Look(machine)
    name = next((one for one in _GRUB if status(machine, one) is not None), None)
    found = status(machine, name) if name else None
    grub: Value = None
    if found is not None:
        grub = {"path": f"/{name}", "mode": mode_text(found.st_mode), "owner": owner_name(found.st_uid)}
        look.note(f"stat /{name}", str(grub), f"mode {mode_text(found.st_mode)}, owner {owner_name(found.st_uid)}")
    firmware = "uefi" if machine.path("sys/firmware/efi").is_dir() else "bios" if machine.path("sys/class/dmi/id").is_dir() else "none"
    secure = trusted_platform(machine)["secure_boot"]
    look.note("firmware variables", f"{firmware} {secure}", f"firmware {firmware}, secure boot {secure}")
    return look.fields(grub_cfg=grub, firmware=firmware, secure_boot=secure)


# Signs of a hidden guest

_TAINT = "PFSRMBUDAWCIOELKXTN"  # one letter per bit; source: the kernel's admin guide, tainted-kernels
_PROMISCUOUS = 0x100
SWEEP_MAX = 200_000
_BASELINES = {
    "aide": ("usr/bin/aide", "var/lib/aide/aide.db"),
    "tripwire": ("usr/sbin/tripwire", "var/lib/tripwire"),
    "samhain": ("usr/sbin/samhain", "var/lib/samhain"),
}


def integrity(machine: Machine) -> Fields:
    look = Look(machine)
    preload = [word for line in (look.read("etc/ld.so.preload") or "").splitlines() if not line.startswith("#") for word in line.split()]
    taint_text = look.read("proc/sys/kernel/tainted")
    if taint_text is None:
        raise Unknown("not_supported")
    taint = int(taint_text)
    flags = [letter for bit, letter in enumerate(_TAINT) if taint >> bit & 1] or (["?"] if taint else [])
    promiscuous = [name for name in machine.children("sys/class/net") if _flags(machine, name) & _PROMISCUOUS]
    hidden = _hidden(machine)
    look.note("/sys/class/net/*/flags", str(promiscuous), ", ".join(promiscuous) or "no promiscuous interface")
    if hidden is None:
        look.unknown["hidden_pids"] = "needs_helper"
    else:
        look.note("kill(0) of every process id, compared with /proc", str(hidden), f"{len(hidden)} hidden")
    return look.fields(
        ld_preload=[*preload],
        taint=taint,
        taint_flags=[*flags],
        promiscuous=[*promiscuous],
        hidden_pids=[*(hidden or [])],
        dkms=bool(machine.children("var/lib/dkms")),
        baseline=_baseline(machine),
    )


def _flags(machine: Machine, interface: str) -> int:
    text = machine.read_or_none(f"sys/class/net/{interface}/flags")
    # A bridge makes its members promiscuous; that is explained.
    is_member = machine.path(f"sys/class/net/{interface}/master").exists()
    return int(text, 16) if text and not is_member else 0


def _baseline(machine: Machine) -> Fields | None:
    for tool, (program, database) in _BASELINES.items():
        if machine.path(program).exists():
            found = status(machine, database)
            return {"tool": tool, "at": int(found.st_mtime) if found else None}
    return None


def _hidden(machine: Machine) -> list[int] | None:
    """Find processes that answer a signal but are not listed. A process that began or ended meanwhile is looked at twice."""
    if not machine.is_root or str(machine.root) != "/":
        return None
    first = {pid for pid in _sweep(machine) if not _is_listed(machine, pid)}
    return sorted(pid for pid in first if _answers(pid) and not _is_listed(machine, pid))


def _sweep(machine: Machine) -> Iterable[int]:
    listed = {int(name) for name in machine.children("proc") if name.isdigit()}
    newest = (machine.read_or_none("proc/loadavg") or "0").split()[-1]
    last = min(max([int(newest) if newest.isdigit() else 0, *listed]), SWEEP_MAX)
    return (pid for pid in range(2, last + 1) if pid not in listed and _answers(pid))


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_listed(machine: Machine, pid: int) -> bool:
    """Tell whether a number is a listed process, or a thread of one (threads answer signals too, but are not in the listing)."""
    try:
        text = machine.read(f"proc/{pid}/status")
    except OSError:
        return not _answers(pid)
    group = next((line.split()[1] for line in text.splitlines() if line.startswith("Tgid:")), "")
    return stat.S_ISDIR(machine.path(f"proc/{group}").stat().st_mode) and group in machine.children("proc")
