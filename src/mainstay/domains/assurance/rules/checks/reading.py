"""How a check reads facts: a field that is absent, of the wrong kind, or named unknown at its source is never guessed.

Owns: typed readers over the bodies of groups; the unknown fields of a group.
Invariant: every reader returns a value of its type or raises NotKnown.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from mainstay.domains.assurance.rules.facts import NotKnown
from mainstay.kernel.json import Json, JsonObject

T = TypeVar("T")
_ABSENT = object()


def rows(body: JsonObject, name: str) -> list[JsonObject]:
    """Return a list of objects."""
    return [_object(row, name) for row in items(body, name)]


def texts(body: JsonObject, name: str) -> list[str]:
    """Return a list of texts."""
    return [_of_kind(item, str, name) for item in items(body, name)]


def items(body: JsonObject, name: str) -> Sequence[Json]:
    value = _value(body, name)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise NotKnown("contradictory", name)
    return value


def part(body: JsonObject, name: str) -> JsonObject:
    """Return a nested object."""
    return _object(_value(body, name), name)


def part_or_none(body: JsonObject, name: str) -> "JsonObject | None":
    return None if _value(body, name) is None else part(body, name)


def text(body: JsonObject, name: str) -> str:
    return _of_kind(_value(body, name), str, name)


def text_or_none(body: JsonObject, name: str) -> str | None:
    return None if _value(body, name) is None else text(body, name)


def whole(body: JsonObject, name: str) -> int:
    value = _value(body, name)
    if isinstance(value, bool):
        raise NotKnown("contradictory", name)
    return _of_kind(value, int, name)


def whole_or_none(body: JsonObject, name: str) -> int | None:
    return None if _value(body, name) is None else whole(body, name)


def flag(body: JsonObject, name: str) -> bool:
    return _of_kind(_value(body, name), bool, name)


def flag_or_none(body: JsonObject, name: str) -> bool | None:
    return None if _value(body, name) is None else flag(body, name)


def complete(body: JsonObject, *names: str) -> None:
    """Refuse to judge when one of these fields is named unknown at its source, or when the list was cut."""
    unknown = body.get("unknown")
    for name in names:
        if isinstance(unknown, Mapping) and name in unknown:
            raise NotKnown(str(unknown[name]), name)
    if body.get("truncated") is True:
        raise NotKnown("truncated")


def _value(body: JsonObject, name: str) -> Json:
    value = body.get(name, _ABSENT)
    if value is _ABSENT:
        raise NotKnown("missing", name)
    return value  # type: ignore[return-value]  # the sentinel was ruled out


def _object(value: Json, name: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise NotKnown("missing" if value is None else "contradictory", name)
    return value


def _of_kind(value: object, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        raise NotKnown("missing" if value is None else "contradictory", name)
    return value
