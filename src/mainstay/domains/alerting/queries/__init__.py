"""Reads of alerting."""

from mainstay.domains.alerting.queries.alerts import (
    AlertBrief,
    Why,
    active_alerts,
    alert,
    alert_brief,
    find_alert,
    fold_members,
    is_alert,
    is_well,
    open_alerts,
    summaries,
    why,
)
from mainstay.domains.alerting.queries.lists import ALERTS, CONDITION_TONES, PHASE_TONES, SEVERITY_TONES
from mainstay.domains.alerting.queries.pack import rules_of
from mainstay.domains.alerting.queries.views import device_views

__all__ = [
    "ALERTS",
    "CONDITION_TONES",
    "PHASE_TONES",
    "SEVERITY_TONES",
    "AlertBrief",
    "Why",
    "active_alerts",
    "alert",
    "alert_brief",
    "device_views",
    "find_alert",
    "fold_members",
    "is_alert",
    "is_well",
    "open_alerts",
    "rules_of",
    "summaries",
    "why",
]
