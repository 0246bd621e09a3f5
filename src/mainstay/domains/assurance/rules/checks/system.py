"""Checks on the kernel, files, boot, containers and sessions (SYS-01 to 09)."""

from mainstay.domains.assurance.rules.checks.reading import (
    complete,
    flag,
    flag_or_none,
    part,
    part_or_none,
    rows,
    text,
    text_or_none,
    texts,
    whole,
    whole_or_none,
)  # fmt: skip
from mainstay.domains.assurance.rules.checks.verdicts import counted, not_applicable, unknown, whether
from mainstay.domains.assurance.rules.facts import Host, NotKnown, Role
from mainstay.domains.assurance.rules.results import Result
from mainstay.kernel.json import JsonObject

_KERNEL = {
    "kernel.randomize_va_space": ("2",),
    "kernel.kptr_restrict": ("1", "2"),
    "kernel.dmesg_restrict": ("1",),
    "kernel.yama.ptrace_scope": ("1", "2", "3"),
    "fs.protected_hardlinks": ("1",),
    "fs.protected_symlinks": ("1",),
    "fs.suid_dumpable": ("0",),
}
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  (folders that are judged, not used)
LOCK_AFTER_S_MAX = 900


def sys_01(host: Host) -> Result:
    values = part(host.group("audit_sysctl"), "values")
    found = {key: text_or_none(values, key) for key in _KERNEL}
    unseen = [key for key, value in found.items() if value is None and key != "kernel.yama.ptrace_scope"]
    if unseen:
        raise NotKnown("missing", unseen[0])
    wrong = [f"{key}={value or 'absent'}" for key, value in found.items() if value not in _KERNEL[key]]
    good = f"All {len(_KERNEL)} settings that protect the kernel are on."
    return counted("SYS-01", ("audit_sysctl",), total=len(_KERNEL), failing=wrong, good=good, bad="Kernel settings to change:")


def sys_02(host: Host) -> Result:
    body = host.group("audit_confinement")
    selinux, apparmor = part_or_none(body, "selinux"), part_or_none(body, "apparmor")
    if selinux is not None:
        problems = [] if text(selinux, "mode") == "enforcing" else [f"SELinux is {text(selinux, 'mode')}."]
        return whether("SYS-02", ("audit_confinement",), problems=problems, good="SELinux is enforcing.")
    if apparmor is None or not flag(apparmor, "enabled"):
        return whether("SYS-02", ("audit_confinement",), problems=("Neither AppArmor nor SELinux is on.",), good="")
    enforced = whole_or_none(apparmor, "enforce")
    if enforced is None:
        raise NotKnown("needs_helper", "audit_confinement")
    problems = [] if enforced else ["AppArmor is on without any enforced profile."]
    return whether("SYS-02", ("audit_confinement",), problems=problems, good=f"AppArmor enforces {enforced} profiles.")


def sys_03(host: Host) -> Result:
    mounts = {text(one, "mount"): texts(one, "options") for one in rows(host.group("audit_mounts"), "mounts")}
    if "/" not in mounts:
        raise NotKnown("contradictory", "audit_mounts")
    wrong = [folder for folder in _SHARED_FOLDERS if not {"nodev", "nosuid"} <= set(mounts.get(folder, ()))]
    good = "All three shared folders refuse devices and set-uid programs."
    return counted("SYS-03", ("audit_mounts",), total=3, failing=wrong, good=good, bad="Without nodev and nosuid:")


def sys_04(host: Host) -> Result:
    body = host.group("audit_files")
    found = [f"{text(one, 'path')} (mode {text(one, 'mode')})" for one in rows(body, "world_writable")]
    found += [f"{text(one, 'path')} (no owner)" for one in rows(body, "unowned")]
    if not found:
        complete(body, "world_writable", "unowned")
    return _none_of("SYS-04", found, "No file may be changed by everybody, and each has an owner.", "To close or to give an owner:")


def sys_05(host: Host) -> Result:
    body = host.group("audit_files")
    programs = rows(body, "suid")
    complete(body, "suid")
    strangers = [f"{text(one, 'path')} (mode {text(one, 'mode')})" for one in programs if text_or_none(one, "package") is None]
    if not programs:
        return whether("SYS-05", ("audit_files",), problems=(), good="There is no set-uid program.")
    good = f"All {len(programs)} set-uid programs belong to packages."
    return counted("SYS-05", ("audit_files",), total=len(programs), failing=strangers, good=good, bad="Belongs to no package:")


