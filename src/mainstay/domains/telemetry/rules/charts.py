"""Charts: how wide a bucket is, where the gaps are, and what the chart says in words.

Source: experience page, section 6.1; control page, section 4. Invariant: a gap is never zero and never interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

BUCKETS_MAX = 2400
# Bucket widths that a reader can name; the last stands for every longer range.
STEPS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_SIGNS = {"percent": " %", "%": " %", "bytes": " bytes", "bytes/s": " bytes/s", "seconds": " s", "ms": " ms"}


@dataclass(frozen=True)
class Gap:
    """A stretch without values: buckets `first` to `last`, both inclusive."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def step_s(from_s: int, to_s: int, *, sample_s: int = 10) -> int:
    """Return the bucket width that keeps a chart below 2,400 points and never splits a sample interval. Unit: seconds."""
    span = max(to_s - from_s, 1)
    return next((step for step in STEPS_S if step >= sample_s and span / step <= BUCKETS_MAX), -(-span // BUCKETS_MAX))


def gaps(values: Sequence[float | None]) -> list[Gap]:
    """Return the stretches without a value between two values; before the first and after the last nothing is missing yet."""
    known = [index for index, value in enumerate(values) if value is not None]
    return [Gap(left + 1, right - 1) for left, right in zip(known, known[1:], strict=False) if right > left + 1]


def summary(values: Sequence[float | None], *, unit: str, step: int) -> str:
    """Say in one line what a chart shows. Source: vector of experience 6.1."""
    known = [value for value in values if value is not None]
    if not known:
        return "no data"
    sign = _SIGNS.get(unit, f" {unit}" if unit else "")
    parts = [
        f"now {_number(known[-1])}{sign}",
        f"lowest {_number(min(known))}{sign}",
        f"highest {_number(max(known))}{sign}",
        f"typical (median) {_number(median(known))}{sign}",
    ]
    return ", ".join(parts + _gap_words(gaps(values), step))


def _gap_words(found: Sequence[Gap], step: int) -> list[str]:
    if not found:
        return []
    total = _duration(sum(gap.count for gap in found) * step)
    return [f"1 gap of {total}"] if len(found) == 1 else [f"{len(found)} gaps of {total} in all"]


def _duration(seconds: int) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {word}"
    if seconds >= 60:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds} s"


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
