"""How much the engine does at once: one write, two reads, a bounded queue, then "later".

Two cores are shared with everything else on a small machine; more parallel queries would only take each other's memory.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mainstay.engines.clickhouse.errors import TOO_MANY_QUERIES, refusal

READS, WRITES, QUEUE = 2, 1, 64
_WAIT_S_MAX = 30.0


class Lanes:
    """The lanes of one engine."""

    def __init__(self, *, reads: int = READS, writes: int = WRITES, queue: int = QUEUE, wait_s_max: float = _WAIT_S_MAX) -> None:
        self._free = {True: threading.Semaphore(reads), False: threading.Semaphore(writes)}
        self._room = threading.Semaphore(queue)
        self._wait_s_max = wait_s_max

    @contextmanager
    def turn(self, *, reading: bool) -> Iterator[None]:
        """Wait for a free lane and hold it. Errors: code 202 (HTTP 503) when the queue is full or the wait too long."""
        if not self._room.acquire(blocking=False):
            raise refusal(TOO_MANY_QUERIES, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries: the queue is full, try again")
        try:
            free = self._free[reading].acquire(timeout=self._wait_s_max)
        finally:
            self._room.release()
        if not free:
            raise refusal(
                TOO_MANY_QUERIES, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries: no lane became free, try again"
            )
        try:
            yield
        finally:
            self._free[reading].release()
