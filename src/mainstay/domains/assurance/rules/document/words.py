"""Words and small shapes that the parts of the document share.

Owns: how a date, a number of minutes, an amount and a state read. Does not own: what is said of them.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from mainstay.kernel.json import Json, JsonObject

Block = dict[str, Json]

SEVERITY_TONES: Final = {"critical": "critical", "high": "warning", "medium": "info", "low": "neutral", "info": "neutral"}
AREA_NAMES: Final = {
    "access": "Access",
    "network": "Network",
    "encryption": "Encryption",
    "patches": "Updates",
    "logging": "Logs and time",
    "system": "System settings",
    "integrity": "Integrity",
    "backup": "Backup and recovery",
    "domain": "Domains and mail",
    "health": "Health",
    "integration": "Integration",
    "automation": "Automation",
    "governance": "Governance",
}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


def text(value: Json) -> str:
    """Return a value as text; nothing is the empty text, true and false are words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(each)}" for key, each in sorted(value.items()) if each not in (None, "", []))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(text, value)))
    return str(value)


def whole(value: Json) -> int:
    """Return an integer of the report, which has no other numbers; a missing one is 0."""
    return value if isinstance(value, int) else 0


def view(value: Json) -> JsonObject:
    """Return an object of the report, empty where there is none."""
    return value if isinstance(value, Mapping) else {}


def blocks_of(value: Json) -> list[JsonObject]:
    """Return the objects of a list of the report."""
    return [each for each in items_of(value) if isinstance(each, Mapping)]


def items_of(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | tuple) else []


def texts_of(value: Json) -> list[str]:
    return [text(each) for each in items_of(value)]


def day(iso: str) -> str:
    """Return `20 November 2026` of an ISO date or instant; what is no date stays as it is."""
    try:
        when = date.fromisoformat(iso[:10])
    except ValueError:
        return iso
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def instant(iso: str) -> str:
    """Return `20 November 2026, 09:30 UTC`."""
    return f"{day(iso)}, {iso[11:16]} UTC" if len(iso) > 16 else day(iso)


def minutes(count: int) -> str:
    """Return a length of work: `25 min`, `2 h 10 min`."""
    hours, rest = divmod(count, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def amount(value: Json) -> str:
    """Return money as decimal and currency, or nothing where it is not known: it is never made up."""
    money = view(value)
    if not isinstance(money.get("amount_minor"), int):
        return ""
    units, cents = divmod(abs(whole(money["amount_minor"])), 100)
    sign = "-" if whole(money["amount_minor"]) < 0 else ""
    return f"{sign}{units:,}.{cents:02} {text(money.get('currency'))}".strip()


def plural(count: int, noun: str, many: str = "") -> str:
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def cut(names: Iterable[str], most: int = 8) -> str:
    """Return names joined by commas; of many, the first and how many more."""
    listed = [name for name in names if name]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def column(label: str, share: int = 1, **more: Json) -> JsonObject:
    return {"label": label, "share": share, **more}


def table(columns: list[JsonObject], rows: list[list[Json]], *, title: str = "", empty: str = "None.") -> Block:
    return {"type": "table", "title": title, "columns": columns, "rows": rows, "empty": empty}


def subheading(title: str) -> Block:
    return {"type": "heading", "level": 2, "text": title}


def note(said: str, *, tone: str | None = None, is_small: bool = False) -> Block:
    return {"type": "text", "text": said, "tone": tone, "is_small": is_small}


def tag(said: str, tone: str) -> JsonObject:
    return {"text": said, "tone": tone}


def code(said: str) -> JsonObject:
    return {"text": said, "mono": True}


def facts(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    """Return name and value of what is known, in order."""
    return [[name, value] for name, value in pairs if value]
