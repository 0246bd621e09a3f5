"""Working calendars, policies and what binds them to tickets."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Calendar(TenantOwned):
    """When somebody works, in one zone."""

    name = models.CharField(max_length=80)
    zone = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="desk_calendar_name_once")]

    def __str__(self) -> str:
        return self.name


class CalendarVersion(TenantOwned):
    """The hours from a date on: `data` has windows, holidays, yearly and special dates as `kernel.calendars` reads them."""

    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="versions")
    valid_from = models.DateField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "calendar", "valid_from"], name="desk_calendar_version_once", nulls_distinct=False)
        ]


class SlaPolicy(TenantOwned):
    """A named promise; what it says stands in its versions."""

    name = models.CharField(max_length=80)
    family = models.CharField(max_length=12, default="sla")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="desk_policy_name_once")]

    def __str__(self) -> str:
        return self.name


class SlaPolicyVersion(TenantOwned):
    """What a policy promised from an instant on. Running clocks keep the version that they began with."""

    policy = models.ForeignKey(SlaPolicy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "policy", "number"], name="desk_policy_version_once")]


class SlaTarget(TenantOwned):
    """One target: seconds or working days of one clock for one kind and priority."""

    policy_version = models.ForeignKey(SlaPolicyVersion, models.PROTECT, related_name="targets")
    kind = models.CharField(max_length=8)
    priority = models.PositiveSmallIntegerField()
    clock = models.CharField(max_length=16)
    target_s = models.PositiveIntegerField(null=True)
    target_days = models.PositiveSmallIntegerField(null=True)
    is_end_of_day = models.BooleanField(default=False)
    is_around_the_clock = models.BooleanField(default=False)
    pause_on = models.JSONField(default=list)
    thresholds = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "policy_version", "kind", "priority", "clock"], name="desk_target_once"),
            models.CheckConstraint(
                condition=models.Q(target_s__isnull=False) ^ models.Q(target_days__isnull=False), name="desk_target_one_measure"
            ),
        ]


class PolicyBinding(TenantOwned):
    """Which policy and calendar hold for tickets of a tenant. A lower level wins; 5 is the tenant's default."""

    level = models.PositiveSmallIntegerField(default=5)
    policy_version = models.ForeignKey(SlaPolicyVersion, models.PROTECT, related_name="bindings")
    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="bindings")
    external_reference = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
