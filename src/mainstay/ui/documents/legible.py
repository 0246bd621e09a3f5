"""Characters that the fonts of the renderer can draw; others are written as their code point.

Owns: the list of ranges. Does not own: the fonts.
Invariant: no text makes the archive standard refuse a document, and nothing is dropped in silence: what cannot be drawn is named.
"""

import re
from typing import Final

# Ranges that Libertinus Serif or DejaVu Sans Mono draw in full; a test renders every character of them.
DRAWN: Final = (
    (0x20, 0x7E),  # Basic Latin
    (0xA0, 0xAC),  # Latin-1, without the soft hyphen, which text extraction loses
    (0xAE, 0x17F),  # Latin-1 and Latin Extended-A
    (0x384, 0x38A),  # Greek and Coptic
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),
    (0x400, 0x45F),  # Cyrillic
    (0x1E00, 0x1EF9),  # Latin Extended Additional: Vietnamese and more
    (0x2010, 0x2015),  # dashes
    (0x2018, 0x2022),  # quotation marks, bullets
    (0x2026, 0x2026),
    (0x2030, 0x2030),
    (0x202F, 0x202F),
    (0x20AC, 0x20AC),
    (0x2190, 0x2193),  # arrows
    (0x2212, 0x2212),
    (0x2260, 0x2260),
    (0x2264, 0x2265),
)
_OTHER = re.compile("[^" + "".join(f"{chr(first)}-{chr(last)}".replace("[", r"\[").replace("]", r"\]") for first, last in DRAWN) + "\n]")


def legible(text: str) -> str:
    """Return the text with each character that cannot be drawn written as `[U+4E2D]`; a tab is a space."""
    return _OTHER.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    sign = match.group()
    return " " if sign == "\t" else f"[U+{ord(sign):04X}]"
