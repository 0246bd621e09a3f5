"""Whether a runbook answers an incident by itself, and if not, why not.

Owns: the order of the questions and the reason of each "no". Does not own: the facts (services load them).
Invariant: first failing question wins, and every reason has a sentence that a person may read.
"""

from dataclasses import dataclass
from enum import StrEnum

from mainstay.domains.automation.rules import limits
from mainstay.kernel.decisions import Decision


class Mode(StrEnum):
    """How far a heal rule goes; shadow first."""

    OFF = "off"
    SHADOW = "shadow"
    SUGGEST = "suggest"
    ASK = "ask"
    ACT = "act"


class HealReason(StrEnum):
    ACTING = "acting"
    NO_RUNBOOK = "no_runbook"
    NO_ROOT = "no_root"
    TIER_DISABLED = "tier_disabled"
    MODE_OFF = "mode_off"
    SHADOW = "shadow"
    SUGGESTED = "suggested"
    APPROVAL_NEEDED = "approval_needed"
    NOT_ALLOWED = "not_allowed"
    NO_HELPER = "no_helper"
    FROZEN = "frozen"
    QUARANTINED = "quarantined"
    OFFLINE = "offline"
    STALE = "stale"
    FLAPPING = "flapping"
    ALREADY_RUNNING = "already_running"
    COMMON_CAUSE = "common_cause"
    BREAKER_OPEN = "breaker_open"
    BUDGET = "budget"
    CONCURRENCY = "concurrency"


SENTENCES: dict[HealReason, str] = {
    HealReason.ACTING: "All conditions hold; the runbook starts.",
    HealReason.NO_RUNBOOK: "No runbook answers this kind of alert.",
    HealReason.NO_ROOT: "No trust ceremony was held, so nothing above observation runs. Run `mainstay trust init`.",
    HealReason.TIER_DISABLED: "The signed policy does not enable repair (tier T1) for this device.",
    HealReason.MODE_OFF: "Self-healing is switched off for this kind of alert.",
    HealReason.SHADOW: "Self-healing is in shadow mode: it would have acted.",
    HealReason.SUGGESTED: "Self-healing only suggests here; a person starts the runbook.",
    HealReason.APPROVAL_NEEDED: "Self-healing asks first here; an approval is waiting.",
    HealReason.NOT_ALLOWED: "The signed policy does not list this service for a restart.",
    HealReason.NO_HELPER: "The device runs without its root helper, so it can only observe.",
    HealReason.FROZEN: "The device or the organisation is frozen.",
    HealReason.QUARANTINED: "The device is quarantined.",
    HealReason.OFFLINE: "The device has not answered in time; a command would only wait.",
    HealReason.STALE: "The newest observation is too old to act on.",
    HealReason.FLAPPING: "The service goes up and down; another restart would hide the cause.",
    HealReason.ALREADY_RUNNING: "A run for this device and service is already in progress.",
    HealReason.COMMON_CAUSE: "The same fault shows on several devices; one cause is more likely than many.",
    HealReason.BREAKER_OPEN: "This runbook failed three times of the last ten; a person resets it.",
    HealReason.BUDGET: "The limit of restarts for this service is used up.",
    HealReason.CONCURRENCY: "Too many repairs run at this moment.",
}

STALE_AFTER_S = 30
OFFLINE_AFTER_S = 90


@dataclass(frozen=True, kw_only=True)
class HealFacts:
    """Everything the decision looks at, loaded by the service. Ages in seconds, instants in seconds since 1970."""

    has_runbook: bool
    mode: Mode
    has_root: bool
    is_tier_enabled: bool
    is_service_listed: bool
    has_helper: bool
    is_frozen: bool
    is_quarantined: bool
    contact_age_s: float
    signal_age_s: float
    is_flapping: bool
    has_active_run: bool
    failing_devices: int
    group_devices: int
    outcomes: tuple[bool, ...]
    uses: tuple[float, ...]
    other_devices_last_hour: int
    concurrent_runs: int
    now: float


def consider(facts: HealFacts) -> Decision[None]:
    """Return whether the runbook may start now, with the reason that decided."""
    for is_hindrance, reason in _questions(facts):
        if is_hindrance:
            return Decision.no(reason)
    return Decision.yes(HealReason.ACTING)


def _questions(facts: HealFacts) -> tuple[tuple[bool, HealReason], ...]:
    # Authority first, then the state of the device, then the limits, and the mode last: shadow mode
    # is only worth reporting where everything else would have let the runbook act.
    return (
        (not facts.has_runbook, HealReason.NO_RUNBOOK),
        (facts.mode is Mode.OFF, HealReason.MODE_OFF),
        (not facts.has_root, HealReason.NO_ROOT),
        (not facts.is_tier_enabled, HealReason.TIER_DISABLED),
        (not facts.is_service_listed, HealReason.NOT_ALLOWED),
        (facts.is_quarantined, HealReason.QUARANTINED),
        (facts.is_frozen, HealReason.FROZEN),
        (not facts.has_helper, HealReason.NO_HELPER),
        (facts.contact_age_s > OFFLINE_AFTER_S, HealReason.OFFLINE),
        (facts.signal_age_s > STALE_AFTER_S, HealReason.STALE),
        (facts.has_active_run, HealReason.ALREADY_RUNNING),
        (facts.is_flapping, HealReason.FLAPPING),
        (limits.has_common_cause(facts.failing_devices, facts.group_devices), HealReason.COMMON_CAUSE),
        (limits.is_breaker_open(facts.outcomes), HealReason.BREAKER_OPEN),
        (limits.spent(limits.DEVICE_ACTION, facts.uses, facts.now) is not None, HealReason.BUDGET),
        (facts.other_devices_last_hour >= limits.runbook_devices_per_hour(facts.group_devices), HealReason.BUDGET),
        (facts.concurrent_runs >= limits.CONCURRENT_MAX, HealReason.CONCURRENCY),
        (facts.mode is Mode.SHADOW, HealReason.SHADOW),
        (facts.mode is Mode.SUGGEST, HealReason.SUGGESTED),
        (facts.mode is Mode.ASK, HealReason.APPROVAL_NEEDED),
    )
