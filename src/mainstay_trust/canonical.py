"""Canonical JSON: the RFC 8785 subset in which everything that is hashed or signed is written.

Owns: one encoding per value, and a parser that refuses whatever could be read in two ways.
Does not own: schemas; each document checks its own members.
Invariant: `encode(parse(data))` is the same for every reader; floats, integers beyond 2^53-1, duplicate members, lone
surrogates and deep nesting never get in.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

from mainstay_trust.errors import Rejected

JSON: TypeAlias = Mapping[str, "JSON"] | Sequence["JSON"] | str | int | bool | None

INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 16
_DIGITS_MAX = len(str(INTEGER_MAX)) + 1


def encode(value: JSON, *, depth_max: int = DEPTH_MAX) -> bytes:
    """Return the canonical UTF-8 bytes of a value.

    Errors: Rejected("bad_json") for floats, large integers, lone surrogates, keys that are not text, and deep nesting.
    Source: RFC 8785; numbers are integers only.
    """
    return json.dumps(_ordered(value, depth_max), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def parse(data: bytes, *, depth_max: int = DEPTH_MAX) -> JSON:
    """Read JSON strictly: what two readers could understand differently is refused with Rejected("bad_json")."""
    try:
        value: JSON = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise Rejected("bad_json", "the bytes are not UTF-8") from error
    except RecursionError as error:
        raise Rejected("bad_json", "nested too deeply") from error
    except json.JSONDecodeError as error:
        raise Rejected("bad_json", f"{error.msg} at character {error.pos}") from error
    return _ordered(value, depth_max)


def parse_canonical(data: bytes, *, depth_max: int = DEPTH_MAX) -> JSON:
    """Read JSON that must already be in canonical form; another spelling of the same value is refused."""
    value = parse(data, depth_max=depth_max)
    if encode(value, depth_max=depth_max) != data:
        raise Rejected("bad_json", "not in canonical form")
    return value


def parse_object(data: bytes, *, depth_max: int = DEPTH_MAX) -> dict[str, JSON]:
    """Read strict JSON whose outermost value is an object."""
    value = parse(data, depth_max=depth_max)
    if not isinstance(value, dict):
        raise Rejected("bad_json", "an object is expected")
    return value


def _ordered(value: object, depth_left: int) -> JSON:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _bounded(value)
    if depth_left == 0:
        raise Rejected("bad_json", "nested too deeply")
    if isinstance(value, Mapping):
        return {_text(key): _ordered(value[key], depth_left - 1) for key in sorted(value, key=_utf16)}
    if isinstance(value, list | tuple):
        return [_ordered(item, depth_left - 1) for item in value]
    raise Rejected("bad_json", f"{type(value).__name__} has no canonical form")


def _utf16(key: object) -> bytes:
    # RFC 8785 sorts by UTF-16 code units, which differs from code points above U+FFFF.
    if not isinstance(key, str):
        raise Rejected("bad_json", "a member name must be text")
    return key.encode("utf-16-be", "surrogatepass")


def _text(value: str) -> str:
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Rejected("bad_json", "lone surrogate")
    return value


def _bounded(value: int) -> int:
    if abs(value) > INTEGER_MAX:
        raise Rejected("bad_json", "integer beyond 2^53-1")
    return value


def _members(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Rejected("bad_json", "duplicate member")
    return members


def _integer(digits: str) -> int:
    # The length is looked at first: turning a megabyte of digits into a number is quadratic work.
    if len(digits) > _DIGITS_MAX or digits == "-0":
        raise Rejected("bad_json", "number without a canonical form")
    return _bounded(int(digits))


def _refuse_number(text: str) -> NoReturn:
    raise Rejected("bad_json", f"{text[:24]} is not an integer")
