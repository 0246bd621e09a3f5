"""Ed25519 keys as this product counts them: ids, admissible points, holders and thresholds.

Owns: the key id, the checks that make two Ed25519 libraries agree, who has signed, and whether that is enough.
Does not own: the Ed25519 function (passed in as `Verify`), private keys.
Invariant: a threshold counts distinct holders with a valid, unrevoked, unexpired key; one person never counts twice.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mainstay_trust.errors import Rejected

Verify: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""verify(public key, message, signature): a bare RFC 8032 check that returns False, never raises, on a bad signature."""
Sign: TypeAlias = Callable[[bytes], bytes]

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022
# The y coordinates of the eight points of small order; both signs of x are refused with them.
_SMALL_ORDER_Y = frozenset({0, 1, PRIME - 1, _ORDER_8_Y, PRIME - _ORDER_8_Y})


@dataclass(frozen=True)
class Key:
    """A public key, the person or process that holds it, and the last second at which it counts."""

    public: bytes
    holder: str
    expires: int | None = None

    @property
    def key_id(self) -> str:
        return key_id(self.public)


@dataclass(frozen=True)
class Role:
    """The keys that may act for one role, and how many distinct holders it takes."""

    keys: tuple[Key, ...]
    threshold: int = 1


@dataclass(frozen=True)
class Quorum:
    """How far a set of signatures carries a role; `would_reach` counts revoked and expired keys too."""

    holders: frozenset[str]
    lapsed: frozenset[str]
    threshold: int

    @property
    def is_reached(self) -> bool:
        return self.threshold >= 1 and len(self.holders) >= self.threshold

    @property
    def would_reach(self) -> bool:
        return self.threshold >= 1 and len(self.holders | self.lapsed) >= self.threshold

    @property
    def failure(self) -> str:
        """The code that names why the quorum is missing: only lapsed keys stood in the way, or too few people signed."""
        return "key_revoked" if self.would_reach else "threshold"


@dataclass(frozen=True)
class Keyring:
    """Every key that a verifier knows, by id, with the ids that policy has revoked."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Iterable[Key], revoked: Iterable[str] = ()) -> "Keyring":
        return cls({key.key_id: key for key in keys}, frozenset(revoked))

    def quorum(self, role: Role, signed_by: Iterable[str], *, at: int) -> Quorum:
        """Count the holders of `role` among the keys that have validly signed (ids), at a Unix second."""
        signed = frozenset(signed_by)
        present = [key for key in role.keys if key.key_id in signed]
        good = frozenset(key.holder for key in present if self.counts(key, at=at))
        return Quorum(good, frozenset(key.holder for key in present) - good, role.threshold)

    def counts(self, key: Key, *, at: int) -> bool:
        """Tell whether a key is neither revoked nor past its last second (inclusive)."""
        return key.key_id not in self.revoked and (key.expires is None or at <= key.expires)


def key_id(public: bytes) -> str:
    """Return the id of a key: lower-case hex SHA-256 of its 32 raw public bytes."""
    return hashlib.sha256(public).hexdigest()


def check_public(public: bytes) -> bytes:
    """Return the key itself if it is a canonical point of large order, else raise Rejected("bad_key").

    A key of small order verifies signatures that nobody made, and a second spelling of a key would give it two ids.
    Source: RFC 8032 section 5.1.3; Chalkias et al., "Taming the many EdDSAs".
    """
    if len(public) != 32 or _y(public) >= PRIME:
        raise Rejected("bad_key", "not a canonical Ed25519 key")
    if _y(public) in _SMALL_ORDER_Y:
        raise Rejected("bad_key", "the key has small order")
    if not _is_on_curve(_y(public)):
        raise Rejected("bad_key", "not a point of the curve")
    return public


def check_key_id(listed: str, public: bytes) -> str:
    """Return the key id if the listed one is the key's own, else raise Rejected("bad_keyid")."""
    if listed != key_id(check_public(public)):
        raise Rejected("bad_keyid", "a listed key id is not the hash of its key")
    return listed


def public_from_hex(text: object) -> bytes:
    """Read a public key from 64 lower-case hex digits and check it."""
    return check_public(bytes_from_hex(text, 32, code="bad_key"))


def bytes_from_hex(text: object, length: int, *, code: str) -> bytes:
    """Read exactly `length` bytes of lower-case hex; anything else is Rejected with the code given."""
    if not isinstance(text, str) or len(text) != 2 * length or not set(text) <= set("0123456789abcdef"):
        raise Rejected(code, f"{2 * length} lower-case hex digits are expected")
    return bytes.fromhex(text)


def signature_holds(verify: Verify, public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify after refusing every input on which Ed25519 libraries are known to disagree.

    Refused before the library is called: S >= L (malleable), small-order or non-canonical R and A.
    """
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    if not (_is_strict_point(public) and _is_strict_point(signature[:32])):
        return False
    return verify(public, message, signature)


def _is_strict_point(encoded: bytes) -> bool:
    return len(encoded) == 32 and _y(encoded) < PRIME and _y(encoded) not in _SMALL_ORDER_Y


def _y(encoded: bytes) -> int:
    return int.from_bytes(encoded, "little") & (2**255 - 1)


def _is_on_curve(y: int) -> bool:
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    return x_squared == 0 or pow(x_squared, (PRIME - 1) // 2, PRIME) == 1
