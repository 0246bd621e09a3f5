"""Heal rules, what they decided, and the budgets they drew on."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class HealRule(TenantOwned):
    """Which runbook answers which kind of alert in a tenant, and how far it may go."""

    trigger = models.CharField(max_length=80)
    runbook = models.CharField(max_length=80)
    mode = models.CharField(max_length=10)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "trigger"], name="automation_heal_rule_trigger")]


class HealEvent(TenantOwned):
    """One consideration of one incident: acted or not, why, and how it ended. Never absent, never silent."""

    incident_id = models.UUIDField()
    alert_id = models.UUIDField(null=True)
    device_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=200, blank=True)
    runbook = models.CharField(max_length=80, blank=True)
    has_acted = models.BooleanField()
    reason = models.CharField(max_length=40)
    run = models.ForeignKey("automation.Run", null=True, on_delete=models.PROTECT, related_name="heal_events")
    outcome = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "-at", "id"], name="automation_heal_recent"),
            models.Index(fields=["tenant", "incident_id"], name="automation_heal_incident"),
        ]


class BudgetUse(TenantOwned):
    """One use of a budget: a device, an action, an instant."""

    device_id = models.UUIDField()
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    run = models.ForeignKey("automation.Run", on_delete=models.PROTECT, related_name="budget_uses")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "action"], name="automation_budget_use_once")]
        indexes = [models.Index(fields=["tenant", "device_id", "action", "at"], name="automation_budget_device")]
