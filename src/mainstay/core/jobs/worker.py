"""The worker process: jobs from the queue, and the loops that the wiring names, each in a thread of its own.

Owns: starting, the clean stop, the end of the process when a part of it crashes (the supervisor then starts a new one).
Does not own: what a loop or a task does. Invariant: jobs are deferred on Django's connection and fetched on another, so
that a task that defers work does it in its own transaction like everybody else.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeAlias

import procrastinate
from django.db import close_old_connections, connections
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import DjangoApp
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import Job

from mainstay.core.jobs import rules
from mainstay.core.jobs.queue import TASKS, Task
from mainstay.core.jobs.sweep import DEAD_AFTER_S, SWEEP_S, sweep
from mainstay.kernel.clock import Clock, SystemClock
from mainstay.kernel.errors import Unavailable

logger = logging.getLogger(__name__)

Loop: TypeAlias = Callable[[threading.Event], None]

STOP_WITHIN_S = 10.0
# A notice that arrives while the queue is being read is lost, and a retry has no notice at all: look again each second.
POLL_S = 1.0
HEARTBEAT_S = 5.0
CONNECTION_AGE_S = 300


def ticking(period_s: float, tick: Callable[[Clock], None], *, clock: Clock | None = None) -> Loop:
    """Return a loop that calls `tick` and then waits. What is merely unavailable is asked again at the next tick."""
    time = clock or SystemClock()

    def loop(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                tick(time)
            except Unavailable as error:
                if not error.retryable:
                    raise
                logger.warning("%s is put off: %s", getattr(tick, "__qualname__", tick), error.message)
            close_old_connections()
            stop.wait(period_s)

    return loop


def run(loops: Mapping[str, Loop], *, concurrency: int = 4) -> int:
    """Run the worker process until SIGTERM or SIGINT. Returns its exit code: 0 after a clean stop, 1 after a crash."""
    connections.settings["default"] |= {"CONN_MAX_AGE": CONNECTION_AGE_S, "CONN_HEALTH_CHECKS": True}
    return asyncio.run(_Process({**loops, "jobs": ticking(SWEEP_S, sweep)}, concurrency).run())


class _Process:
    """Threads beside one asyncio loop, and the first reason to end."""

    def __init__(self, loops: Mapping[str, Loop], concurrency: int) -> None:
        self._loops = loops
        self._concurrency = concurrency
        self._stop = threading.Event()
        self._ended = asyncio.Event()
        self._crashed: list[str] = []

    async def run(self) -> int:
        events = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            events.add_signal_handler(number, self._ended.set)
        threads = [self._thread(name, loop, events) for name, loop in self._loops.items()]
        queue = asyncio.create_task(self._work_off_queue())
        for thread in threads:
            thread.start()
        await self._ended.wait()
        await self._wind_up(queue, threads)
        return 1 if self._crashed else 0

    def _thread(self, name: str, loop: Loop, events: asyncio.AbstractEventLoop) -> threading.Thread:
        def body() -> None:
            try:
                loop(self._stop)
            except Exception:  # the boundary of a loop: its end is the end of the process
                logger.exception("the loop %s has crashed", name)
            finally:
                connections.close_all()
                if not self._stop.is_set():
                    self._crashed.append(name)
                    events.call_soon_threadsafe(self._ended.set)

        return threading.Thread(target=body, name=name, daemon=True)

    async def _work_off_queue(self) -> None:
        app = worker_app(PsycopgConnector(kwargs=connector_params("default"), min_size=1, max_size=4), SystemClock())
        try:
            async with app.open_async():
                await app.run_worker_async(
                    name="worker",
                    concurrency=self._concurrency,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    fetch_job_polling_interval=POLL_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=float(DEAD_AFTER_S),
                    shutdown_graceful_timeout=STOP_WITHIN_S,
                )
        except Exception:  # the boundary of the queue: its end is the end of the process
            logger.exception("the queue has crashed")
        finally:
            if not self._stop.is_set():
                self._crashed.append("queue")
                self._ended.set()

    async def _wind_up(self, queue: "asyncio.Task[None]", threads: list[threading.Thread]) -> None:
        self._stop.set()
        queue.cancel()
        await asyncio.wait([queue], timeout=STOP_WITHIN_S)
        for thread in threads:
            await asyncio.to_thread(thread.join, STOP_WITHIN_S)


class RetryByRule(procrastinate.BaseRetryStrategy):
    """Our rule of trying again, as procrastinate asks for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        if not isinstance(exception, Exception):
            return None
        verdict = rules.after_failure(exception, job.attempts + 1)
        if verdict.fields is None:
            return None
        return procrastinate.RetryDecision(retry_at=self._clock.now() + timedelta(seconds=verdict.fields.seconds))


def worker_app(connector: procrastinate.BaseConnector, clock: Clock) -> procrastinate.App:
    """Return the app that fetches jobs, with every declared task in it. It is apart from the app that defers."""
    app: procrastinate.App = DjangoApp(connector=connector)
    for task in TASKS.values():
        app.task(_performing(task, clock), name=task.name, queue=task.queue, retry=RetryByRule(clock))
    return app


def _performing(task: Task, clock: Clock) -> Callable[..., None]:
    def perform(**arguments: str | int) -> None:
        task.perform(arguments, clock)

    return perform
