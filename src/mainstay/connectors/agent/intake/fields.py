"""Reading single members of a request; each error names the member."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

from mainstay.kernel.errors import Invalid

_MS_MAX = 4_102_444_800_000  # the year 2100


def text(value: Mapping[str, object], field: str, *, length_max: int = 300, default: str | None = None) -> str:
    """Return a text, shortened to a limit."""
    found = value.get(field, default)
    if not isinstance(found, str):
        raise bad(field, "text")
    return found[:length_max]


def whole(value: Mapping[str, object], field: str, *, least: int = 0, most: int = 2**53 - 1) -> int:
    """Return a whole number within bounds."""
    found = value.get(field)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise bad(field, f"a whole number from {least} to {most}")
    return found


def number_or_none(value: Mapping[str, object], field: str) -> int | None:
    found = value.get(field)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def record(value: Mapping[str, object], field: str) -> Mapping[str, object]:
    """Return an object."""
    found = value.get(field)
    if not isinstance(found, Mapping):
        raise bad(field, "an object")
    return found


def records(value: Mapping[str, object], field: str, *, count_max: int) -> list[Mapping[str, object]]:
    """Return a list of objects, not longer than a limit."""
    found = value.get(field)
    if not isinstance(found, list) or len(found) > count_max or not all(isinstance(item, Mapping) for item in found):
        raise bad(field, f"a list of at most {count_max} objects")
    return found


def instant(value: Mapping[str, object], field: str) -> datetime:
    """Return an instant from Unix milliseconds."""
    return datetime.fromtimestamp(whole(value, field, most=_MS_MAX) / 1000, UTC)


def from_base64(value: Mapping[str, object], field: str) -> bytes:
    try:
        return base64.b64decode(text(value, field, length_max=4096), validate=True)
    except binascii.Error as error:
        raise bad(field, "base64") from error


def from_hex(value: Mapping[str, object], field: str) -> bytes:
    try:
        return bytes.fromhex(text(value, field, length_max=4096))
    except ValueError as error:
        raise bad(field, "hex digits") from error


def bad(field: str, expected: str) -> Invalid:
    return Invalid("bad_request", f"{field}: {expected} is expected.", pointer=f"/{field}")
