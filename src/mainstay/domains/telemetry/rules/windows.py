"""Which times are believed, and into which parts of a table rows fall.

Source: control page, section 3.1 rules 5 and 10.
"""

from datetime import datetime, timedelta

PAST = timedelta(days=7)
FUTURE = timedelta(minutes=10)
KEEP_SAMPLES_D = 30
KEEP_LOGS_D = 90
KEEP_EVENTS_D = 400
KEEP_RESULTS_D = 30
DAY_MS = 86_400_000


def accepted_ms(at: datetime) -> tuple[int, int]:
    """Return the oldest and the newest time that is accepted at an instant, in Unix milliseconds, both inclusive."""
    return to_ms(at - PAST), to_ms(at + FUTURE)


def to_ms(at: datetime) -> int:
    """Return Unix milliseconds without passing through a float."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def month_of(at: datetime) -> int:
    """Return the month as YYYYMM, the partition of the series tables."""
    return at.year * 100 + at.month
