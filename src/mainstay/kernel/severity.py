"""Severity and condition: the two scales that alerts, incidents and pages share.

Owns: their order and their words. Invariant: `NODATA`, `UNKNOWN` and `UNREACHABLE` are never "down".
"""

from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How bad an alert is. Greater is worse."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class Condition(StrEnum):
    """What is known of a watched thing (control layer, section 2)."""

    OK = "OK"
    WARN = "WARN"
    CRIT = "CRIT"
    UNKNOWN = "UNKNOWN"
    UNREACHABLE = "UNREACHABLE"
    NODATA = "NODATA"

    @property
    def is_bad(self) -> bool:
        """Only a measured fault is bad; silence and doubt are told apart."""
        return self in (Condition.WARN, Condition.CRIT)


CONDITION_OF = {Severity.INFO: Condition.WARN, Severity.WARNING: Condition.WARN, Severity.CRITICAL: Condition.CRIT}
