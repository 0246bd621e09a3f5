"""disk.usage: print how much the folders below a path hold, down to three levels, on one filesystem."""

import os
import sys

from mainstay_agent.actions.program import ActionFailed, Request, run, show

DEPTH_MAX = 3
ENTRIES_MAX = 2_000_000
SHOWN_MAX = 500
_BLOCK_BYTES = 512


def usage(request: Request) -> None:
    path, depth = request.text("path"), min(request.whole("depth", 1), DEPTH_MAX)
    if not path.startswith("/"):
        raise ActionFailed("an absolute path is expected")
    base = os.path.normpath(path)
    sizes, seen = folder_sizes(base, depth)
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:SHOWN_MAX]
    show({"path": base, "folders": [{"path": name, "bytes": size} for name, size in largest], "truncated": seen >= ENTRIES_MAX})


def folder_sizes(base: str, depth: int) -> tuple[dict[str, int], int]:
    """Return bytes on disk per folder down to `depth`, everything below counted in; links are not followed, other filesystems left out."""
    device, seen = os.lstat(base).st_dev, 0
    sizes: dict[str, int] = {}
    for folder, folders, files in os.walk(base, followlinks=False):
        folders[:] = [name for name in folders if _device(os.path.join(folder, name)) == device]
        own = sum(_bytes(os.path.join(folder, name)) for name in files) + _bytes(folder)
        for counted in _counted_in(base, folder, depth):
            sizes[counted] = sizes.get(counted, 0) + own
        seen += len(files) + 1
        if seen >= ENTRIES_MAX:
            break
    return sizes, seen


def _counted_in(base: str, folder: str, depth: int) -> list[str]:
    parts = [] if folder == base else os.path.relpath(folder, base).split("/")
    return [os.path.join(base, *parts[:level]) for level in range(min(len(parts), depth) + 1)]


def _device(path: str) -> int:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return -1


def _bytes(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * _BLOCK_BYTES
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(run(usage))
