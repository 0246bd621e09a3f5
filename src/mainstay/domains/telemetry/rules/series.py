"""The identity of a series: 64 bits of a hash over its tenant and its labels.

Source: control page, section 2.3; vectors in 5.1. Invariant: the order of labels and empty labels change nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from struct import pack

from mainstay.kernel.errors import Invalid

LABELS_MAX = 64
NAME_BYTES_MAX = 256
VALUE_BYTES_MAX = 2048
METRIC = "__name__"


def series_id(tenant: int, labels: Mapping[str, str], *, salt: int = 0) -> int:
    """Return the id of a label set, 0 to 2^64-1. `salt` is raised by the registration when an id is taken already."""
    return hash_id(tenant, label_bytes(labels), salt=salt)


def hash_id(tenant: int, encoded: bytes, *, salt: int = 0) -> int:
    """Return the id of labels that are already in hashed form."""
    digest = hashlib.blake2b(pack("<II", tenant, salt) + encoded, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def label_bytes(labels: Mapping[str, str]) -> bytes:
    """Return the hashed form of labels. Errors: Invalid beyond the limits, for an empty name or text that is not Unicode."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in labels.items() if value)
    _check(pairs)
    return b"".join(pack("<I", len(name)) + name + pack("<I", len(value)) + value for name, value in pairs)


def from_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return labels as a mapping. Errors: Invalid when a name comes twice."""
    labels: dict[str, str] = {}
    for name, value in pairs:
        if name in labels:
            raise Invalid("telemetry.label_twice", "A label name comes twice in one series.", name=name[:80])
        labels[name] = value
    return labels


def signed(series: int) -> int:
    """Return an id as the signed 64-bit number that PostgreSQL stores."""
    return series - (1 << 64) if series >= 1 << 63 else series


def unsigned(number: int) -> int:
    """Return the id that was stored as a signed number."""
    return number + (1 << 64) if number < 0 else number


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid("telemetry.label_not_unicode", "A label is not valid Unicode text.") from error


def _check(pairs: list[tuple[bytes, bytes]]) -> None:
    if len(pairs) > LABELS_MAX:
        raise Invalid("telemetry.labels_too_many", f"A series has at most {LABELS_MAX} labels.")
    for name, value in pairs:
        if not name or len(name) > NAME_BYTES_MAX or len(value) > VALUE_BYTES_MAX:
            raise Invalid("telemetry.label_length", "A label name has 1 to 256 bytes, its value at most 2,048.")
