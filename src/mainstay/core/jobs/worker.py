"""The worker process: jobs from the queue, and the loops that the wiring names, each in a thread of its own.

Owns: starting, the clean stop, the end of the process when a part of it crashes (the supervisor then starts a new one).
Does not own: what a loop or a task does. Invariant: jobs are deferred on Django's connection and fetched on another, so
that a task that defers work does it in its own transaction like everybody else.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeAlias

import procrastinate
from django.db import close_old_connections, connections
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import DjangoApp
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import Job

from mainstay.core.jobs import ledger_watch, rules
from mainstay.core.jobs.queue import TASKS, Task
from mainstay.core.jobs.sweep import DEAD_AFTER_S, SWEEP_S, sweep
from mainstay.kernel.clock import Clock, SystemClock
from mainstay.kernel.errors import Unavailable

logger = logging.getLogger(__name__)

Loop: TypeAlias = Callable[[threading.Event], None]

STOP_WITHIN_S = 10.0
FINISH_WITHIN_S = 8.0
_LOOK_S = 0.2
# A notice that arrives while the queue is being read is lost, and a retry has no notice at all: look again each second.
POLL_S = 1.0
HEARTBEAT_S = 5.0
CONNECTION_AGE_S = 300


def ticking(period_s: float, tick: Callable[[Clock], None], *, clock: Clock | None = None) -> Loop:
    """Return a loop that calls `tick` and then waits. What is merely unavailable is asked again at the next tick."""
    source = clock or SystemClock()

    def loop(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                tick(source)
            except Unavailable as error:
                if not error.retryable:
                    raise
                logger.warning("%s is put off: %s", getattr(tick, "__qualname__", tick), error.message)
            close_old_connections()
            stop.wait(period_s)

    return loop


def run(loops: Mapping[str, Loop], *, concurrency: int = 4) -> int:
    """Run the worker process until SIGTERM or SIGINT. Returns its exit code: 0 after a clean stop, 1 after a crash.

    Must be called in the main thread. What has not stopped after some seconds is named and left to the end of the process.
    """
    connections.settings["default"] |= {"CONN_MAX_AGE": CONNECTION_AGE_S, "CONN_HEALTH_CHECKS": True}
    parts = _Parts({**loops, "jobs": ticking(SWEEP_S, _look_after), "queue": working_off_queue(concurrency)})
    before = {number: signal.signal(number, lambda *_: parts.ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return parts.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _look_after(clock: Clock) -> None:
    sweep(clock)
    ledger_watch.look(clock)


class _Parts:
    """Threads that run until one of them crashes or the process is told to stop."""

    def __init__(self, loops: Mapping[str, Loop]) -> None:
        self.ended = threading.Event()
        self._stop = threading.Event()
        self._crashed: list[str] = []
        self._threads = [threading.Thread(target=self._body, args=[name, loop], name=name, daemon=True) for name, loop in loops.items()]

    def run(self) -> int:
        for thread in self._threads:
            thread.start()
        self.ended.wait()
        self._stop.set()
        until = time.monotonic() + STOP_WITHIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            logger.error("these parts of the worker did not stop in time: %s", ", ".join(late))
        return 1 if self._crashed or late else 0

    def _body(self, name: str, loop: Loop) -> None:
        try:
            loop(self._stop)
        except Exception:  # the boundary of a part: its end is the end of the process
            logger.exception("the loop %s has crashed", name)
        finally:
            connections.close_all()
            if not self._stop.is_set():
                self._crashed.append(name)
                self.ended.set()


def working_off_queue(concurrency: int) -> Loop:
    """Return the loop that fetches jobs and runs them, several at a time, in threads of their own."""

    def loop(stop: threading.Event) -> None:
        asyncio.run(_work_off_queue(stop, concurrency))

    return loop


async def _work_off_queue(stop: threading.Event, concurrency: int) -> None:
    app = worker_app(PsycopgConnector(kwargs=connector_params("default"), min_size=1, max_size=4), SystemClock())
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                name="worker",
                concurrency=concurrency,
                delete_jobs="successful",
                install_signal_handlers=False,
                fetch_job_polling_interval=POLL_S,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=float(DEAD_AFTER_S),
                shutdown_graceful_timeout=FINISH_WITHIN_S,
            )
        )
        while not stop.is_set() and not worker.done():
            await asyncio.wait([worker], timeout=_LOOK_S)
        # A cancelled worker takes no more jobs and lets the running ones finish.
        worker.cancel()
        await asyncio.wait([worker], timeout=STOP_WITHIN_S)
    if not stop.is_set():
        worker.result()


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
        declare = app.task(name=task.name, queue=task.queue, retry=RetryByRule(clock))
        declare(_performing(task, clock))
    return app


def _performing(task: Task, clock: Clock) -> Callable[..., None]:
    def perform(**arguments: str | int) -> None:
        task.perform(arguments, clock)

    return perform
