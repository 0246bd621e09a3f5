"""One look of an audit collector: what it read and ran, so that each group can say on what it rests.

Owns: the limits of a look (20 s and 256 kB per tool), the hash of each raw answer, the redacted excerpt.
Does not own: what an answer means.
Invariant: an excerpt is redacted and short; a file with secrets is hashed whole but shows nothing of its content.
"""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass, field
from functools import cache

from mainstay_agent.facts.value import Fields, Reason, Value, with_unknown
from mainstay_agent.host.machine import Machine
from mainstay_agent.host.redaction import redact
from mainstay_agent.host.subprocesses import Output, ToolMissing

TOOL_TIMEOUT_S = 20
FIND_TIMEOUT_S = 60
ANSWER_BYTES_MAX = 256 * 1024
EXCERPT_MAX = 400
SOURCES_MAX = 24
_IDLE = ("nice", "-n", "19", "ionice", "-c", "3")


@dataclass(slots=True)
class Look:
    """Collects sources while it reads. Paths are relative to the machine's root, as everywhere in the collectors."""

    machine: Machine
    sources: list[Fields] = field(default_factory=list)
    unknown: dict[str, Reason] = field(default_factory=dict)

    def read(self, name: str, *, shown: bool = True) -> str | None:
        """Return a file's text, or None when it is absent or unreadable; `shown=False` keeps its content out of the excerpt."""
        try:
            content = self.machine.read(name, ANSWER_BYTES_MAX)
        except OSError:
            return None
        self.note(f"/{name}", content, content if shown else "")
        return content

    def run(self, *argv: str, timeout_s: float = TOOL_TIMEOUT_S, excerpt: str | None = None) -> Output:
        """Run a tool within the limits. Errors: ToolMissing, ToolTimedOut."""
        output = self.machine.run(*argv, timeout_s=timeout_s)
        text = output.stdout[:ANSWER_BYTES_MAX]
        self.note(" ".join(argv), text, text if excerpt is None else excerpt)
        return Output(output.code, text, output.stderr, output.truncated or len(output.stdout) > len(text))

    def run_idle(self, *argv: str, timeout_s: float = FIND_TIMEOUT_S) -> Output:
        """Run a long walk so that it only takes what nobody else wants of disk and processor."""
        try:
            output = self.machine.run(*_IDLE, *argv, timeout_s=timeout_s)
        except ToolMissing:
            output = self.machine.run(*argv, timeout_s=timeout_s)
        text = output.stdout[:ANSWER_BYTES_MAX]
        self.note(" ".join(argv), text, text)
        return Output(output.code, text, output.stderr, output.truncated or len(output.stdout) > len(text))

    def note(self, command: str, raw: str, excerpt: str) -> None:
        if len(self.sources) < SOURCES_MAX:
            data = raw.encode("utf-8", "surrogateescape")
            self.sources.append({"command": command[:300], "raw_sha256": hashlib.sha256(data).hexdigest(), "excerpt": shorten(excerpt)})

    def fields(self, **values: Value) -> Fields:
        """Return the group: its values, what is unknown in it, and its sources."""
        return with_unknown({**values, "sources": [*self.sources]}, self.unknown)


def shorten(text: str) -> str:
    """Return a redacted excerpt, cut at a line where possible. Rows that a tool ends with a zero byte become lines."""
    clean = redact(text[: EXCERPT_MAX * 4].replace("\0", "\n").encode("utf-8", "surrogateescape")).decode("utf-8", "replace").strip()
    return clean if len(clean) <= EXCERPT_MAX else clean[:EXCERPT_MAX].rsplit("\n", 1)[0]


def lines(text: str | None, comment: str = "#") -> list[str]:
    """Return the lines of a settings file without comments and blanks."""
    return [line for raw in (text or "").splitlines() if (line := raw.strip()) and not line.startswith(comment)]


def status(machine: Machine, name: str) -> os.stat_result | None:
    """Return what `lstat` says, or None when there is nothing or it may not be seen."""
    try:
        return os.lstat(machine.path(name))
    except OSError:
        return None


def mode_text(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"


@cache
def owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_writable_by_others(found: os.stat_result) -> bool:
    """Tell whether anybody but root may change it: another owner, a group other than root's that may write, or everybody."""
    if stat.S_ISLNK(found.st_mode):
        return found.st_uid != 0
    by_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid != 0
    return found.st_uid != 0 or by_group or bool(found.st_mode & stat.S_IWOTH)
