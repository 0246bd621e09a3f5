"""tmp.clean: remove old files from the two folders for temporary files.

Owns: what is old enough and harmless enough to go.
Invariant: links are not followed, other filesystems not entered, sockets, pipes and open files left alone.
"""

import os
import stat
import sys
import time

from mainstay_agent.actions.program import ActionFailed, Request, run, show

FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 these two are what the action is about
FILES_MAX = 100_000
_KEPT = (".X11-unix", ".ICE-unix", ".font-unix", ".XIM-unix", "systemd-private-")


def clean(request: Request) -> None:
    days = request.whole("older_than_days")
    if days < 1:
        raise ActionFailed("files of the last day are never removed")
    before = time.time() - days * 86_400
    in_use = open_files()
    removed = [clean_folder(folder, before, in_use) for folder in FOLDERS]
    show({"files": sum(files for files, _ in removed), "bytes": sum(size for _, size in removed)})


def clean_folder(folder: str, before: float, in_use: frozenset[tuple[int, int]]) -> tuple[int, int]:
    """Remove regular files last changed and read before a moment; return how many, and their bytes."""
    device = os.lstat(folder).st_dev
    files = size = 0
    # By descriptor and never by path: others may write here, and could swap a folder for a link between our look and our deed.
    for _where, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        folders[:] = [name for name in folders if not name.startswith(_KEPT) and _stat(name, descriptor).st_dev == device]
        for name in names:
            found = _old_file(_stat(name, descriptor), before, in_use)
            if found is None or files >= FILES_MAX:
                continue
            os.unlink(name, dir_fd=descriptor)
            files, size = files + 1, size + found
    return files, size


def _stat(name: str, descriptor: int) -> os.stat_result:
    return os.stat(name, dir_fd=descriptor, follow_symlinks=False)


def _old_file(status: os.stat_result, before: float, in_use: frozenset[tuple[int, int]]) -> int | None:
    if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in in_use:
        return None
    is_old = max(status.st_mtime, status.st_atime, status.st_ctime) < before
    return status.st_size if is_old else None


def open_files() -> frozenset[tuple[int, int]]:
    """Return device and inode of every file that a process holds open."""
    found: set[tuple[int, int]] = set()
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue  # it ended while we looked
        for descriptor in descriptors:
            try:
                status = os.stat(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            found.add((status.st_dev, status.st_ino))
    return frozenset(found)


if __name__ == "__main__":
    sys.exit(run(clean))
