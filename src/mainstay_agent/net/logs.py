"""Log lines of the machine: the journal where there is one, else the usual files.

Owns: where lines come from, reading on from where we were, how many are taken.
Does not own: keeping and sending them (`net.spool`).
Invariant: at most so many lines a minute are taken; those left out are counted, never silently lost.
"""

import json
import os
import re
import subprocess
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mainstay_agent.host.machine import Machine
from mainstay_agent.host.subprocesses import PATH

FILES = (
    "var/log/syslog",
    "var/log/messages",
    "var/log/auth.log",
    "var/log/secure",
    "var/log/kern.log",
    "var/log/dpkg.log",
    "var/log/apt/history.log",
    "var/log/cron.log",
    "var/log/mail.log",
    "var/log/daemon.log",
)
LINES_PER_LOOK_MAX = 400
LINES_PER_MINUTE_MAX = 1200
LINE_CHARACTERS_MAX = 4096
READ_BYTES_MAX = 512 * 1024
_SYSLOG = re.compile(
    r"^(?P<time>\w{3} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<host>\S+) (?P<app>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: (?P<body>.*)$"
)
_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_WORDS = re.compile(r"(?i)\b(panic|fatal|critical|error|fail(?:ed|ure)?|denied|warn(?:ing)?)\b")

Line = dict[str, object]


class LogSource(Protocol):
    def take(self) -> tuple[list[Line], int]:
        """Return new lines, and how many were left out."""


@dataclass(slots=True)
class Files:
    """Follows text logs by offset and inode; the past before the first look is not ours to send."""

    machine: Machine
    _offsets: dict[str, tuple[int, int]] = field(default_factory=dict)
    _is_first: bool = True

    def take(self) -> tuple[list[Line], int]:
        lines: list[Line] = []
        dropped = 0
        for name in FILES:
            for text in self._new_text(name).splitlines():
                if len(lines) < LINES_PER_LOOK_MAX:
                    lines.append(parse_syslog(text, f"/{name}", self.machine.clock.wall_ms()))
                else:
                    dropped += 1
        self._is_first = False
        return lines, dropped

    def _new_text(self, name: str) -> str:
        path = self.machine.path(name)
        try:
            status = path.stat()
        except OSError:
            return ""
        inode, offset = self._offsets.get(name, (status.st_ino, status.st_size if self._is_first else 0))
        if inode != status.st_ino or status.st_size < offset:
            offset = 0  # rotated or truncated
        if status.st_size == offset:
            self._offsets[name] = (status.st_ino, offset)
            return ""
        return self._read_on(name, path, status.st_ino, offset)

    def _read_on(self, name: str, path: Path, inode: int, offset: int) -> str:
        try:
            with open(path, "rb") as stream:
                stream.seek(offset)
                data = stream.read(READ_BYTES_MAX)
        except OSError:
            return ""
        # A line without its end is still being written: it is read again with the next look.
        whole = data[: data.rfind(b"\n") + 1] or (data if len(data) == READ_BYTES_MAX else b"")
        self._offsets[name] = (inode, offset + len(whole))
        return whole.decode("utf-8", "replace")


@dataclass(slots=True)
class Journal:
    """Follows `journalctl -f` on a thread of its own, with a bounded queue between."""

    machine: Machine
    _queue: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES_PER_LOOK_MAX))
    _dropped: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def take(self) -> tuple[list[Line], int]:
        if self._process is None or self._process.poll() is not None:
            self._start()
        lines = [self._queue.popleft() for _ in range(len(self._queue))]
        dropped, self._dropped = self._dropped, 0
        return lines, dropped

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        argv = ["journalctl", "--output=json", "--follow", "--lines=0", "--no-pager"]
        environment = {"LC_ALL": "C", "PATH": PATH}
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/"
        )
        threading.Thread(target=self._read, args=(self._process,), name="journal", daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            parsed = parse_journal(line)
            if parsed is None:
                continue
            self._dropped += len(self._queue) == self._queue.maxlen
            self._queue.append(parsed)


class RateCap:
    """At most so many lines a minute."""

    def __init__(self, per_minute: int = LINES_PER_MINUTE_MAX) -> None:
        self._per_minute = per_minute
        self._minute = -1
        self._taken = 0

    def admit(self, lines: list[Line], boot_ms: int) -> tuple[list[Line], int]:
        """Return the lines that fit into this minute, and how many did not."""
        if boot_ms // 60_000 != self._minute:
            self._minute, self._taken = boot_ms // 60_000, 0
        room = max(0, self._per_minute - self._taken)
        self._taken += min(room, len(lines))
        return lines[:room], max(0, len(lines) - room)


def source_for(machine: Machine) -> LogSource:
    """Return the journal where it is kept and systemd runs, else the files."""
    has_journal = machine.path("run/systemd/system").is_dir() and os.access(machine.path("usr/bin/journalctl"), os.X_OK)
    return Journal(machine) if has_journal else Files(machine)


def parse_journal(line: bytes) -> Line | None:
    """Read one line of `journalctl -o json`. Source: systemd.journal-fields(7)."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    body = entry.get("MESSAGE")
    if isinstance(body, list):  # a message that is not UTF-8 comes as a list of bytes
        body = bytes(body).decode("utf-8", "replace")
    if not isinstance(body, str):
        return None
    priority, stamp, pid = entry.get("PRIORITY", "6"), entry.get("__REALTIME_TIMESTAMP", "0"), entry.get("_PID", "")
    return {
        "ts": int(stamp) * 1000,
        "origin": "journal",
        "severity": _SEVERITIES[int(priority)] if priority in "01234567" and len(priority) == 1 else "info",
        "app": str(entry.get("SYSLOG_IDENTIFIER") or entry.get("_SYSTEMD_UNIT") or "")[:100],
        "pid": int(pid) if pid.isdigit() else None,
        "body": body[:LINE_CHARACTERS_MAX],
    }


def parse_syslog(text: str, origin: str, now_ms: int) -> Line:
    """Read one line of a text log; what does not look like syslog is kept whole, with the time at which it was read."""
    match = _SYSLOG.match(text)
    body = match["body"] if match else text
    return {
        "ts": (_time_ms(match["time"], now_ms) if match else now_ms) * 1_000_000,
        "origin": origin,
        "severity": _severity(body),
        "app": match["app"][:100] if match else origin.rsplit("/", 1)[-1],
        "pid": int(match["pid"]) if match and match["pid"] else None,
        "body": body[:LINE_CHARACTERS_MAX],
    }


def _time_ms(text: str, now_ms: int) -> int:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    try:
        if text[0].isdigit():
            return int(datetime.fromisoformat(text).timestamp() * 1000)
        # Traditional time stamps carry no year and the machine's own zone.
        stamp = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S").astimezone()
    except ValueError:
        return now_ms
    stamp_ms = int(stamp.timestamp() * 1000)
    return stamp_ms if stamp_ms <= now_ms + 86_400_000 else now_ms


def _severity(body: str) -> str:
    match = _WORDS.search(body)
    if match is None:
        return "info"
    word = match.group(1).lower()
    return "crit" if word in ("panic", "fatal", "critical") else "warning" if word.startswith("warn") else "err"
