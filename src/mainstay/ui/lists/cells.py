"""Spelling values: for people in HTML, for spreadsheets in CSV, for programs in JSON.

Owns: how a kind of value looks. Does not own: which values a list has.
Source: experience page, section 3, rules 7 and 8.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from mainstay.kernel.json import Json
from mainstay.ui import formats
from mainstay.ui.lists.spec import Column, Kind, ListSpec, Row, stored_value

_RUNNABLE = re.compile(r"^'*[=+\-@\t\r]")
NOTHING = mark_safe('<span class="ms-nothing" title="unknown">–</span>')


def value_of(column: Column, row: Row) -> object:
    return column.value(row) if column.value else stored_value(row, column.path)


def as_json(column: Column, row: Row) -> Json:
    """Return the value as the API spells it: times ISO 8601 UTC, ids and decimals as text."""
    value = value_of(column, row)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str | list | tuple | dict):
        return value
    return str(value)


def item(spec: ListSpec, row: Row) -> dict[str, Json]:
    """Return a row with every column of the list, shown or not."""
    return {"id": str(row.pk), **{column.key: as_json(column, row) for column in spec.columns}}


def as_csv(column: Column, row: Row) -> str:
    """Return the text of a cell; text that a spreadsheet would run as a formula is escaped, numbers are not touched."""
    value = as_json(column, row)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if column.kind in (Kind.NUMBER, Kind.DURATION) and isinstance(value, int | float | str):
        return str(value)
    return escape(str(value))


def escape(text: str) -> str:
    return f"'{text}" if _RUNNABLE.match(text) else text


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_html(column: Column, row: Row) -> SafeString:
    """Return the content of a cell for people. Nothing known is a dash with a name, never 0."""
    value = value_of(column, row)
    if value is None or value == "":
        return NOTHING
    if column.tones or column.kind is Kind.CHOICE:
        return _choice(column, str(value))
    if isinstance(value, datetime):
        return formats.time_element(value)
    if isinstance(value, bool):
        return format_html("{}", "yes" if value else "no")
    if column.kind is Kind.DURATION and isinstance(value, int | float | Decimal):
        return format_html("{}", formats.duration(float(value)))
    if column.kind is Kind.NUMBER and isinstance(value, int | float | Decimal):
        return format_html("{}", formats.number(float(value), column.unit))
    return format_html("{}", value)


def _choice(column: Column, value: str) -> SafeString:
    word = column.choices.get(value, value)
    tone = column.tones.get(value)
    return formats.pill(tone, word) if tone else format_html("{}", word)
