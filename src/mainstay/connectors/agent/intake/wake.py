"""Waking a poll that waits: one listener per process, one event per waiting device."""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

CHANNEL = "agent_wake"
_RETRY_S = 2.0
_POLL_S = 1.0

log = logging.getLogger(__name__)


class Wake:
    """Turns notifications of PostgreSQL into asyncio events."""

    def __init__(self, conninfo: Callable[[], str]) -> None:
        self._conninfo = conninfo
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Listen from now on; called within the event loop, once."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._listen, name="agent-wake", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    @contextmanager
    def event_of(self, device: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the device has something to fetch."""
        event = asyncio.Event()
        self._waiting[device].add(event)
        try:
            yield event
        finally:
            self._waiting[device].discard(event)
            if not self._waiting[device]:
                del self._waiting[device]

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._conninfo(), autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._everybody()  # whatever was announced while nobody listened
                    self._relay(connection)
            except psycopg.Error as error:
                log.warning("the wake-up line of agents is down, polls answer at their own pace: %s", error)
                self._stop.wait(_RETRY_S)

    def _relay(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        while not self._stop.is_set():
            for notice in connection.notifies(timeout=_POLL_S):
                self._call(self._wake, notice.payload)

    def _everybody(self) -> None:
        self._call(self._wake_all)

    def _wake(self, device: str) -> None:
        for event in self._waiting.get(device, ()):
            event.set()

    def _wake_all(self) -> None:
        for device in list(self._waiting):
            self._wake(device)

    def _call(self, function: Callable[..., None], *arguments: str) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)
