"""Phases, events and reasons of alerts, each reason with its sentence for people.

Source: control page, section 3.6. Invariant: there is no transition without a reason, and no reason without a sentence.
"""

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (Phase.PENDING, Phase.FIRING, Phase.RECOVERING)

    @property
    def is_active(self) -> bool:
        """Firing or recovering: people see it as an alert."""
        return self in (Phase.FIRING, Phase.RECOVERING)


class Reason(StrEnum):
    PENDING = "pending"
    CANCELLED = "cancelled"
    FIRST_FIRING = "first_firing"
    REOPENED = "reopened"
    SEVERITY_RAISED = "severity_raised"
    IMPROVED = "improved"
    RECOVERING = "recovering"
    RELAPSE = "relapse"
    SOURCE_SILENT = "source_silent"
    SOURCE_BACK = "source_back"
    UNKNOWN_VALUE = "unknown_value"
    RECOVERED = "recovered"
    SUBJECT_GONE = "subject_gone"
    RULE_OFF = "rule_off"
    FLAPPING_STARTED = "flapping_started"
    FLAPPING_ENDED = "flapping_ended"
    FLAPPING = "flapping"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    SNOOZE_OVER = "snooze_over"
    JOINED_FOLD = "joined_fold"
    ENGINE_UNAVAILABLE = "engine_unavailable"


SENTENCES: Mapping[Reason, str] = {
    Reason.PENDING: "It looks bad, but not for long enough yet. Nobody was told.",
    Reason.CANCELLED: "It was well again before anybody had to be told.",
    Reason.FIRST_FIRING: "It stayed bad for as long as the rule waits.",
    Reason.REOPENED: "It is bad again within five minutes of the last recovery.",
    Reason.SEVERITY_RAISED: "It became worse than before. An acknowledgement of the milder state no longer counts.",
    Reason.IMPROVED: "It is less bad than before, but still bad. Nobody was told again.",
    Reason.RECOVERING: "It looks well; the rule waits a little before it says so.",
    Reason.RELAPSE: "It went bad again while recovering. It is the same episode, so nobody was told again.",
    Reason.SOURCE_SILENT: "The device is silent, so nothing is known about this. The silence has its own alert.",
    Reason.SOURCE_BACK: "The device speaks again and it is still bad.",
    Reason.UNKNOWN_VALUE: "The device answered, but could not tell this value.",
    Reason.RECOVERED: "It stayed well for as long as the rule waits.",
    Reason.SUBJECT_GONE: "The device no longer has this part, so there is nothing left to be wrong.",
    Reason.RULE_OFF: "The rule was switched off.",
    Reason.FLAPPING_STARTED: "It keeps changing between good and bad. It is told once, and stays one episode until it is calm.",
    Reason.FLAPPING_ENDED: "It has been calm long enough; it no longer counts as flapping.",
    Reason.FLAPPING: "It is well at the moment, but it keeps changing; the episode stays open.",
    Reason.ACKNOWLEDGED: "Somebody has taken it; nobody is reminded until it recovers.",
    Reason.SNOOZED: "Somebody wants to hear of it later.",
    Reason.SNOOZE_OVER: "The snooze is over and it is still bad.",
    Reason.JOINED_FOLD: "It has the same cause as an alert that was told before.",
    Reason.ENGINE_UNAVAILABLE: "Our own store did not answer, so the state was kept as it was.",
}
