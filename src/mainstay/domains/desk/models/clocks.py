"""Clocks as last evaluated, what they told people, and promises that were broken."""

from django.db import models
from django.db.models import Q

from mainstay.core.tenancy.models import TenantOwned
from mainstay.domains.desk.models.tickets import Ticket


class SlaClock(TenantOwned):
    """The cache of one clock. Unit of `consumed_us` and `paused_us`: microseconds of business time at `evaluated_at`."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="clocks")
    clock = models.CharField(max_length=16)
    cycle = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField()
    policy_version = models.ForeignKey("desk.SlaPolicyVersion", models.PROTECT, related_name="+")
    target_s = models.PositiveIntegerField(null=True)
    target_days = models.PositiveSmallIntegerField(null=True)
    start_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    superseded_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8)
    result = models.CharField(max_length=10)
    result_before = models.CharField(max_length=10, blank=True)
    flags = models.JSONField(default=list)
    consumed_us = models.BigIntegerField()
    paused_us = models.BigIntegerField()
    next_fire_at = models.DateTimeField(null=True)
    evaluated_at = models.DateTimeField()
    zone_data = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "ticket", "clock", "cycle", "epoch", "start_at"], name="desk_clock_once")]
        indexes = [
            models.Index(fields=["tenant", "next_fire_at"], name="desk_clock_next_fire", condition=Q(next_fire_at__isnull=False)),
        ]


class SlaNotice(TenantOwned):
    """A threshold that has passed. Only one whose `is_told` is set was announced; the others were caught up with."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="notices")
    clock = models.CharField(max_length=16)
    cycle = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField()
    threshold = models.CharField(max_length=30)
    passed_at = models.DateTimeField()
    fired_at = models.DateTimeField()
    is_told = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "ticket", "clock", "cycle", "epoch", "threshold"], name="desk_notice_once")
        ]


class Breach(TenantOwned):
    """A promise that was broken, for ever; it may be explained and excused, never removed."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="breaches")
    clock = models.CharField(max_length=16)
    cycle = models.PositiveIntegerField()
    due_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField()
    known_at = models.DateTimeField()
    is_on_change = models.BooleanField(default=False)
    cause_code = models.CharField(max_length=20, blank=True)
    owner = models.CharField(max_length=40, blank=True)
    evidence = models.TextField(blank=True)
    review = models.CharField(max_length=16, default="open")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "ticket", "clock", "cycle", "breached_at"], name="desk_breach_once")]
