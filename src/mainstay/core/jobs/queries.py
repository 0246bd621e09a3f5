"""Reading the state of background work: what waits, what was given up.

Owns: figures of the queue, dead letters. Does not own: pages and lists of them.
Invariant: the queue's figures are of the whole installation; everything else is of one tenant.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from mainstay.core.jobs.models import Delivery, Event, Schedule, ScheduleFire


@dataclass(frozen=True)
class QueueHealth:
    """How the queue is doing. `oldest_unclaimed_s` is 0 when nothing that is due waits."""

    waiting: int
    running: int
    failed: int
    oldest_unclaimed_s: float
    workers: int


_HEALTH = """
SELECT count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing'), count(*) FILTER (WHERE status = 'failed'),
    coalesce(extract(epoch FROM %(now)s - min(due.at) FILTER (WHERE status = 'todo' AND due.at <= %(now)s)), 0),
    (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > %(now)s - interval '1 minute')
FROM procrastinate_jobs job
CROSS JOIN LATERAL (
    SELECT coalesce(job.scheduled_at, (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id)) AS at
) due
"""


def queue_health(now: datetime) -> QueueHealth:
    """Return the figures of the queue. A job counts as unclaimed from the moment at which it could have started."""
    with connection.cursor() as cursor:
        cursor.execute(_HEALTH, {"now": now})
        waiting, running, failed, oldest, workers = cursor.fetchone()
    return QueueHealth(waiting, running, failed, float(oldest), workers)


def dead_letters(tenant: UUID) -> "QuerySet[Delivery]":
    """Return the deliveries that were given up, newest first; `code` and `reason` say why."""
    return Delivery.objects.filter(tenant=tenant, state=Delivery.State.DEAD).order_by("-at")


def undelivered_events(tenant: UUID, before: datetime, *, limit: int) -> "QuerySet[Event]":
    """Return events written before an instant that some consumer has not finished with, oldest first."""
    return Event.objects.filter(tenant=tenant, delivered_at__isnull=True, at__lt=before).order_by("at")[:limit]


def schedules(tenant: UUID) -> "QuerySet[Schedule]":
    return Schedule.objects.filter(tenant=tenant).order_by("name")


def fires(tenant: UUID, schedule_id: UUID) -> "QuerySet[ScheduleFire]":
    """Return the fires of a schedule, newest first."""
    return ScheduleFire.objects.filter(tenant=tenant, schedule_id=schedule_id).order_by("-fire_at")
