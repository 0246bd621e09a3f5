"""Tables of alerting."""

from mainstay.domains.alerting.models.alerts import Ack, Alert, FlapState, Fold, Snooze, Transition
from mainstay.domains.alerting.models.overrides import RuleOverride

__all__ = ["Ack", "Alert", "FlapState", "Fold", "RuleOverride", "Snooze", "Transition"]
