"""The state of each watched unit, as its device last reported it."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class UnitState(TenantOwned):
    """`since` is when the unit entered the state, `seen` when the device last looked (both by the device's clock)."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"

    device = models.ForeignKey("estate.Device", models.PROTECT, related_name="units")
    unit = models.CharField(max_length=200)
    manager = models.CharField(max_length=12)
    state = models.CharField(max_length=8, choices=State.choices)
    since = models.DateTimeField()
    seen = models.DateTimeField()
    received_at = models.DateTimeField()
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "estate_unit_state"
        constraints = [models.UniqueConstraint(fields=["tenant", "device", "unit"], name="estate_unit_state_once")]
