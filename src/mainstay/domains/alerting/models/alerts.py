"""Alerts (episodes), their transitions, the folds that join them, and who has seen them."""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned
from mainstay.domains.alerting.rules.words import Phase
from mainstay.kernel.severity import Condition, Severity

SEVERITIES = [(int(one), one.name.capitalize()) for one in Severity]
PHASES = [(str(one), one.name.capitalize()) for one in Phase]
CONDITIONS = [(str(one), str(one)) for one in Condition]
OPEN = (Phase.PENDING, Phase.FIRING, Phase.RECOVERING)
ACTIVE = (Phase.FIRING, Phase.RECOVERING)


class Fold(TenantOwned):
    """Alerts with one cause: one line in the list, one incident, one acknowledgement."""

    key = models.CharField(max_length=300)
    device_id = models.UUIDField()
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    title = models.CharField(max_length=300)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], condition=models.Q(closed_at=None), name="alerting_fold_one_open")]


class Alert(TenantOwned):
    """One episode: from the first bad evaluation of a fingerprint to its recovery."""

    rule_id = models.CharField(max_length=60)
    device_id = models.UUIDField()
    subject = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=32)
    fold = models.ForeignKey("alerting.Fold", models.PROTECT, null=True, related_name="alerts")
    phase = models.CharField(max_length=10, choices=PHASES)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    condition = models.CharField(max_length=12, choices=CONDITIONS)
    reason = models.CharField(max_length=30)
    summary = models.CharField(max_length=500)
    next_action = models.CharField(max_length=300)
    value = models.FloatField(null=True)
    evidence = models.JSONField(default=dict)
    is_flapping = models.BooleanField(default=False)
    was_reopened = models.BooleanField(default=False)
    suppressed_by = models.UUIDField(null=True)
    bad_since = models.DateTimeField()
    good_since = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=40, blank=True)
    snoozed_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "fingerprint"], condition=models.Q(phase__in=[str(one) for one in OPEN]), name="alerting_alert_one_open"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "phase", "device_id"], name="alerting_alert_open"),
            models.Index(fields=["tenant", "fingerprint", "-bad_since"], name="alerting_alert_finger"),
            models.Index(fields=["tenant", "-fired_at", "id"], name="alerting_alert_fired"),
        ]

    def __str__(self) -> str:
        return self.summary


class Transition(TenantOwned):
    """One change of an alert, with its typed reason and what was known at that moment."""

    alert = models.ForeignKey("alerting.Alert", models.PROTECT, related_name="transitions")
    from_phase = models.CharField(max_length=10, blank=True)
    to_phase = models.CharField(max_length=10)
    reason = models.CharField(max_length=30)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    condition = models.CharField(max_length=12)
    is_told = models.BooleanField()
    held_back = models.CharField(max_length=30, blank=True)
    evidence = models.JSONField(default=dict)
    actor = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "alert", "at", "id"], name="alerting_transition_at")]


class Ack(TenantOwned):
    """Somebody has taken a fold; it lasts until recovery, or until something worse than what was seen."""

    fold = models.ForeignKey("alerting.Fold", models.PROTECT, related_name="acks")
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    is_sticky = models.BooleanField(default=False)
    by = models.CharField(max_length=40)
    note = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "fold"], condition=models.Q(ended_at=None), name="alerting_ack_one_live")]


class Snooze(TenantOwned):
    """Somebody wants to hear of an alert later; a reason is required."""

    alert = models.ForeignKey("alerting.Alert", models.PROTECT, related_name="snoozes")
    until_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    by = models.CharField(max_length=40)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class FlapState(TenantOwned):
    """The recent hard results of a fingerprint, over episodes."""

    fingerprint = models.CharField(max_length=32)
    results = models.JSONField(default=list)
    taken_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)
    is_flapping = models.BooleanField(default=False)

    class Meta:
        db_table = "alerting_flap_state"
        constraints = [models.UniqueConstraint(fields=["tenant", "fingerprint"], name="alerting_flap_state_once")]
