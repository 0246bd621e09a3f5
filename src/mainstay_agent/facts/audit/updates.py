"""Where software comes from, whether updates install themselves, whether programs are as delivered.

Owns: groups audit_updates, audit_unpackaged, audit_verify (a sweep).
"""

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from mainstay_agent.facts.audit.files import packages_of
from mainstay_agent.facts.audit.looking import TOOL_TIMEOUT_S, Look, lines, status
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut
from mainstay_agent.services.systemd import is_running

_APT = "usr/bin/apt-get"
_LOG = "var/log/unattended-upgrades/unattended-upgrades.log"
_STAMP = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ INFO (?:No packages found|All upgrades installed|Packages that will be upgraded)"
)
_FLAGS = ("run/reboot-required", "var/run/reboot-required")
ORIGINS_MAX = 200


def updates(machine: Machine) -> Fields:
    look = Look(machine)
    settings = _apt_settings(look)
    if settings is None and not machine.children("etc/yum.repos.d"):
        raise Unknown("tool_missing")
    origins = [*_one_line(look), *_deb822(look), *_yum(look)]
    flag = next((found for name in _FLAGS if (found := status(machine, name)) is not None), None)
    return look.fields(
        unattended=_unattended(look, settings or {}),
        reboot_flag_at=int(flag.st_mtime) if flag else None,
        origins=[*origins[:ORIGINS_MAX]],
        allow_unauthenticated=any((settings or {}).get(name, "").lower() in ("1", "true", "yes") for name in _UNSAFE),
        truncated=len(origins) > ORIGINS_MAX,
    )


_UNSAFE = ("APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories", "Acquire::AllowDowngradeToInsecureRepositories")
_WANTED = ("APT::Periodic::Unattended-Upgrade", "APT::Periodic::Update-Package-Lists", *_UNSAFE)


def _apt_settings(look: Look) -> dict[str, str] | None:
    if not look.machine.path(_APT).exists():
        return None
    try:
        output = look.run("apt-config", "dump", *_WANTED)
    except ToolMissing:
        return None
    return dict(re.findall(r'^(\S+) "(.*)";$', output.stdout, re.MULTILINE))


def _unattended(look: Look, settings: dict[str, str]) -> Fields:
    machine = look.machine
    if machine.path("usr/bin/unattended-upgrade").exists():
        enabled = settings.get("APT::Periodic::Unattended-Upgrade", "0") not in ("", "0")
        return {
            "installed": True,
            "enabled": enabled,
            "timer": _timer(look, "apt-daily-upgrade.timer"),
            "last_success": _last_success(look),
        }
    if machine.path("etc/dnf/automatic.conf").exists():
        applies = re.search(r"^apply_updates\s*=\s*(yes|true|1)", look.read("etc/dnf/automatic.conf") or "", re.MULTILINE)
        return {"installed": True, "enabled": applies is not None, "timer": _timer(look, "dnf-automatic.timer"), "last_success": None}
    return {"installed": False, "enabled": False, "timer": None, "last_success": None}


def _timer(look: Look, unit: str) -> bool | None:
    if not is_running(look.machine):
        return None
    try:
        return "ActiveState=active" in look.run("systemctl", "show", "--property=ActiveState", "--", unit).stdout
    except (ToolMissing, ToolTimedOut):
        return None


