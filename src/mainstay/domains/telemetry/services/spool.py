"""The spool: append-only segments on disk, written in groups, synchronised before anybody is told "stored".

Owns: the record format, group commit, recovery after a crash, the limit. Does not own: what becomes of records (drain).
Invariant: a resolved future means that its records survive `kill -9` and a power cut.
Source: control page, section 3.1 rules 1, 2 and 14.
"""

import json
import os
import queue
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from time import monotonic
from uuid import uuid4

from mainstay.domains.telemetry.models.columns import Table
from mainstay.kernel.errors import Unavailable

HEADER = Struct("<IIHHQI")  # payload length, CRC-32, table, flags, batch id, rows
_TAIL = Struct("<HHQI")  # the part of the header under the checksum
SEGMENT_BYTES_MAX = 16 * 1024 * 1024
RECORD_BYTES_MAX = 64 * 1024 * 1024
GROUP_BYTES_MAX = 8 * 1024 * 1024
DEFAULT_BYTES_MAX = 2 * 1024**3
_QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Record:
    """Rows of one table, serialised."""

    table: Table
    rows: int
    payload: bytes


@dataclass(frozen=True, order=True)
class Position:
    """A place between two records."""

    segment: int
    offset: int


@dataclass(frozen=True)
class Stored:
    """A record as it was read back."""

    batch_id: int
    record: Record
    end: Position


@dataclass(frozen=True)
class Recovery:
    """What the start found: bytes cut from the tail (never acknowledged), segments set aside (damaged)."""

    cut_bytes: int
    quarantined: tuple[str, ...]


_Request = tuple[Sequence[Record], "Future[int]"]


