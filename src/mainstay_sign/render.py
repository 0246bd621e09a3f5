"""What a person sees before signing: every member of the payload's own bytes, nothing that a server wrote beside it.

Owns: flattening, escaping, the typed difference between two payloads.
Does not own: judging a document.
Invariant: a character that a terminal would act on, hide or reorder is shown as its code point.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mainstay_trust.canonical import JSON

_UNUSUAL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True)
class Difference:
    """One changed member; None means that it is not there."""

    path: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.path}: {self.old or '(absent)'} -> {self.new or '(absent)'}"


def escaped(text: str) -> str:
    """Show control, bidirectional, zero-width and unassigned characters as escapes."""
    return "".join(_code(character) if is_unusual(character) else character for character in text)


def is_unusual(text: str) -> bool:
    """Tell whether text holds a character that could deceive a reader."""
    # A line break is shown as \\n by the JSON of a value and cannot deceive.
    return any(unicodedata.category(character) in _UNUSUAL for character in text if character != "\n")


def holds_unusual(value: JSON) -> bool:
    """Tell whether any text of a payload, member names included, needs --accept-unusual."""
    if isinstance(value, str):
        return is_unusual(value)
    if isinstance(value, Mapping):
        return any(is_unusual(name) or holds_unusual(member) for name, member in value.items())
    return isinstance(value, list | tuple) and any(map(holds_unusual, value))


def lines(value: JSON) -> list[str]:
    """Return one `path = value` line per member, in the order of the signed bytes."""
    return [f"{path} = {shown}" for path, shown in _flat("", value)]


def differences(old: JSON, new: JSON) -> list[Difference]:
    """Return each member that differs, with both values."""
    before, after = dict(_flat("", old)), dict(_flat("", new))
    paths = [*before, *(path for path in after if path not in before)]
    return [Difference(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)]


def _flat(path: str, value: JSON) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _flat(f"{path}.{escaped(name)}".lstrip("."), member)
    elif isinstance(value, list | tuple) and value:
        for index, member in enumerate(value):
            yield from _flat(f"{path}[{_label(index, member)}]", member)
    else:
        yield path, escaped(json.dumps(value, ensure_ascii=False))


def _label(index: int, member: JSON) -> str:
    # A named entry keeps its name in a difference even when another one is inserted before it.
    name = member.get("name") or member.get("pub") if isinstance(member, Mapping) else None
    return escaped(name) if isinstance(name, str) else str(index)


def _code(character: str) -> str:
    return f"<U+{ord(character):04X}>"
