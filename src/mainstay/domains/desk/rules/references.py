"""References that people read aloud: PREFIX-n-cc with check digits.

Owns: building and reading them. Does not own: numbers (services) or prefixes (tenancy).
Source: ISO 7064 MOD 97-10 over PREFIX followed by n, letters as A=10 to Z=35.
"""

import re
from typing import NamedTuple

from mainstay.kernel.errors import Invalid

_SHAPE = re.compile(r"([A-Z]{1,6})-([1-9][0-9]{0,17})-([0-9]{2})", re.ASCII)


class Reference(NamedTuple):
    """A reference taken apart."""

    prefix: str
    number: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.number}-{check_digits(self.prefix, self.number):02d}"


def check_digits(prefix: str, number: int) -> int:
    """Return the two check digits, 2 to 98; a swapped or mistyped character changes them."""
    digits = "".join(str(ord(letter) - ord("A") + 10) for letter in prefix) + str(number)
    return 98 - int(digits) * 100 % 97


def parse_reference(text: str) -> Reference:
    """Read a reference as a person types it. Errors: Invalid("desk.reference_bad") for a wrong shape or check digits."""
    match = _SHAPE.fullmatch(text.strip().upper())
    if match is None:
        raise Invalid("desk.reference_bad", f"{text[:40]!r} is no ticket reference. They look like ACME-1042-29.")
    reference = Reference(match[1], int(match[2]))
    if check_digits(*reference) != int(match[3]):
        raise Invalid("desk.reference_bad", f"The check digits of {text[:40]!r} do not fit: it was probably mistyped.")
    return reference
