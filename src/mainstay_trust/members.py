"""Reading the members of a parsed JSON object: exact names, exact types, one error code.

Owns: the small vocabulary (text, count, flag, list) with which every document of this package is read.
Does not own: what a member means.
Invariant: nothing is converted or guessed; a value of another type, form or size is Rejected with the document's own code.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mainstay_trust.canonical import INTEGER_MAX, JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import bytes_from_hex

T = TypeVar("T")

CROCKFORD_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")


class Members:
    """An object that has exactly the members named (optional ones may be absent)."""

    def __init__(self, value: object, *, code: str, names: Iterable[str], optional: Iterable[str] = ()) -> None:
        needed, allowed = set(names), set(names) | set(optional)
        if not isinstance(value, Mapping):
            raise Rejected(code, "an object is expected")
        odd = (needed - set(value)) | (set(value) - allowed)
        if odd:
            raise Rejected(code, f"members missing or unknown: {', '.join(sorted(map(repr, odd)))[:200]}")
        self._value = value
        self._code = code

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def raw(self, name: str) -> JSON:
        value: JSON = self._value[name]
        return value

    def text(self, name: str, *, most: int = 500, form: re.Pattern[str] = _PRINTABLE) -> str:
        return self._text(name, self._value[name], most, form)

    def text_or_none(self, name: str, *, most: int = 500, form: re.Pattern[str] = _PRINTABLE) -> str | None:
        return self.text(name, most=most, form=form) if self.has(name) else None

    def choice(self, name: str, allowed: Iterable[str]) -> str:
        value = self.text(name)
        return value if value in allowed else self._refuse(name)

    def count(self, name: str, *, least: int = 0, most: int = INTEGER_MAX) -> int:
        value = self._value[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._refuse(name)
        return int(value)

    def count_or_none(self, name: str, *, least: int = 0) -> int | None:
        return self.count(name, least=least) if self.has(name) else None

    def flag(self, name: str) -> bool:
        value = self._value[name]
        return value if isinstance(value, bool) else bool(self._refuse(name))

    def digest(self, name: str) -> str:
        return bytes_from_hex(self._value[name], 32, code=self._code).hex()

    def digest_or_none(self, name: str) -> str | None:
        return self.digest(name) if self.has(name) else None

    def record(self, name: str) -> Mapping[str, JSON]:
        value = self._value[name]
        return value if isinstance(value, Mapping) else self._refuse_record(name)

    def items(self, name: str, read: Callable[[object], T], *, most: int = 1000) -> tuple[T, ...]:
        value = self._value[name]
        if not isinstance(value, list | tuple) or len(value) > most:
            self._refuse(name)
        return tuple(read(item) for item in value)

    def texts(self, name: str, *, most: int = 1000, form: re.Pattern[str] = _PRINTABLE) -> tuple[str, ...]:
        return self.items(name, lambda item: self._text(name, item, 500, form), most=most)

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        return self.texts(name) if self.has(name) else None

    def _text(self, name: str, value: object, most: int, form: re.Pattern[str]) -> str:
        if not isinstance(value, str) or len(value) > most or not form.fullmatch(value):
            return self._refuse(name)
        return value

    def _refuse(self, name: str) -> str:
        raise Rejected(self._code, f"{name} has a wrong type, form or size")

    def _refuse_record(self, name: str) -> Mapping[str, JSON]:
        raise Rejected(self._code, f"{name} is not an object")
