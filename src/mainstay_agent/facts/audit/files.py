"""Mounts, the modes of files with secrets, and the walk over all files.

Owns: groups audit_mounts, audit_permissions (quick), audit_files (a sweep).
Invariant: only names, modes and owners of files are looked at, never their content.
"""

import grp
import os
import re
import stat
from collections.abc import Iterator

from mainstay_agent.facts.audit.looking import Look, mode_text, owner_name, status
from mainstay_agent.facts.people import parse_passwd
from mainstay_agent.facts.value import Fields, Unknown, Value
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.mounts import parse_mountinfo
from mainstay_agent.host.subprocesses import ToolMissing

MOUNTS_MAX = 200


def mounts(machine: Machine) -> Fields:
    look = Look(machine)
    # As root, the table of the first process: our own may be a private one that a sandbox made stricter.
    text = (look.read("proc/1/mounts") if machine.is_root else None) or look.read("proc/self/mounts")
    if text is None:
        raise Unknown("not_supported")
    return look.fields(mounts=[*parse_mounts(text)[:MOUNTS_MAX]], swaps=[*_swaps(look)])


def parse_mounts(text: str) -> list[Fields]:
    """Parse /proc/mounts; of several mounts on one folder the last one counts, which is the one that is seen."""
    found: dict[str, Fields] = {}
    for line in text.splitlines():
        device, mount, kind, options = [*line.split(" "), "", "", "", ""][:4]
        if mount:
            found[mount] = {"mount": mount, "device": device, "type": kind, "options": [*options.split(",")]}
    return [found[name] for name in sorted(found)]


def _swaps(look: Look) -> list[Fields]:
    rows = (line.split() for line in (look.read("proc/swaps") or "").splitlines()[1:])
    return [{"device": row[0], "kind": row[1], "encrypted": _is_encrypted(look.machine, row[0])} for row in rows if len(row) >= 2]


def _is_encrypted(machine: Machine, device: str) -> bool | None:
    """Tell whether a swap device is a dm-crypt one (or memory); a file is judged by the disk below, which is not known here."""
    name = device.rsplit("/", 1)[-1]
    if name.startswith("zram"):
        return True
    real = os.path.basename(os.path.realpath(machine.path(device.lstrip("/"))))
    if not device.startswith("/dev/"):
        return None
    return (machine.read_or_none(f"sys/block/{real}/dm/uuid") or "").startswith("CRYPT-")


# Files with secrets

_SYSTEM_FILES = {
    "etc/shadow": 0o640, "etc/gshadow": 0o640, "etc/shadow-": 0o640, "etc/gshadow-": 0o640, "etc/passwd": 0o644, "etc/group": 0o644,
    "etc/ssh/sshd_config": 0o644, "etc/crontab": 0o644, "etc/sudoers": 0o440, "etc/security/opasswd": 0o600, "etc/krb5.keytab": 0o600,
    "var/log/btmp": 0o660, "etc/fstab": 0o644, "etc/hosts": 0o644, "etc/login.defs": 0o644,
}  # fmt: skip
_KEY_FOLDERS = {"etc/ssl/private": "tls_key", "etc/pki/tls/private": "tls_key", "etc/letsencrypt/archive": "tls_key"}
_SEARCHED = ("home", "srv", "opt", "var/www", "root")
_SKIPPED = frozenset({"node_modules", ".cache", ".git", "site-packages", "proc", "__pycache__"})
_SECRET = re.compile(
    r"^(?:\.env(?:\..+)?|.+\.env|id_(?:rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)|\.pgpass|\.my\.cnf|\.netrc|.+\.(?:key|pfx|p12|kdbx|keytab))$"
)
_EXAMPLES = (".example", ".sample", ".dist", ".template", ".pub")
WALK_MAX = 40_000
DEPTH_MAX = 6
LOOSE_MAX = 200


