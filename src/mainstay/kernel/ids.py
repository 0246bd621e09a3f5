"""Identifiers: UUIDv7 for rows, Crockford base32 for signed documents.

Owns: how an id is built and spelt. Does not own: where time and randomness come from (the caller passes both).
Source: RFC 9562 section 5.7 (UUIDv7); Crockford base32, 26 characters for 128 bits.
"""

from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {char: value for value, char in enumerate(ALPHABET)}


def uuid7(unix_ms: int, random: bytes) -> UUID:
    """Return a UUIDv7 of an instant (milliseconds since 1970) and ten random bytes."""
    if len(random) != 10:
        raise ValueError("a UUIDv7 takes exactly ten random bytes")
    value = (unix_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(random, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def to_base32(value: UUID) -> str:
    """Spell a UUID as signed documents write it: 26 Crockford characters, most significant first."""
    number = value.int
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def from_base32(text: str) -> UUID:
    """Read 26 Crockford characters. Errors: ValueError when the text is anything else."""
    if len(text) != 26 or any(char not in _VALUES for char in text) or _VALUES[text[0]] > 7:
        raise ValueError(f"not a Crockford id of 26 characters: {text[:40]!r}")
    number = 0
    for char in text:
        number = number << 5 | _VALUES[char]
    return UUID(int=number)
