"""The live stream: one listener per web process, any number of tabs.

Owns: the fan-out of change notices to streams, their rate, heartbeat and end. Does not own: notices (core.jobs.live), or what
a page shows (it asks again). Invariant: a stream hears of the tenants its person may read and of no other; it holds no
database connection; of many changes in a second a tab hears once, and always of the last one.
Source: experience page, section 5.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import psycopg

from mainstay.core.jobs import live as notices
from mainstay.kernel.json import JsonObject

TOPICS_MAX = 50
TOPIC_CHARS_MAX = 100
BEAT_S = 15.0
RIGHTS_CHECK_S = 2.5
RATE_S = 1.0
STREAM_MAX_S = 3600.0
STREAMS_MAX = 2_000
_RETRY_S = 2.0

touch = notices.changed
"""`touch(tenant, "device", device_id)` tells open pages, at commit, about a change that is no outbox event."""

_log = logging.getLogger("mainstay.live")


@dataclass(eq=False)
class Stream:
    """One tab: what it follows and what it has not been told yet."""

    tenants: frozenset[UUID]
    topics: frozenset[str]
    waiting: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """The streams of one event loop and the task that listens for them."""

    def __init__(self, listen: Callable[[], AsyncIterator[notices.Change]]) -> None:
        self._listen = listen
        self._by_topic: dict[str, set[Stream]] = defaultdict(set)
        self._streams = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return self._streams >= STREAMS_MAX

    def add(self, stream: Stream) -> None:
        for topic in stream.topics:
            self._by_topic[topic].add(stream)
        self._streams += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def remove(self, stream: Stream) -> None:
        for topic in stream.topics:
            self._by_topic[topic].discard(stream)
            if not self._by_topic[topic]:
                del self._by_topic[topic]
        self._streams -= 1
        if self._streams == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    def tell(self, change: notices.Change) -> None:
        """Hand a change to the tabs that follow its topic, or exactly its record, in a tenant they may read."""
        for topic in (change.topic, f"{change.topic}:{change.id}"):
            for stream in self._by_topic.get(topic, ()):
                if change.tenant in stream.tenants:
                    stream.waiting.add(topic)
                    stream.wake.set()

    async def _run(self) -> None:
        """Listen for as long as anybody does. After a lost connection everybody is told to look again: nothing is replayed."""
        while True:
            try:
                async for change in self._listen():
                    self.tell(change)
            except psycopg.Error as problem:
                _log.warning("the live listener lost its connection, trying again: %s", problem)
            await asyncio.sleep(_RETRY_S)
            self._tell_everybody()

    def _tell_everybody(self) -> None:
        for topic, streams in self._by_topic.items():
            for stream in streams:
                stream.waiting.add(topic)
                stream.wake.set()


_hubs: dict[int, Hub] = {}


def hub_of_this_loop(listen: Callable[[], AsyncIterator[notices.Change]]) -> Hub:
    """Return the hub of the running event loop; a web process has one."""
    return _hubs.setdefault(id(asyncio.get_running_loop()), Hub(listen))


def read_topics(text: str) -> frozenset[str]:
    """Return the topics of a request. Errors: ValueError for none, too many, or a malformed one."""
    topics = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not topics or len(topics) > TOPICS_MAX:
        raise ValueError(f"one to {TOPICS_MAX} topics are expected")
    if any(len(topic) > TOPIC_CHARS_MAX or not topic.replace(":", "").replace("-", "").replace("_", "").isalnum() for topic in topics):
        raise ValueError("a topic is a noun, or a noun and an id: incident, incident:<id>")
    return topics


async def messages(hub: Hub, stream: Stream, *, may_go_on: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """Yield the events of one tab until it leaves, its rights end, or its hour is over (it then comes back by itself)."""
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_MAX_S
    last_sent = last_looked = loop.time()
    hub.add(stream)
    try:
        yield event("beat", {})
        while loop.time() < until:
            with suppress(TimeoutError):
                await asyncio.wait_for(stream.wake.wait(), max(0.01, last_looked + RIGHTS_CHECK_S - loop.time()))
            if loop.time() - last_looked >= RIGHTS_CHECK_S:
                last_looked = loop.time()
                if not await may_go_on():
                    yield event("revoked", {})
                    return
            if stream.wake.is_set():
                yield _changed(stream)
                last_sent = loop.time()
                await asyncio.sleep(RATE_S)
            elif loop.time() - last_sent >= BEAT_S:
                yield event("beat", {})
                last_sent = loop.time()
        yield event("bye", {"retry_s": 1})
    finally:
        hub.remove(stream)


def _changed(stream: Stream) -> str:
    topics = sorted(stream.waiting)
    stream.waiting.clear()
    stream.wake.clear()
    return event("changed", {"topics": topics})


def event(name: str, data: JsonObject) -> str:
    """Spell one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
