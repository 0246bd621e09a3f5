"""logs.tail: print the last lines of one log source of the policy: a file, or `journal:UNIT`."""

import os
import stat
import sys

from mainstay_agent.actions.program import ActionFailed, Request, run
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import ToolMissing, ToolTimedOut

LINES_MAX = 2000
TAIL_BYTES_MAX = 1024 * 1024


def tail(request: Request) -> None:
    source, lines = request.text("source"), min(request.whole("lines", 200), LINES_MAX)
    if source.startswith("journal:"):
        sys.stdout.write(_journal(source.removeprefix("journal:"), lines))
    else:
        sys.stdout.write(_file(source, lines))


def _journal(unit: str, lines: int) -> str:
    try:
        return Machine().run("journalctl", "--no-pager", "--output=short-iso", f"--lines={lines}", f"--unit={unit}").stdout
    except (ToolMissing, ToolTimedOut) as problem:
        raise ActionFailed(f"the journal cannot be read: {problem}") from problem


def _file(path: str, lines: int) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ActionFailed("a log source is an absolute path")
    # The last component must be a real file: a link could have been planted by whoever may write to the folder.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ActionFailed("a log source is a regular file")
        stream.seek(max(0, os.fstat(descriptor).st_size - TAIL_BYTES_MAX))
        text = stream.read(TAIL_BYTES_MAX).decode("utf-8", "replace")
    return "".join(text.splitlines(keepends=True)[-lines:])


if __name__ == "__main__":
    sys.exit(run(tail))