class Spool:
    """One folder, one writer thread. `submit` may be called from any thread."""

    def __init__(self, folder: Path, *, bytes_max: int = DEFAULT_BYTES_MAX) -> None:
        self.folder = folder
        self.bytes_max = bytes_max
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._written = threading.Event()
        self._thread: threading.Thread | None = None
        self._open_segment(1, fresh=False)

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> Recovery:
        """Repair what a crash left, then take records."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = _identity(self.folder / "spool.id")
        recovery, last_batch = _recover(self.folder)
        numbers = segments(self.folder)
        self._next_batch = last_batch + 1
        self._bytes = sum(_path(self.folder, number).stat().st_size for number in numbers)
        self._open_segment((numbers[-1] if numbers else 0) + 1, fresh=True)
        self._thread = threading.Thread(target=self._write_loop, name=f"spool-{self.folder.name}", daemon=True)
        self._thread.start()
        return recovery

    def close(self) -> None:
        """Write what is waiting, then stop."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        os.close(self._file)

    # --- writing ---------------------------------------------------------------------------------------------------

    def submit(self, records: Sequence[Record]) -> "Future[int]":
        """Queue records as one unit. The future resolves to the last batch id once they are on disk.

        Errors (of the future): Unavailable("telemetry.spool_full" | "telemetry.spool_unwritable").
        """
        future: Future[int] = Future()
        if self._bytes >= self.bytes_max:
            future.set_exception(Unavailable("telemetry.spool_full", "The spool is full; nothing was taken, send it again later."))
        else:
            self._queue.put((records, future))
        return future

    @property
    def fill_pct(self) -> float:
        return 100 * self._bytes / self.bytes_max

    @property
    def durable(self) -> Position:
        """The end of what is on disk for good; readers stop here."""
        with self._lock:
            return Position(self._segment, self._offset)

    def wait_written(self, timeout_s: float) -> None:
        """Wait until something was written since the last call."""
        self._written.wait(timeout_s)
        self._written.clear()

    def forget_before(self, position: Position) -> None:
        """Delete the segments that lie wholly before a position: the engine has confirmed them."""
        for number in segments(self.folder):
            if number < min(position.segment, self._segment):
                path = _path(self.folder, number)
                size = path.stat().st_size
                path.unlink()
                with self._lock:
                    self._bytes -= size

    def _write_loop(self) -> None:
        while (first := self._queue.get()) is not None:
            group, ended = self._company(first)
            self._commit(group)
            if ended:
                return

    def _company(self, first: _Request) -> tuple[list[_Request], bool]:
        """Take what came while the last group was being synchronised: the window is the disk's own pace."""
        group, size = [first], _size(first)
        while size < GROUP_BYTES_MAX:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                return group, False
            if following is None:
                return group, True
            group.append(following)
            size += _size(following)
        return group, False

    def _commit(self, group: Sequence[_Request]) -> None:
        chunks: list[bytes] = []
        last_ids: list[int] = []
        for records, _ in group:
            for record in records:
                chunks += _framed(record, self._next_batch)
                self._next_batch += 1
            last_ids.append(self._next_batch - 1)
        try:
            size = _write_all(self._file, b"".join(chunks))
            os.fdatasync(self._file)
        except OSError as error:
            self._take_back(group, error)
            return
        with self._lock:
            self._offset += size
            self._bytes += size
        for (_, future), last in zip(group, last_ids, strict=True):
            future.set_result(last)
        self._written.set()
        if self._offset >= SEGMENT_BYTES_MAX:
            self._next_segment()

    def _take_back(self, group: Sequence[_Request], error: OSError) -> None:
        # A half-written group must not stay in front of the next one.
        os.ftruncate(self._file, self._offset)
        os.lseek(self._file, self._offset, os.SEEK_SET)
        for _, future in group:
            text = f"The spool cannot be written: {error.strerror}. Free some disk space; nothing was taken."
            future.set_exception(Unavailable("telemetry.spool_unwritable", text))

    def _next_segment(self) -> None:
        os.close(self._file)
        with self._lock:
            self._open_segment(self._segment + 1, fresh=True)

    def _open_segment(self, number: int, *, fresh: bool) -> None:
        self._segment, self._offset = number, 0
        if fresh:
            self._file = os.open(_path(self.folder, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            _sync_folder(self.folder)
            return
        self._file, self._bytes, self._next_batch, self.id = -1, 0, 1, ""

    # --- reading ---------------------------------------------------------------------------------------------------

    def read(self, start: Position, end: Position) -> Iterator[Stored]:
        """Yield the records between two positions."""
        for number in segments(self.folder):
            if start.segment <= number <= end.segment:
                offset = start.offset if number == start.segment else 0
                stop = end.offset if number == end.segment else None
                yield from _read_segment(self.folder, number, offset, stop)


def quarantine(folder: Path, stored: Stored, spool_id: str, reason: str) -> None:
    """Keep a record that the engine refuses beside the spool: as a segment of its own, with the reason in a file beside it.

    Repeating it changes nothing. Errors: OSError, and then nothing was kept.
    """
    target = folder / _QUARANTINE
    target.mkdir(exist_ok=True, mode=0o700)
    name = f"{spool_id[:8]}-{stored.batch_id:012d}-{stored.record.table:d}"
    about = {"table": stored.record.table.name.lower(), "rows": stored.record.rows, "batch": stored.batch_id, "reason": reason}
    _write_whole(target / f"{name}.json", json.dumps(about).encode())
    _write_whole(target / f"{name}.seg", b"".join(_framed(stored.record, stored.batch_id)))
    _sync_folder(target)


def quarantined(folder: Path) -> int:
    """Return how many files lie in quarantine: refused records and damaged segments. They count until somebody moves them."""
    return sum(1 for path in (folder / _QUARANTINE).glob("*.seg*"))


def segments(folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, oldest first."""
    return sorted(int(path.stem) for path in folder.glob("*.seg"))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:012d}.seg"


def _size(request: _Request) -> int:
    return sum(HEADER.size + len(record.payload) for record in request[0])


def _framed(record: Record, batch_id: int) -> tuple[bytes, bytes]:
    tail = _TAIL.pack(record.table, 0, batch_id, record.rows)
    crc = zlib.crc32(record.payload, zlib.crc32(tail))
    return HEADER.pack(len(record.payload), crc, record.table, 0, batch_id, record.rows), record.payload


def _write_all(file: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    return len(data)


def _write_whole(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read_segment(folder: Path, number: int, offset: int, stop: int | None) -> Iterator[Stored]:
    with _path(folder, number).open("rb") as file:
        file.seek(offset)
        while stop is None or offset < stop:
            head = file.read(HEADER.size)
            if len(head) < HEADER.size:
                return
            length, crc, table, flags, batch_id, rows = HEADER.unpack(head)
            payload = file.read(length) if length <= RECORD_BYTES_MAX else b""
            if len(payload) != length or crc != zlib.crc32(payload, zlib.crc32(_TAIL.pack(table, flags, batch_id, rows))):
                return
            offset += HEADER.size + length
            yield Stored(batch_id, Record(Table(table), rows, payload), Position(number, offset))


def _recover(folder: Path) -> tuple[Recovery, int]:
    numbers, last_batch, cut, set_aside = segments(folder), 0, 0, []
    for number in numbers:
        good_end = 0
        for stored in _read_segment(folder, number, 0, None):
            last_batch, good_end = max(last_batch, stored.batch_id), stored.end.offset
        path = _path(folder, number)
        surplus = path.stat().st_size - good_end
        if surplus and number != numbers[-1]:
            set_aside.append(_set_aside(path))
        if surplus:
            cut += surplus
            os.truncate(path, good_end)
    return Recovery(cut, tuple(set_aside)), last_batch


def _set_aside(path: Path) -> str:
    """Keep a damaged segment as it is, for people; its good beginning stays in the spool."""
    target = path.parent / _QUARANTINE / f"{path.name}.{int(monotonic() * 1000)}"
    target.parent.mkdir(exist_ok=True, mode=0o700)
    shutil.copy2(path, target)
    return target.name


def _identity(path: Path) -> str:
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.write_text(uuid4().hex)
        fresh.replace(path)
    return path.read_text().strip()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
