"""What a server may wish for, within limits (rules X4 and X9).

Invariant: no hint makes the agent poll or sample outside its bounds; what was out of bounds is clamped and counted.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mainstay_trust.canonical import JSON

POLL_S, POLL_S_MIN, POLL_S_MAX = 60, 10, 900
SAMPLE_S, SAMPLE_S_MIN, SAMPLE_S_MAX = 10, 1, 3600
WATCHED_MAX = 100
# What a policy may name; a watched name reaches the command line of a service manager.
_UNIT = re.compile(r"[A-Za-z0-9_@.:\\][A-Za-z0-9_@.:\\\-]{0,127}")


@dataclass(frozen=True, slots=True)
class Hints:
    poll_s: int = POLL_S
    sample_s: int = SAMPLE_S
    watch: tuple[str, ...] = ()
    resend_from_ms: int | None = None
    clamped: int = 0

    def wait_s(self, draw: Callable[[float, float], float], *, is_first: bool) -> int:
        """Return how long the server may hold the next poll; the first one after start is answered at once."""
        return 0 if is_first else self.poll_s + int(draw(0.0, self.poll_s / 2))


def read_hints(value: JSON, before: Hints) -> Hints:
    """Read the hints of a reply; what is absent stays as it was, but nothing is sent again twice."""
    if not isinstance(value, Mapping):
        return replace(before, resend_from_ms=None)
    poll_s, poll_clamped = _bounded(value.get("poll_s"), before.poll_s, POLL_S_MIN, POLL_S_MAX)
    sample_s, sample_clamped = _bounded(value.get("sample_s"), before.sample_s, SAMPLE_S_MIN, SAMPLE_S_MAX)
    watch, resend = value.get("watch"), value.get("resend_from_ms")
    return Hints(
        poll_s,
        sample_s,
        tuple(unit for unit in watch if isinstance(unit, str) and _UNIT.fullmatch(unit))[:WATCHED_MAX]
        if isinstance(watch, list | tuple)
        else before.watch,
        resend if isinstance(resend, int) else None,
        before.clamped + poll_clamped + sample_clamped,
    )


def _bounded(value: JSON, default: int, least: int, most: int) -> tuple[int, int]:
    if not isinstance(value, int):
        return default, 0
    bounded = min(max(value, least), most)
    return bounded, int(bounded != value)
