"""Charts: how wide a bucket is, and where the gaps are. What a chart says in words is `ui.charts`.

Source: experience page, section 6.1; control page, section 4. Invariant: a gap is never zero and never interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BUCKETS_MAX = 2400
# Bucket widths that a reader can name; the last stands for every longer range.
STEPS_S = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


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
    return [Gap(left + 1, right - 1) for left, right in pairwise(known) if right > left + 1]
