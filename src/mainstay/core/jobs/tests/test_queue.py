"""Tasks: deferred with the change, run bound to their tenant, tried again by rule, never lost with their worker."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from procrastinate import PsycopgConnector
from procrastinate.contrib.django.utils import connector_params

from mainstay.core.jobs import queries, queue, worker
from mainstay.core.jobs.sweep import requeue_abandoned
from mainstay.core.jobs.tests.conftest import queued
from mainstay.core.tenancy.binding import bound_tenant, tenant_transaction
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock, FixedClock, SystemClock
from mainstay.kernel.errors import Invalid, Unavailable

RUN = UUID(int=5)
seen: list[tuple[str, UUID, UUID | None, bool]] = []
failures: list[Exception] = []


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    before = dict(queue.TASKS)
    seen.clear()
    failures.clear()
    yield
    queue.TASKS.clear()
    queue.TASKS.update(before)


def declare(*, transaction: bool = True) -> queue.Task:
    @queue.task("test.advance_run", queue="runs", transaction=transaction)
    def advance_run(*, actor: Actor, clock: Clock, run_id: UUID) -> None:
        seen.append((actor.ref, run_id, bound_tenant(), connection.in_atomic_block))
        if failures:
            raise failures.pop(0)

    return advance_run


def work_off() -> None:
    """Run a worker until the queue is empty."""
    asyncio.run(_work_off())


async def _work_off() -> None:
    app = worker.worker_app(PsycopgConnector(kwargs=connector_params("default"), min_size=1, max_size=2), SystemClock())
    async with app.open_async():
        await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful", listen_notify=False)


def defer(task: queue.Task, tenant: UUID) -> None:
    with tenant_transaction(tenant):
        task.defer(tenant, run_id=RUN)


def test_a_job_carries_the_tenant_and_ids(tenant: UUID) -> None:
    defer(declare(), tenant)

    [(name, arguments, status, _)] = queued()
    assert (name, json.loads(arguments), status) == ("test.advance_run", {"tenant": str(tenant), "run_id": str(RUN)}, "todo")


def test_a_rolled_back_change_leaves_no_job(tenant: UUID) -> None:
    task = declare()

    with tenant_transaction(tenant):
        task.defer(tenant, run_id=RUN)
        connection.set_rollback(True)

    assert queued() == []


def test_a_job_with_other_arguments_than_its_task_takes_is_refused(tenant: UUID) -> None:
    with pytest.raises(TypeError):
        declare().defer(tenant, run=RUN)

    assert queued() == []


def test_two_tasks_cannot_share_a_name() -> None:
    declare()

    with pytest.raises(ValueError, match="two tasks"):
        declare()


@pytest.mark.parametrize(("transaction", "bound"), [(True, True), (False, False)])
def test_the_worker_runs_a_job_as_the_system_in_its_tenant(tenant: UUID, transaction: bool, bound: bool) -> None:
    defer(declare(transaction=transaction), tenant)

    work_off()

    assert seen == [("s:worker", RUN, tenant if bound else None, bound)]
    assert queued() == []


def test_a_job_that_finds_something_down_is_put_off(tenant: UUID) -> None:
    failures.append(Unavailable("x.down"))
    defer(declare(), tenant)

    work_off()

    [(_, _, status, attempts)] = queued()
    assert (status, attempts, len(seen)) == ("todo", 1, 1)


def test_a_job_that_cannot_get_better_stays_visible_as_failed(tenant: UUID) -> None:
    failures.append(Invalid("x.bad"))
    defer(declare(), tenant)

    work_off()

    [(_, _, status, _)] = queued()
    health = queries.queue_health(SystemClock().now())
    assert (status, health.failed, health.waiting) == ("failed", 1, 0)


def test_a_task_that_defers_work_and_then_fails_has_deferred_nothing(tenant: UUID) -> None:
    following = declare()

    @queue.task("test.start_run")
    def start_run(*, actor: Actor, clock: Clock, run_id: UUID) -> None:
        following.defer(actor.tenant, run_id=run_id)
        raise Invalid("x.bad")

    defer(start_run, tenant)
    work_off()

    assert [name for name, *_ in queued()] == ["test.start_run"]


def test_the_job_of_a_worker_that_is_gone_returns_to_the_queue(tenant: UUID) -> None:
    defer(declare(), tenant)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '16 seconds') RETURNING id")
        [dead] = cursor.fetchone()
        cursor.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", [dead])
        assert queued()[0][2] == "doing"

    assert requeue_abandoned() == 1

    assert queued()[0][2:] == ("todo", 1)


def test_the_job_of_a_living_worker_stays_with_it(tenant: UUID) -> None:
    defer(declare(), tenant)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        cursor.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", cursor.fetchone())

    assert requeue_abandoned() == 0

    assert queued()[0][2] == "doing"


def test_the_age_of_the_oldest_unclaimed_job_counts_from_when_it_could_have_started(tenant: UUID) -> None:
    task, now = declare(), SystemClock().now()
    with tenant_transaction(tenant):
        task.defer(tenant, run_id=RUN, at=now - timedelta(seconds=90))
        task.defer(tenant, run_id=RUN, at=now + timedelta(hours=1))

    health = queries.queue_health(now)

    assert (health.waiting, health.failed, round(health.oldest_unclaimed_s)) == (2, 0, 90)


def test_the_worker_process_stops_cleanly_when_told_to(tenant: UUID) -> None:
    ended: list[str] = []

    def loop(stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        stop.wait(30)
        ended.append("loop")

    assert worker.run({"one": loop}) == 0
    assert ended == ["loop"]


def test_a_loop_that_crashes_ends_the_process(tenant: UUID) -> None:
    ended: list[str] = []

    def other(stop: threading.Event) -> None:
        stop.wait(30)
        ended.append("other")

    def crashing(stop: threading.Event) -> None:
        raise RuntimeError("a defect")

    assert worker.run({"other": other, "crashing": crashing}) == 1
    assert ended == ["other"]


def test_a_tick_survives_what_is_merely_unavailable_and_nothing_else(tenant: UUID) -> None:
    stop, outcomes = threading.Event(), [Unavailable("x.down"), None, RuntimeError("a defect")]

    def tick(clock: Clock) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    with pytest.raises(RuntimeError):
        worker.ticking(0, tick, clock=FixedClock())(stop)

    assert outcomes == []
