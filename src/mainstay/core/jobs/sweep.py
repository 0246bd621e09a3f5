"""The net under the queue: what a lost job or a dead worker left lying is picked up again.

Owns: jobs of dead workers, events whose job is gone. Does not own: ordinary retries.
Invariant: picking up is harmless, because every task and every delivery bears being run twice.
"""

from datetime import timedelta

from django.db import connection

from mainstay.core import jobs
from mainstay.core.jobs import queries
from mainstay.core.jobs.outbox import deliver_event
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.clock import Clock

SWEEP_S = 15.0
LOST_AFTER = timedelta(seconds=60)
DEAD_AFTER_S = 15
PER_TENANT_MAX = 200

# procrastinate marks a job with its worker and forgets the worker when its heartbeat is old; a job left behind in
# "doing" goes back to the queue. The tries count on, so a job that kills its worker ends as failed.
_REQUEUE = """
UPDATE procrastinate_jobs SET status = (CASE WHEN attempts < %(tries)s THEN 'todo' ELSE 'failed' END)::procrastinate_job_status,
    attempts = attempts + 1, worker_id = NULL, scheduled_at = NULL
WHERE status = 'doing' AND (worker_id IS NULL
    OR worker_id IN (SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => %(dead)s)))
"""
TRIES_MAX = 20


def sweep(clock: Clock) -> None:
    """Requeue the jobs of dead workers, and defer again the delivery of events that have waited too long."""
    requeue_abandoned()
    for tenant in jobs.tenants():
        with tenant_transaction(tenant):
            for event in queries.undelivered_events(tenant, clock.now() - LOST_AFTER, limit=PER_TENANT_MAX):
                deliver_event.defer(tenant, event_id=event.id)


def requeue_abandoned() -> int:
    """Put jobs whose worker is gone back into the queue. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_REQUEUE, {"dead": DEAD_AFTER_S, "tries": TRIES_MAX})
        return int(cursor.rowcount)
