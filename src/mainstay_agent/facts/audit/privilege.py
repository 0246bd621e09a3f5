"""Who may become root, and who can change what root runs.

Owns: groups audit_sudo, audit_root_paths.
Does not own: the group `sudo`, which lists rules as written.
"""

import os
import re
import stat
from collections.abc import Iterator

from mainstay_agent.facts.audit.looking import Look, is_writable_by_others, lines, mode_text, owner_name, status
from mainstay_agent.facts.people import parse_group, parse_passwd
from mainstay_agent.facts.schedules import parse_crontab
from mainstay_agent.facts.value import Fields, Unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing

_RULE = re.compile(r"^(?P<who>[%+]?[^\s=]+)\s+\S+\s*=\s*(?P<what>.*)$")
_NOT_RULES = re.compile(r"^(Defaults|User_Alias|Runas_Alias|Host_Alias|Cmnd_Alias|Cmd_Alias|@|#include)")
_ADMIN_GROUPS = frozenset({"sudo", "wheel", "admin", "users", "ALL"})


def sudo_rules(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    if status(machine, "etc/sudoers") is None:
        return look.fields(present=False, valid=None, rules=[], files=[])
    names = ["etc/sudoers"] + [f"etc/sudoers.d/{name}" for name in machine.children("etc/sudoers.d") if "." not in name and name[-1] != "~"]
    people = _people(machine)
    rules = [rule for name in names for rule in parse_rules(look.read(name, shown=False) or "", f"/{name}", people)]
    return look.fields(
        present=True, valid=_is_valid(look), rules=[*rules], files=[_file(machine, name) for name in ["etc/sudoers.d", *names]]
    )


def _people(machine: Machine) -> set[str]:
    """Return the accounts of people and, with `%`, the groups that have one of them."""
    users = parse_passwd(machine.read_or_none("etc/passwd") or "", {})
    people = {str(user["name"]) for user in users if user["system"] is False}
    groups = parse_group(machine.read_or_none("etc/group") or "")
    return people | {f"%{name}" for name in _ADMIN_GROUPS} | {f"%{one['name']}" for one in groups if people & _members(one)} | {"ALL"}


def _members(group: Fields) -> set[str]:
    members = group["members"]
    return {str(member) for member in members} if isinstance(members, list) else set()


def parse_rules(text: str, source: str, people: set[str]) -> list[Fields]:
    """Parse user specifications; the line number is that of the first line of a continued one. Source: sudoers(5)."""
    found: list[Fields] = []
    number, pending = 0, ""
    for at, line in enumerate(text.splitlines(), start=1):
        number = number if pending else at
        pending += line.strip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            continue
        rule, pending = pending, ""
        match = _RULE.match(rule)
        if not match or rule.startswith("#") or _NOT_RULES.match(rule):
            continue
        what = match["what"]
        commands = re.sub(r"\([^)]*\)|[A-Z_]+:", " ", what).split(",")
        found.append(
            {
                "source": source,
                "line": number,
                "who": match["who"],
                "person": any(one in people for one in match["who"].split(",")),
                "nopasswd": "NOPASSWD:" in what,
                "all": any(command.strip() == "ALL" for command in commands),
            }
        )
    return found


def _is_valid(look: Look) -> bool | None:
    try:
        return look.run("visudo", "-c", "-q").code == 0
    except ToolMissing:
        return None


def _file(machine: Machine, name: str) -> Fields:
    found = status(machine, name)
    if found is None:
        return {"path": f"/{name}", "mode": "0000", "owner": "root", "loose": False}
    return {"path": f"/{name}", "mode": mode_text(found.st_mode), "owner": owner_name(found.st_uid), "loose": is_writable_by_others(found)}


# What root runs

_UNIT_FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system", "usr/local/lib/systemd/system")
_EXEC = re.compile(r"^Exec(?:Start|StartPre|StartPost|Stop|Reload)\s*=\s*[-@:+!]*(\S+)(.*)$", re.MULTILINE)
_PATH_WORD = re.compile(r"(?:^|[\s;&|(\"'=])(/[A-Za-z0-9_@%+./-]+)")
_CRON_FOLDERS = ("etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly")
_START_FOLDERS = ("etc/init.d", "etc/profile.d", "etc/update-motd.d", "etc/rc.local", "etc/profile", "etc/crontab", "root")
PATHS_MAX = 4_000
WRITABLE_MAX = 200


def root_paths(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    wanted: dict[str, str] = {}
    for via, path in _run_by_root(look):
        if len(wanted) < PATHS_MAX:
            wanted.setdefault(os.path.normpath(path), via)
    judged: dict[str, str] = {}
    for path, via in wanted.items():
        for part in _with_parents(machine, path):
            judged.setdefault(part, via)
    writable = [row for path, via in sorted(judged.items()) if (row := _writable(machine, path, via)) is not None]
    look.note(
        "stat of the files that cron, timers, units and log-ins of root use, and of the folders above them", "\n".join(sorted(judged)), ""
    )
    is_cut = len(wanted) >= PATHS_MAX or len(writable) > WRITABLE_MAX
    return look.fields(checked=len(judged), writable=[*writable[:WRITABLE_MAX]], truncated=is_cut)


def _run_by_root(look: Look) -> Iterator[tuple[str, str]]:
    machine = look.machine
    for name in ["etc/crontab", *(f"etc/cron.d/{one}" for one in machine.children("etc/cron.d"))]:
        text = look.read(name) or ""
        yield from (
            (f"cron /{name}", path)
            for job in parse_crontab(text, f"/{name}", has_user=True)
            if job["user"] == "root"
            for path in _paths(job)
        )
        yield from ((f"PATH of /{name}", path) for path in _search_path(text))
    own = look.read("var/spool/cron/crontabs/root") or ""
    yield from (("crontab of root", path) for job in parse_crontab(own, "root", has_user=False) for path in _paths(job))
    for folder in _CRON_FOLDERS:
        yield from ((f"cron /{folder}", f"/{folder}/{name}") for name in ["", *machine.children(folder)])
    for name in _START_FOLDERS:
        yield from ((f"start or log-in of root (/{name})", f"/{name}/{child}") for child in ["", *_starting(machine, name)])
    yield from _units(machine)


def _starting(machine: Machine, name: str) -> list[str]:
    return [".bashrc", ".profile", ".bash_profile"] if name == "root" else machine.children(name)


def _paths(job: Fields) -> list[str]:
    return _PATH_WORD.findall(str(job["command"] or ""))


def _search_path(text: str) -> list[str]:
    return [
        path for line in lines(text) if (match := re.match(r"PATH\s*=\s*(\S+)", line)) for path in match.group(1).strip("\"'").split(":")
    ]


def _units(machine: Machine) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for folder in _UNIT_FOLDERS:
        if folder == "lib/systemd/system" and machine.path("lib").is_symlink():
            continue
        for name in machine.children(folder):
            if not name.endswith(".service") or name in seen:
                continue
            seen.add(name)
            text = machine.read_or_none(f"{folder}/{name}") or ""
            yield f"unit {name}", f"/{folder}/{name}"
            if not re.search(r"^(User\s*=\s*(?!root\b)\S+|DynamicUser\s*=\s*(yes|true|1))", text, re.MULTILINE):
                for program, rest in _EXEC.findall(text):
                    yield from ((f"unit {name}", path) for path in [program, *_scripts(program, rest)] if path.startswith("/"))


def _scripts(program: str, rest: str) -> list[str]:
    """Return the script that an interpreter is given; other arguments are data and not run."""
    is_interpreter = re.search(r"/(ba|da|z)?sh$|/python[0-9.]*$|/perl$|/env$", program)
    return _PATH_WORD.findall(rest) if is_interpreter else []


def _with_parents(machine: Machine, path: str) -> Iterator[str]:
    """Yield a path, the target if it is a link, and every folder above."""
    targets = [path]
    if machine.path(path.lstrip("/")).is_symlink():
        targets.append(_target(machine, path))
    for one in targets:
        while one not in ("/", ""):
            yield one
            one = os.path.dirname(one)


def _target(machine: Machine, path: str) -> str:
    real, root = os.path.realpath(machine.path(path.lstrip("/"))), os.path.realpath(machine.root)
    return real[len(root) :] if root != "/" and real.startswith(root) else real


def _writable(machine: Machine, path: str, via: str) -> Fields | None:
    found = status(machine, path.lstrip("/"))
    # A link is judged by its target; what lies in a folder with the sticky bit is judged by itself.
    if found is None or stat.S_ISLNK(found.st_mode) or stat.S_ISCHR(found.st_mode):
        return None
    is_sticky_root = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX and found.st_uid == 0
    if is_sticky_root or not is_writable_by_others(found):
        return None
    return {"path": path, "via": via, "mode": mode_text(found.st_mode), "owner": owner_name(found.st_uid)}
