"""The runbooks that ship: definitions as code, and which alert each of them answers.

Owns: the list. Invariant: a definition without a verify step cannot exist here, because a repair that nobody checked is not a repair.
"""

from dataclasses import dataclass

from mainstay.domains.automation.rules.runs import Definition, EffectClass, StepKind, StepSpec

RESTART_SERVICE = Definition(
    name="restart_service",
    version=1,
    deadline_s=300,
    steps=(
        StepSpec("restart", StepKind.COMMAND, EffectClass.IDEMPOTENT, 60, {"action": "service.restart@1", "params": ("unit",)}),
        StepSpec("settle", StepKind.WAIT, EffectClass.PURE, 2),
        StepSpec("verify", StepKind.VERIFY, EffectClass.PURE, 30),
        # Independent of the signal: the service manager (or the policy's own status command) is asked by the
        # device's root half, after the signal has been well for long enough.
        StepSpec("probe", StepKind.COMMAND, EffectClass.PURE, 30, {"action": "service.status@1", "params": ("unit",), "expect": "running"}),
    ),
)

DEFINITIONS: dict[tuple[str, int], Definition] = {(one.name, one.version): one for one in (RESTART_SERVICE,)}


@dataclass(frozen=True)
class Runbook:
    """A runbook as people see it. minutes_saved: what one run by hand costs a technician, an estimate that the page calls one."""

    name: str
    title: str
    trigger: str
    tier: str
    does: str
    verifies: str
    undo: str
    minutes_saved: int


RUNBOOKS: dict[str, Runbook] = {
    "restart_service": Runbook(
        name="restart_service",
        title="Restart a service",
        trigger="service.down",
        tier="T1",
        does="Sends one signed restart command for the service that the alert names.",
        verifies="The service must answer a fresh status question and stay up for three observations.",
        undo="None is needed: a restart of a stopped service has nothing to take back. What does not hold goes to a person.",
        minutes_saved=12,
    )
}


def runbook_for(trigger: str) -> Runbook | None:
    """Return the runbook that answers a kind of alert, or None."""
    return next((one for one in RUNBOOKS.values() if one.trigger == trigger), None)
