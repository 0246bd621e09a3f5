"""Which alerts are one thing to people, and whether an acknowledgement covers one.

Source: control page, sections 3.6 rule 2 and 3.8 rule 1.
"""

import hashlib
from uuid import UUID

from mainstay.domains.alerting.rules.pack import Family, Rule
from mainstay.kernel.severity import Severity

STORM_ALERTS_MIN = 20
STORM_WITHIN_S = 60
STORM_KEY = "storm"


def fingerprint(rule_id: str, device_id: UUID, subject: str) -> str:
    """Return the name under which a rule's finding about a part of a device is the same finding again."""
    return hashlib.blake2b(f"{rule_id}\x00{device_id.hex}\x00{subject}".encode(), digest_size=16).hexdigest()


def fold_key(rule: Rule, device_id: UUID, subject: str) -> str:
    """Return the key of the fold that an alert belongs to: one part of a device, or one family of its troubles."""
    if rule.family is Family.SUBJECT:
        return f"{device_id.hex}:{subject_root(rule.id)}:{subject}"
    return f"{device_id.hex}:{rule.family}"


def subject_root(rule_id: str) -> str:
    """Return the kind of part a rule speaks of, so that two rules about one unit or one mount share a fold."""
    kind = rule_id.split(".", 1)[0]
    return "unit" if kind in ("service", "unit") else kind


def is_storm(fired_recently: int) -> bool:
    """Say whether so many alerts fired within a minute that people need one message for all of them."""
    return fired_recently >= STORM_ALERTS_MIN


def covers(acknowledged: Severity, severity: Severity, *, is_sticky: bool) -> bool:
    """Say whether an acknowledgement covers an alert: anything up to the severity acknowledged, or all when sticky."""
    return is_sticky or severity <= acknowledged
