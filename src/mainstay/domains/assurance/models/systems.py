"""What people say: systems without an agent, what a device is for, and what an hour costs."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned
from mainstay.domains.assurance.models.words import DATA_CLASSES, EXPOSURES


class AuditedSystem(TenantOwned):
    """A system without an agent. `cells` maps a column of the integration matrix to a state, `tools` a function to names."""

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=60, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    data_class = models.CharField(max_length=12, choices=DATA_CLASSES, default="other")
    exposure = models.CharField(max_length=8, choices=EXPOSURES, default="internal")
    tier = models.PositiveSmallIntegerField(null=True)
    tools = models.JSONField(default=dict)
    cells = models.JSONField(default=dict)
    yearly_cost_minor = models.BigIntegerField(null=True)
    said_at = models.DateTimeField()
    said_by = models.CharField(max_length=40)

    class Meta:
        db_table = "assurance_system"
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="assurance_system_once")]

    def __str__(self) -> str:
        return self.name


class SystemAnswer(TenantOwned):
    """What somebody said of a device; an empty field was not said."""

    device_id = models.UUIDField()
    owner = models.CharField(max_length=120, blank=True)
    data_class = models.CharField(max_length=12, choices=DATA_CLASSES, blank=True)
    exposure = models.CharField(max_length=8, choices=EXPOSURES, blank=True)
    tier = models.PositiveSmallIntegerField(null=True)
    role = models.CharField(max_length=12, blank=True)
    declared = models.JSONField(default=dict)
    said_at = models.DateTimeField()
    said_by = models.CharField(max_length=40)

    class Meta:
        db_table = "assurance_answer"
        constraints = [models.UniqueConstraint(fields=["tenant", "device_id"], name="assurance_answer_once")]


class Economics(TenantOwned):
    """What an hour of work and an hour of downtime cost, in minor units, and the dates that law or contract set."""

    currency = models.CharField(max_length=3)
    rate_per_hour_minor = models.BigIntegerField(null=True)
    downtime_per_hour_minor = models.BigIntegerField(null=True)
    licences = models.JSONField(default=dict)
    deadlines = models.JSONField(default=dict)
    said_at = models.DateTimeField()
    said_by = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="assurance_economics_once")]
