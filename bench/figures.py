"""The one form in which a figure is printed.

`{"name", "value", "unit", "n", "min", "max"}`; beside a peer also `"peer"` and `"ratio"` (ours divided by its).
The value is the median.
"""

import json
import statistics
from collections.abc import Sequence


def figure(name: str, values: Sequence[float], unit: str, *, peer: Sequence[float] | None = None) -> str:
    """Return the line of a figure from its measured values, in the order they were taken."""
    middle = statistics.median(values)
    line: dict[str, object] = {
        "name": name,
        "value": _short(middle),
        "unit": unit,
        "n": len(values),
        "min": _short(min(values)),
        "max": _short(max(values)),
    }
    if peer:
        line |= {"peer": _short(statistics.median(peer)), "ratio": round(middle / statistics.median(peer), 3)}
    return json.dumps(line)


def _short(value: float) -> float:
    return round(value, 3) if abs(value) < 1000 else round(value)
