"""What a tenant changed about a built-in rule, for all of its devices or for one."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned


class RuleOverride(TenantOwned):
    """Thresholds are per severity name, such as {"WARNING": {"fire": 15, "recover": 18}}; absent values stay built-in."""

    rule_id = models.CharField(max_length=60)
    device_id = models.UUIDField(null=True)
    is_enabled = models.BooleanField(default=True)
    levels = models.JSONField(default=dict)
    wait_s = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=300)
    by = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        db_table = "alerting_rule_override"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule_id", "device_id"], name="alerting_rule_override_once", nulls_distinct=False)
        ]
