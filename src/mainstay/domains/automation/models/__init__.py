"""The tables of automation. Every row is a tenant's, but for the public halves of the server's own keys."""

from mainstay.domains.automation.models.commands import Command, CommandResult, DeviceTrust
from mainstay.domains.automation.models.healing import BudgetUse, HealEvent, HealRule
from mainstay.domains.automation.models.runs import Run, Signal, Step
from mainstay.domains.automation.models.trust import SignerKey, TrustDocument, TrustOrder

__all__ = [
    "BudgetUse",
    "Command",
    "CommandResult",
    "DeviceTrust",
    "HealEvent",
    "HealRule",
    "Run",
    "Signal",
    "SignerKey",
    "Step",
    "TrustDocument",
    "TrustOrder",
]
