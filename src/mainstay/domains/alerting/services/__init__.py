"""Every write of alerting."""

from mainstay.domains.alerting.services.acknowledge import acknowledge_alert, acknowledge_alerts, snooze_alert, unsnooze_alert, wake_snoozed
from mainstay.domains.alerting.services.changes import note_unavailable
from mainstay.domains.alerting.services.evaluate import due_devices, evaluate_device, evaluate_view
from mainstay.domains.alerting.services.overrides import change_rule

__all__ = [
    "acknowledge_alert",
    "acknowledge_alerts",
    "change_rule",
    "due_devices",
    "evaluate_device",
    "evaluate_view",
    "note_unavailable",
    "snooze_alert",
    "unsnooze_alert",
    "wake_snoozed",
]