def sys_06(host: Host) -> Result:
    body = host.group("audit_root_paths")
    total, writable = whole(body, "checked"), rows(body, "writable")
    if not writable:
        complete(body, "writable")
    failing = [f"{text(one, 'path')} ({text(one, 'via')}, mode {text(one, 'mode')}, owner {text(one, 'owner')})" for one in writable]
    if total < max(1, len(failing)):
        raise NotKnown("contradictory" if failing else "nothing_seen", "audit_root_paths")
    good = f"All {total} files and folders that root's jobs rest on belong to root."
    return counted("SYS-06", ("audit_root_paths",), total=total, failing=failing, good=good, bad="Others decide what root runs:")


def sys_07(host: Host) -> Result:
    body = host.group("audit_boot")
    grub, secure = part_or_none(body, "grub_cfg"), flag_or_none(body, "secure_boot")
    if text(body, "firmware") == "none" and grub is None:
        return not_applicable("SYS-07", ("audit_boot",), "no_boot_loader", "This host is started from outside.")
    if text(body, "firmware") == "uefi" and secure is None:
        raise NotKnown("denied", "audit_boot")
    problems = [] if secure else ["Secure Boot is off."]
    if grub is not None and (text(grub, "owner") != "root" or not text(grub, "mode").endswith("00")):
        problems.append(f"{text(grub, 'path')} has mode {text(grub, 'mode')} and owner {text(grub, 'owner')}.")
    return whether("SYS-07", ("audit_boot",), problems=problems, good="Secure Boot is on and only root reads the boot menu's settings.")


def sys_08(host: Host) -> Result:
    docker = part(host.group("audit_services"), "docker")
    complete(docker, "privileged")
    declared = host.declared.get("docker_members")
    allowed = texts({"said": declared}, "said") if isinstance(declared, list | tuple) else []
    problems = [f"{name} is in group docker, which is as good as root." for name in texts(docker, "members") if name not in allowed]
    problems += [f"Container {name} is privileged." for name in texts(docker, "privileged")]
    return whether("SYS-08", ("audit_services",), problems=problems, good="Nobody gains root through containers.")


def sys_09(host: Host) -> Result:
    body = host.group("audit_session")
    if host.role in (Role.WORKSTATION, Role.LAPTOP) or flag(body, "desktop"):
        return _screen(body)
    return _terminal(host, body)


def _screen(session: JsonObject) -> Result:
    idle_s, lock = whole_or_none(session, "idle_s"), flag_or_none(session, "lock")
    if idle_s is None or lock is None:
        return unknown(
            "SYS-09", ("audit_session",), "no_policy_found", "No screen lock is set for all users; what each user chose is not seen."
        )
    is_well = lock and 0 < idle_s <= LOCK_AFTER_S_MAX
    problems = [] if is_well else [f"The screen locks after {idle_s} s." if lock and idle_s else "The screen never locks."]
    return whether("SYS-09", ("audit_session",), problems=problems, good=f"The screen locks after {idle_s} s.")


def _terminal(host: Host, session: JsonObject) -> Result:
    tmout = whole_or_none(session, "tmout_s")
    problems = [] if tmout is not None and 0 < tmout <= LOCK_AFTER_S_MAX else ["TMOUT does not end idle shells within 15 minutes."]
    ssh = host.group("audit_ssh")
    if flag(ssh, "installed"):
        complete(ssh, "settings")
        interval = text(part(ssh, "settings"), "clientaliveinterval")
        if not interval.isdigit():
            raise NotKnown("parse_failed", "audit_ssh")
        if not 0 < int(interval) <= LOCK_AFTER_S_MAX:
            problems.append("SSH never asks whether a session is still alive (ClientAliveInterval).")
    return whether("SYS-09", ("audit_session", "audit_ssh"), problems=problems, good=f"Idle shells end after {tmout} s.")


def _none_of(check: str, found: list[str], good: str, bad: str) -> Result:
    if not found:
        return whether(check, ("audit_files",), problems=(), good=good)
    return counted(check, ("audit_files",), total=len(set(found)), failing=found, good=good, bad=bad)
