"""Small words for templates: icons, numbers, addresses that may not exist yet."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from mainstay.ui import formats, navigation

register = template.Library()

_REPORT_TONES = {"done": "ok", "unchanged": "neutral", "refused": "warning", "failed": "critical"}


@register.simple_tag
def ms_icon(name: str) -> SafeString:
    """Draw an icon of our sprite."""
    return formats.icon(name)


@register.simple_tag
def ms_pill(tone: str, word: str) -> SafeString:
    """Show a state by colour, icon and word."""
    return formats.pill(tone, word)


@register.simple_tag
def report_pill(outcome: str) -> SafeString:
    return formats.pill(_REPORT_TONES[outcome], outcome)


@register.simple_tag
def ms_time(at: datetime | None) -> str:
    """Show an instant; nothing known is said, not left blank."""
    return formats.time_element(at) if at else "never"


@register.simple_tag
def url_or_empty(name: str) -> str:
    """Return the address of a name, or nothing while no part of the product answers there."""
    return navigation.address(name)


@register.simple_tag
def facet_query(pairs: Sequence[tuple[str, str]], key: str, value: str, chosen: bool) -> str:
    """Return the query string with a facet's value added, or taken away when it is chosen already."""
    return urlencode([*pairs, *([] if chosen else [(key, value)])])


@register.filter
def tr(text: object) -> str:
    """Translate a text that a declaration carries (a column, a view, an act, a word of the left column)."""
    return gettext(str(text)) if text else ""


@register.filter
def ms_bytes(value: float | None) -> str:
    return "unknown" if value is None else formats.size(float(value))


@register.filter
def ms_duration(value: float | None) -> str:
    return "unknown" if value is None else formats.duration(float(value))


@register.filter
def ms_number(value: float | None, unit: str = "") -> str:
    return "unknown" if value is None else formats.number(float(value), unit)