def _last_success(look: Look) -> int | None:
    """Return the newest line of the log that says that a run did its work."""
    found: int | None = None
    for line in (look.read(_LOG) or "").splitlines():
        match = _STAMP.match(line)
        if match:
            # The log is written in local time; the host's offset is at most half a day, the check asks for two days.
            found = int(datetime.strptime(match.group(1), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    return found


_ONE_LINE = re.compile(r"^deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


def _one_line(look: Look) -> Iterator[Fields]:
    names = [
        "etc/apt/sources.list",
        *(f"etc/apt/sources.list.d/{one}" for one in look.machine.children("etc/apt/sources.list.d") if one.endswith(".list")),
    ]
    for name in names:
        for number, line in enumerate((look.read(name) or "").splitlines(), start=1):
            match = _ONE_LINE.match(line.strip())
            if match:
                options = (match["options"] or "").lower()
                yield _origin(name, number, match["uri"], match["suite"], trusted="trusted=yes" in options, signed="signed-by=" in options)


def _origin(name: str, line: int, uri: str, suite: str, *, trusted: bool, signed: bool, enabled: bool = True, kind: str = "deb") -> Fields:
    shown = re.sub(r"//[^/@]*@", "//", uri)  # a name and password in the address stay here
    return {
        "file": f"/{name}",
        "line": line,
        "uri": shown,
        "suite": suite,
        "trusted": trusted,
        "signed_by": signed,
        "enabled": enabled,
        "kind": kind,
    }


def _deb822(look: Look) -> Iterator[Fields]:
    for child in look.machine.children("etc/apt/sources.list.d"):
        if not child.endswith(".sources"):
            continue
        name, number = f"etc/apt/sources.list.d/{child}", 1
        for block in re.split(r"\n[ \t]*\n", look.read(name) or ""):
            fields = {key.lower(): value.strip() for key, value in re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", block, re.MULTILINE)}
            for uri in fields.get("uris", "").split():
                on, trusted = fields.get("enabled", "yes").lower() not in ("no", "false"), fields.get("trusted", "").lower() == "yes"
                yield _origin(name, number, uri, fields.get("suites", ""), trusted=trusted, signed="signed-by" in fields, enabled=on)
            number += block.count("\n") + 2


def _yum(look: Look) -> Iterator[Fields]:
    for child in look.machine.children("etc/yum.repos.d"):
        name, number = f"etc/yum.repos.d/{child}", 1
        for block in re.split(r"(?=^\[)", look.read(name) or "", flags=re.MULTILINE):
            fields = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines(block))}
            uri = fields.get("baseurl") or fields.get("metalink") or fields.get("mirrorlist") or ""
            if uri:
                checked = fields.get("gpgcheck", "0") == "1"
                yield _origin(
                    name, number, uri, child, trusted=not checked, signed=checked, enabled=fields.get("enabled", "1") == "1", kind="yum"
                )
            number += block.count("\n")


# Software that no package manager knows

_OUTSIDE = ("usr/local/bin", "usr/local/sbin", "usr/local/games", "opt")
PROGRAMS_MAX = 100
_WALK_MAX = 20_000
_OPT_DEPTH = 3


def unpackaged(machine: Machine) -> Fields:
    look = Look(machine)
    found: list[str] = []
    is_cut = False
    for folder in _OUTSIDE:
        for name in _programs(machine, folder):
            is_cut = is_cut or not name
            found += [f"/{name}"] if name else []
    owned = packages_of(look, sorted(found)[:_WALK_MAX]) if found and len(found) <= 2_000 else {}
    strays = [path for path in sorted(found) if path not in owned]
    look.note("programs below /usr/local and /opt", "\n".join(strays), "\n".join(strays[:8]))
    return look.fields(programs=[*strays[:PROGRAMS_MAX]], count=len(strays), truncated=is_cut or len(strays) > PROGRAMS_MAX)


def _programs(machine: Machine, folder: str) -> Iterator[str]:
    left = _WALK_MAX
    for where, folders, names in os.walk(machine.path(folder)):
        relative = os.path.relpath(where, machine.root)
        if relative.count("/") - folder.count("/") >= _OPT_DEPTH:
            folders.clear()
        left -= len(names)
        if left < 0:
            yield ""
            return
        for name in sorted(names):
            found = status(machine, f"{relative}/{name}")
            if found is not None and stat.S_ISREG(found.st_mode) and found.st_mode & 0o111 and "." not in name:
                yield f"{relative}/{name}"


# Are programs as delivered?

_VERIFIED = re.compile(r"^(?P<flags>missing|[.?A-Z0-9]{9})\s+(?P<kind>[a-z] )?\s*(?P<path>/.*)$")
SLICE = 60
SLICES_BUDGET_S = 100
CHANGED_MAX = 200
_IGNORED = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/lintian/", "/usr/share/gnome/help/")


def verify(machine: Machine) -> Fields:
    """Let the package manager compare every file with its checksum, some packages at a time, each within the limit of a tool."""
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    try:
        names = look.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\t${binary:Package}\\n", excerpt="").stdout
    except ToolMissing:
        return _rpm_verify(look)
    installed = [line.split("\t")[1] for line in names.splitlines() if line.startswith(("ii", "hi"))]
    if not installed:
        raise Unknown("not_supported")
    raw: list[str] = []
    began = machine.clock.boot_ms()
    for at in range(0, len(installed), SLICE):
        if machine.clock.boot_ms() - began > SLICES_BUDGET_S * 1000:
            raise Unknown("timeout")
        raw.append(_verify_some(machine, installed[at : at + SLICE]))
    return _verified(look, "dpkg", "dpkg --verify", "".join(raw), len(installed))


def _verify_some(machine: Machine, names: list[str]) -> str:
    # The lowest priority that still moves on: in the idle class a busy disk would never let the comparison end.
    try:
        return machine.run("nice", "-n", "19", "ionice", "-c", "2", "-n", "7", "dpkg", "--verify", *names, timeout_s=TOOL_TIMEOUT_S).stdout
    except ToolMissing:
        return machine.run("dpkg", "--verify", *names, timeout_s=TOOL_TIMEOUT_S).stdout


def _rpm_verify(look: Look) -> Fields:
    try:
        count = len(look.run("rpm", "-qa", excerpt="").stdout.splitlines())
        raw = look.run_idle("rpm", "-Va", "--noconfig", "--nomtime", "--nodeps", "--noscripts", timeout_s=SLICES_BUDGET_S).stdout
    except ToolMissing as problem:
        raise Unknown("tool_missing") from problem
    return _verified(look, "rpm", "rpm -Va --noconfig", raw, count)


_PROGRAM = re.compile(r"/s?bin/[^/]+$|\.so(?:\.[0-9.]+)?$|\.ko(?:\.\w+)?$|/libexec/")


def _is_program(machine: Machine, path: str) -> bool:
    """Tell whether a changed file is run: data of packages changes for many reasons, a program for few."""
    found = status(machine, path.lstrip("/"))
    return _PROGRAM.search(path) is not None or (found is not None and bool(found.st_mode & 0o111))


def _verified(look: Look, manager: str, command: str, raw: str, count: int) -> Fields:
    changed, missing = parse_verify(raw)
    changed = [path for path in changed if _is_program(look.machine, path)]
    missing = [path for path in missing if _PROGRAM.search(path)]
    look.note(command, raw, "\n".join([*changed[:5], *(f"missing {path}" for path in missing[:3])]))
    is_cut = len(changed) > CHANGED_MAX or len(missing) > CHANGED_MAX
    listed: list[Value] = [*changed[:CHANGED_MAX]]
    return look.fields(manager=manager, packages=count, changed=listed, missing=[*missing[:CHANGED_MAX]], truncated=is_cut)


def parse_verify(text: str) -> tuple[list[str], list[str]]:
    """Parse `dpkg --verify` or `rpm -V`: changed content (a 5 in the third place) and missing files, without configuration and manuals."""
    changed: list[str] = []
    missing: list[str] = []
    for line in text.splitlines():
        match = _VERIFIED.match(line)
        if not match or (match["kind"] or "").strip() in ("c", "d", "g", "l", "r") or match["path"].startswith(_IGNORED):
            continue
        path = match["path"].removesuffix(" (Permission denied)")
        if match["flags"] == "missing":
            missing.append(path)
        elif match["flags"][2] == "5":
            changed.append(path)
    return sorted(set(changed)), sorted(set(missing))
