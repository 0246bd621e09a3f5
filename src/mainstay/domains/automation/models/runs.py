"""Runs, steps and the signals they wait for."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class Run(TenantOwned):
    """One doing of a definition. `fence` rises with each claim; a worker whose fence is older writes nothing."""

    definition = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    input = models.JSONField()
    state = models.CharField(max_length=20)
    reason = models.CharField(max_length=60, blank=True)
    fence = models.BigIntegerField(default=0)
    lease_owner = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    wake_at = models.DateTimeField(null=True)
    is_cancel_asked = models.BooleanField(default=False)
    device_id = models.UUIDField(null=True)
    incident_id = models.UUIDField(null=True)
    alert_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=200, blank=True)
    idem_key = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "idem_key"], name="automation_run_idem")]
        indexes = [
            models.Index(fields=["tenant", "-started_at", "id"], name="automation_run_recent"),
            models.Index(fields=["tenant", "state", "wake_at"], name="automation_run_due"),
            models.Index(fields=["tenant", "device_id", "definition", "started_at"], name="automation_run_device"),
        ]


class Step(TenantOwned):
    """One part of a run, with what went in and what came out."""

    run = models.ForeignKey("automation.Run", on_delete=models.PROTECT, related_name="steps")
    path = models.CharField(max_length=80)
    effect_class = models.CharField(max_length=20)
    state = models.CharField(max_length=20)
    reason = models.CharField(max_length=80, blank=True)
    input = models.JSONField(default=dict)
    output = models.JSONField(default=dict)
    fence = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "path"], name="automation_step_path")]


class Signal(TenantOwned):
    """Something a run waits for, stored before the run looks: a result, an observation, a person's word."""

    run = models.ForeignKey("automation.Run", on_delete=models.PROTECT, related_name="signals")
    name = models.CharField(max_length=120)
    idem_key = models.CharField(max_length=200)
    body = models.JSONField(default=dict)
    at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "idem_key"], name="automation_signal_idem")]