def permissions(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    counts: dict[str, int] = {}
    loose: list[Fields] = []
    is_cut = False
    for name, kind in _with_secrets(machine):
        if kind == "cut":
            is_cut = True
            continue
        found = status(machine, name)
        if found is None or stat.S_ISLNK(found.st_mode) or not (stat.S_ISREG(found.st_mode) or kind == "home"):
            continue
        counts[kind] = counts.get(kind, 0) + 1
        problem = _problem(name, kind, found)
        if problem:
            loose.append(
                {"path": f"/{name}", "kind": kind, "mode": mode_text(found.st_mode), "owner": owner_name(found.st_uid), "problem": problem}
            )
    look.note(
        "stat of files with secrets", str(sorted(counts.items())), ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    )
    look.note("modes that are too open", str(loose), "\n".join(f"{one['mode']} {one['owner']} {one['path']}" for one in loose[:6]))
    kinds: Fields = dict(counts)
    return look.fields(checked=sum(counts.values()), loose=[*loose[:LOOSE_MAX]], kinds=kinds, truncated=is_cut or len(loose) > LOOSE_MAX)


def _with_secrets(machine: Machine) -> Iterator[tuple[str, str]]:
    yield from ((name, "system_file") for name in _SYSTEM_FILES)
    yield from ((f"etc/ssh/{name}", "host_key") for name in machine.children("etc/ssh") if re.fullmatch(r"ssh_host_\w+_key", name))
    for folder, kind in _KEY_FOLDERS.items():
        yield from ((name, kind) for name in _files_below(machine, folder) if name)
    for user in parse_passwd(machine.read_or_none("etc/passwd") or "", {}):
        if user["system"] is False and str(user["home"]).startswith("/home/"):
            yield str(user["home"]).strip("/"), "home"
    for folder in _SEARCHED:
        for name in _files_below(machine, folder):
            base = name.rsplit("/", 1)[-1]
            if not name:
                yield "", "cut"
            elif _SECRET.match(base) and not base.endswith(_EXAMPLES):
                yield name, "private_key" if base.startswith("id_") else "env"


def _files_below(machine: Machine, folder: str) -> Iterator[str]:
    """Yield the files below a folder, on its own file system; an empty name says that the walk was cut short."""
    base, left = machine.path(folder), WALK_MAX
    device = _device(str(base))
    for where, folders, names in os.walk(base):
        relative = os.path.relpath(where, machine.root)
        deep = relative.count("/") - folder.count("/") >= DEPTH_MAX
        folders[:] = [] if deep else sorted(one for one in folders if one not in _SKIPPED and _device(os.path.join(where, one)) == device)
        left -= len(names) + len(folders)
        if left < 0:
            yield ""
            return
        yield from (f"{relative}/{name}" for name in sorted(names))


def _device(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _problem(name: str, kind: str, found: os.stat_result) -> str:
    mode = stat.S_IMODE(found.st_mode)
    if kind == "system_file":
        too_open = mode & ~_SYSTEM_FILES[name] & 0o666
        return "owned by somebody else" if found.st_uid != 0 else "more open than it should be" if too_open else ""
    if kind == "home":
        return "may be changed by others" if mode & 0o002 else ""
    if mode & 0o022:
        return "may be changed by others"
    if kind == "host_key" and found.st_uid != 0:
        return "owned by somebody else"
    return "readable by others" if mode & 0o004 or (kind == "private_key" and mode & 0o040) else ""


# The walk over all files

_FORMAT = "%y %m %u %g %U %G %P\\0"
ROWS_MAX = 300
_LEFT_OUT = ("proc", "sys", "dev", "run", "var/lib/docker", "var/lib/containers", "var/lib/containerd", "snap")
_TMP_OK = ("tmp/", "var/tmp/", "dev/shm/")  # world-writable sockets and the like live here; the sticky bit of the folder is judged


def all_files(machine: Machine) -> Fields:
    if not machine.is_root:
        raise Unknown("needs_helper")
    look = Look(machine)
    suid: list[Fields] = []
    writable: list[Fields] = []
    unowned: list[Fields] = []
    is_cut = False
    for start in _starts(machine):
        output = look.run_idle(*_find(machine, start))
        is_cut = is_cut or output.truncated
        for kind, mode, uid, gid, path in _rows(output.stdout, start):
            _sort(machine, (kind, mode, uid, gid, path), suid, writable, unowned)
    packages = packages_of(look, [str(one["path"]) for one in suid])
    programs: list[Value] = [one | {"package": packages.get(str(one["path"]))} for one in suid[:ROWS_MAX]]
    is_cut = is_cut or max(len(suid), len(writable), len(unowned)) > ROWS_MAX
    return look.fields(suid=programs, world_writable=[*writable[:ROWS_MAX]], unowned=[*unowned[:ROWS_MAX]], truncated=is_cut)


def _starts(machine: Machine) -> list[str]:
    """Return the local file systems to walk, each by itself (`-xdev`)."""
    try:
        found = [one.mount for one in parse_mountinfo(machine.read("proc/self/mountinfo")) if one.is_local and not one.is_read_only]
    except OSError:
        found = []
    inside = [name for name in found if not name.strip("/").startswith(_LEFT_OUT)]
    return sorted({"/", *inside})


def _find(machine: Machine, start: str) -> list[str]:
    base = str(machine.path(start.lstrip("/"))) or "/"
    pruned = [word for name in _LEFT_OUT for word in ("-path", str(machine.path(name)), "-o")][:-1]
    wanted = ["-perm", "/6000", "-type", "f", "-o", "-perm", "-0002", "(", "-type", "f", "-o", "-type", "d", "!", "-perm", "-1000", ")"]
    return [
        "find",
        base,
        "-xdev",
        "(",
        *pruned,
        ")",
        "-prune",
        "-o",
        "(",
        *wanted,
        "-o",
        "-nouser",
        "-o",
        "-nogroup",
        ")",
        "-printf",
        _FORMAT,
    ]


def _rows(text: str, start: str) -> Iterator[tuple[str, int, int, int, str]]:
    for row in text.split("\0"):
        kind, mode, _user, _group, uid, gid, path = [*row.split(" ", 6), "", "", "", "", "", "", ""][:7]
        if mode and uid.isdigit() and gid.isdigit():
            yield kind, int(mode, 8), int(uid), int(gid), "/" + f"{start}/{path}".strip("/")


def _sort(machine: Machine, row: tuple[str, int, int, int, str], suid: list[Fields], writable: list[Fields], unowned: list[Fields]) -> None:
    kind, mode, uid, gid, path = row
    if kind == "f" and mode & 0o6000:
        suid.append({"path": path, "mode": mode_text(mode), "owner": owner_name(uid)})
    is_open = mode & 0o002 and (kind == "f" or (kind == "d" and not mode & 0o1000))
    if is_open and not path.lstrip("/").startswith(_TMP_OK) and _is_reachable(machine, os.path.dirname(path)):
        writable.append({"path": path, "mode": mode_text(mode), "type": kind})
    if owner_name(uid) == str(uid) or _group_is_unknown(gid):
        unowned.append({"path": path, "uid": uid, "gid": gid})


def _is_reachable(machine: Machine, folder: str) -> bool:
    """Tell whether everybody may walk down to a folder: what lies below a closed one is open to nobody."""
    while folder not in ("/", ""):
        found = status(machine, folder.lstrip("/"))
        if found is not None and not found.st_mode & 0o001:
            return False
        folder = os.path.dirname(folder)
    return True


def _group_is_unknown(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return True
    return False


def packages_of(look: Look, paths: list[str]) -> dict[str, str]:
    """Return which package each program belongs to. A path below /usr may be listed without /usr, and the other way round."""
    if not paths:
        return {}
    asked = {path: (path, path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}") for path in paths}
    names = sorted({name for both in asked.values() for name in both})
    try:
        text = look.run("dpkg-query", "--search", *names).stdout
    except ToolMissing:
        return _rpm_packages(look, paths)
    owners: dict[str, str] = {}
    for line in text.splitlines():
        package, separator, path = line.partition(": ")
        if separator and not line.startswith("diversion "):
            owners[path] = package.split(",")[0].partition(":")[0]
    return {
        path: owner for path, both in asked.items() if (owner := next((owners[one] for one in both if one in owners), None)) is not None
    }


def _rpm_packages(look: Look, paths: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths[:ROWS_MAX]:
        output = look.machine.run("rpm", "-qf", "--qf", "%{NAME}", path)
        if output.code == 0:
            found[path] = output.stdout
    return found
