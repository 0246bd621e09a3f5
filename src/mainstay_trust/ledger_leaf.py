"""Ledger leaves and the commitments to their bodies.

Owns: the exact members of a leaf, their forms, its canonical bytes; the salted commitment to a body and to its parts.
Does not own: bodies at rest, salts (32 random bytes, made by the caller), sequence numbers.
Invariant: a leaf holds no personal data, only random ids and a commitment; erasing a body leaves the tree as it is.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected

LEAF_BYTES_MAX = 1024
BODY_BYTES_MAX = 256 * 1024
SALT_BYTES = 32
OUTCOMES = frozenset({"ok", "refused", "failed", "unknown"})
WAYS = frozenset({"web", "api", "cli", "agent", "job", "mail", "scim", "system", "emergency"})

_REQUIRED = frozenset({"v", "log", "seq", "at", "act", "actor", "obj", "out", "via", "body"})
_OPTIONAL = frozenset({"ref", "range", "size", "root", "prev"})
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
_ACT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_ACTOR = re.compile(r"[a-z]{1,8}:[A-Za-z0-9_.\-]{1,64}")
_OBJ = re.compile(r"[a-z][a-z0-9_.]*:[A-Za-z0-9_.\-]{1,64}")
_ORIGIN = re.compile(r"[!-~]{1,200}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Leaf:
    """One line of a log; optional members are None where the act does not carry them."""

    log: str
    seq: int
    at: str
    act: str
    actor: str
    obj: str
    out: str
    via: str
    body: str
    ref: int | None = None
    range: tuple[int, int] | None = None
    size: int | None = None
    root: str | None = None
    prev: str | None = None

    def encode(self) -> bytes:
        """Return the leaf's bytes; Rejected("bad_leaf") if a member has a wrong form or it is longer than 1,024 bytes."""
        members: dict[str, JSON] = {"v": 1} | {name: getattr(self, name) for name in _REQUIRED - {"v"}}
        members |= {name: getattr(self, name) for name in _OPTIONAL if getattr(self, name) is not None}
        if self.range is not None:
            members["range"] = list(self.range)
        _check(members)
        return _bounded(canonical.encode(members))


def parse_leaf(data: bytes) -> Leaf:
    """Read a leaf strictly. Errors: Rejected("bad_leaf")."""
    try:
        value = canonical.parse_canonical(_bounded(data), depth_max=2)
    except Rejected as error:
        raise Rejected("bad_leaf", error.detail) from error
    if not isinstance(value, dict) or not _REQUIRED <= set(value) <= _REQUIRED | _OPTIONAL:
        raise Rejected("bad_leaf", "members are missing or unknown")
    _check(value)
    return _leaf(value)


def _check(members: Mapping[str, JSON]) -> None:
    wrong = next((name for name in sorted(members) if not _is_well_formed(name, members[name])), None)
    if wrong is not None:
        raise Rejected("bad_leaf", f"{wrong} has a wrong form")


def _bounded(data: bytes) -> bytes:
    if len(data) > LEAF_BYTES_MAX:
        raise Rejected("bad_leaf", f"a leaf has at most {LEAF_BYTES_MAX} bytes")
    return data


def timestamp(at: datetime) -> str:
    """Write an aware instant as a leaf does: UTC, milliseconds, Z."""
    if at.tzinfo is None:
        raise Rejected("bad_leaf", "an instant needs a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def body_commitment(salt: bytes, body: JSON) -> str:
    """Return the hex commitment of a whole body: SHA-256(02 || salt || JCS(body))."""
    encoded = canonical.encode(body)
    if len(encoded) > BODY_BYTES_MAX:
        raise Rejected("bad_body", f"a body has at most {BODY_BYTES_MAX} bytes")
    return _commitment(b"\x02", salt, encoded)


def part_commitment(salt: bytes, value: JSON) -> str:
    """Return the hex commitment of a part that may be erased alone: SHA-256(03 || own salt || JCS(value))."""
    return _commitment(b"\x03", salt, canonical.encode(value))


def with_parts(body: Mapping[str, JSON], salts: Mapping[str, bytes]) -> dict[str, JSON]:
    """Return the body with each named member replaced by `{"$c": commitment}`; this form is what the leaf commits to."""
    return {name: {"$c": part_commitment(salts[name], value)} if name in salts else value for name, value in body.items()}


def _commitment(prefix: bytes, salt: bytes, encoded: bytes) -> str:
    if len(salt) != SALT_BYTES:
        raise Rejected("bad_body", "a salt has 32 bytes")
    return hashlib.sha256(prefix + salt + encoded).hexdigest()


def _leaf(value: Mapping[str, JSON]) -> Leaf:
    members = {name: member for name, member in value.items() if name != "v"}
    if "range" in members:
        begin, end = members["range"]  # type: ignore[misc]  # its form was just checked
        members["range"] = (begin, end)
    return Leaf(**members)  # type: ignore[arg-type]  # every member's form was just checked


def _is_well_formed(name: str, value: object) -> bool:
    if name == "v":
        return value == 1 and not isinstance(value, bool)
    if name in ("seq", "ref", "size"):
        return _is_count(value)
    if name == "range":
        return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)) and value[0] < value[1]
    if name == "out":
        return value in OUTCOMES
    if name == "via":
        return value in WAYS
    if name == "body":
        return isinstance(value, str) and (not value or _HEX.fullmatch(value) is not None)
    return isinstance(value, str) and _FORMS[name].fullmatch(value) is not None


_FORMS = {"log": _ORIGIN, "at": _AT, "act": _ACT, "actor": _ACTOR, "obj": _OBJ, "root": _HEX, "prev": _ORIGIN}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= canonical.INTEGER_MAX
