"""The last step before a process of ours runs: give up what it must not have, then become its program.

Owns: the change of user, the view of the file system where the interpreter lies under a private home, death with the supervisor.
Does not own: which process gets what. Standard library only, run as a script, because it starts once for every process.
Invariant: the program is never executed when one of these steps failed.
Source: the technique is systemd's ProtectHome=tmpfs with BindReadOnlyPaths=; prctl(2), mount_namespaces(7).
"""

import ctypes
import json
import os
import pwd
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


class Plan(TypedDict):
    """What to become. `needs` are folders that the program must be able to reach; an empty user keeps the present one."""

    user: str
    argv: list[str]
    needs: list[str]
    parent: int
    death_signal: int
    no_new_privileges: bool


def main() -> None:
    """Carry out the plan given as JSON. Exit code 70: a step failed, its cause and remedy are on standard error."""
    plan: Plan = json.loads(sys.argv[1])
    try:
        become(plan)
    except (OSError, KeyError, ValueError) as problem:
        sys.stderr.write(f"mainstay: cannot start {plan['argv'][0]}: {problem}\n")
        sys.exit(70)


def become(plan: Plan) -> None:
    """Drop, hide, and execute. Returns only by an error: OSError, KeyError for an unknown user."""
    if plan["user"]:
        entry = pwd.getpwnam(plan["user"])
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        open_private_folders(plan["needs"], entry.pw_uid, groups)
        os.setgroups(groups)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        os.environ["HOME"], os.environ["USER"] = entry.pw_dir, entry.pw_name
    os.umask(0o077)
    os.chdir("/")
    if plan["no_new_privileges"]:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it. A supervisor that died before this line would never send the signal.
    _prctl(PR_SET_PDEATHSIG, plan["death_signal"])
    if os.getppid() != plan["parent"]:
        raise ProcessLookupError("the supervisor is gone")
    os.execv(plan["argv"][0], plan["argv"])  # noqa: S606 - this is the step that the launcher exists for


def blocked_folder(path: Path, uid: int, groups: Iterable[int]) -> Path | None:
    """Return the topmost ancestor of `path` that a user may not pass through, or None."""
    for folder in reversed(path.parents):
        try:
            seen = folder.stat()
        except FileNotFoundError:
            return None
        if not _may_pass(seen, uid, groups):
            return folder
    return None


def open_private_folders(needs: Sequence[str], uid: int, groups: Sequence[int]) -> None:
    """Make the needed folders reachable, in a mount namespace of this process, without opening what lies beside them.

    Errors: PermissionError with the remedy, where the kernel does not allow mount namespaces.
    """
    paths = sorted({Path(need) for need in needs})
    blocked = {folder for path in paths if (folder := blocked_folder(path, uid, groups))}
    if not blocked:
        return
    top = {folder for folder in blocked if not any(other in folder.parents for other in blocked)}
    hidden = [path for path in paths if any(folder in path.parents for folder in top)]
    try:
        _call("unshare", CLONE_NEWNS)
    except OSError as problem:
        names = ", ".join(map(str, sorted(top)))
        raise PermissionError(
            f"{names} is private to its owner and this kernel allows no mount namespace ({problem}); install Python and Mainstay in a "
            "folder that every user may enter (for example /opt), or start Mainstay as an ordinary user"
        ) from problem
    _mount("none", "/", None, MS_REC | MS_SLAVE)
    # Opened in the new namespace: the kernel does not bind a mount of another one.
    held = {path: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in hidden}
    for folder in sorted(top):
        _mount("tmpfs", str(folder), "tmpfs", 0, "mode=0755,size=1m")
    for path, descriptor in held.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", str(path), None, MS_BIND | MS_REC)


def _may_pass(seen: os.stat_result, uid: int, groups: Iterable[int]) -> bool:
    if seen.st_uid == uid:
        return bool(seen.st_mode & stat.S_IXUSR)
    if seen.st_gid in groups:
        return bool(seen.st_mode & stat.S_IXGRP)
    return bool(seen.st_mode & stat.S_IXOTH)


def _prctl(option: int, value: int) -> None:
    _call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), None if data is None else data.encode())


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
