"""Numbers, sizes, durations, instants and states in the words of a page.

Owns: their spelling, the same in lists, charts and components. Pure but for Django's escaping.
"""

import math
from datetime import UTC, datetime

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

TONES = ("critical", "warning", "unknown", "stale", "maintenance", "ok", "info", "neutral")
# Status is colour + icon + word: each tone has its own shape, so that none depends on colour.
TONE_ICONS = {
    "critical": "alert-circle",
    "warning": "alert-triangle",
    "unknown": "help",
    "stale": "clock",
    "maintenance": "wrench",
    "ok": "check",
    "info": "info",
    "neutral": "dot",
}
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DURATION_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number(value: float, unit: str = "") -> str:
    """Return a number with its unit: at most three significant places below 100, no trailing zeros."""
    if unit == "bytes":
        return size(value)
    if unit == "bytes/s":
        return f"{size(value)}/s"
    if unit == "s":
        return duration(value)
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    text = text.replace(",", "\u202f")
    return f"{text}\u202f{unit}" if unit else text


def size(value: float) -> str:
    """Return a size in binary units, such as `1.5 GiB`."""
    if not value:
        return "0 B"
    step = min(max(int(math.log(abs(value), 1024)), 0), len(_BYTE_UNITS) - 1)
    scaled = value / 1024**step
    return f"{scaled:.0f} {_BYTE_UNITS[step]}" if scaled >= 100 or not step else f"{scaled:.3g} {_BYTE_UNITS[step]}"


def duration(seconds: float) -> str:
    """Return the two largest units of a duration: `3 d 4 h`, `45 s`. Below a second: milliseconds."""
    if 0 < abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    rest = int(abs(seconds))
    parts: list[str] = []
    for length, word in _DURATION_UNITS:
        count, rest = divmod(rest, length)
        if count and len(parts) < 2:
            parts.append(f"{count} {word}")
        elif parts:
            break
    return ("−" if seconds < 0 else "") + (" ".join(parts) or "0 s")


def time_element(at: datetime) -> SafeString:
    """Return a `<time>`: UTC text that a script turns into the viewer's zone, without which it stays readable."""
    at = at.astimezone(UTC)
    return format_html('<time datetime="{}" class="ms-time">{}</time>', at.isoformat().replace("+00:00", "Z"), f"{at:%Y-%m-%d %H:%M} UTC")


def icon(name: str) -> SafeString:
    """Return one drawing of our sprite, in the colour of the text beside it."""
    return format_html(
        '<svg class="ms-icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>', static("ms/icons.svg"), name
    )


def pill(tone: str, word: str) -> SafeString:
    """Return a state: colour, icon and word."""
    known = tone if tone in TONES else "neutral"
    return format_html('<span class="ms-pill ms-tone-{}">{}{}</span>', known, icon(TONE_ICONS[known]), word)
