"""Tables of jobs: events and their deliveries, schedules and their fires. The queue itself is procrastinate's.

Owns: columns, uniqueness, indexes. Invariant: one row per (event, consumer) and per (schedule, fire time).
"""

from uuid import UUID

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Event(TenantOwned):
    """Something that one domain has done and another may act on. Ids and small words only."""

    name = models.TextField()
    subject_id: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    payload = models.JSONField()
    at = models.DateTimeField()
    actor_ref = models.TextField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "jobs_event"
        indexes = [
            models.Index(fields=["tenant", "at"], name="jobs_event_order"),
            models.Index(fields=["tenant", "at"], condition=models.Q(delivered_at__isnull=True), name="jobs_event_undelivered"),
        ]


class Delivery(TenantOwned):
    """How far one consumer got with one event. `done` is written in the transaction of the consumer's own work."""

    class State(models.TextChoices):
        DONE = "done"
        RETRYING = "retrying"
        DEAD = "dead"

    event_id: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    consumer = models.TextField()
    state = models.TextField(choices=State.choices)
    attempts = models.IntegerField(default=0)
    code = models.TextField(default="", blank=True)
    reason = models.TextField(default="", blank=True)
    at = models.DateTimeField()
    next_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "jobs_delivery"
        constraints = [models.UniqueConstraint(fields=["tenant", "event_id", "consumer"], name="jobs_delivery_once")]
        indexes = [models.Index(fields=["tenant", "state", "at"], name="jobs_delivery_state")]


class Schedule(TenantOwned):
    """A task that starts by itself at local times of a zone."""

    name = models.TextField()
    task = models.TextField()
    arguments = models.JSONField(default=dict)
    rule = models.JSONField()
    zone = models.TextField()
    grace_s = models.IntegerField(null=True)
    is_enabled = models.BooleanField(default=True)
    next_fire = models.DateTimeField()

    class Meta:
        db_table = "jobs_schedule"
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="jobs_schedule_name")]
        indexes = [models.Index(fields=["tenant", "next_fire"], condition=models.Q(is_enabled=True), name="jobs_schedule_due")]


class ScheduleFire(TenantOwned):
    """One fire time of a schedule and what became of it."""

    class Outcome(models.TextChoices):
        STARTED = "started"
        SKIPPED_MISFIRE = "skipped_misfire"
        COALESCED = "coalesced"

    schedule_id: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    fire_at = models.DateTimeField()
    outcome = models.TextField(choices=Outcome.choices)
    at = models.DateTimeField()

    class Meta:
        db_table = "jobs_schedule_fire"
        constraints = [models.UniqueConstraint(fields=["tenant", "schedule_id", "fire_at"], name="jobs_schedule_fire_once")]
