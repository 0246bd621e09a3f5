"""Enrolment without trust on first use: a code that both sides know, proven over everything they saw.

Owns: the code and its spelling, the derived key, the transcript, both proofs and the proofs of possession.
Does not own: nonces (made by the caller), storage of codes, counting of wrong attempts.
Invariant: a server that does not know the code cannot make its MAC, so neither its pin nor its root is accepted.
"""

import hashlib
import hmac
from dataclasses import dataclass

from mainstay_trust import canonical
from mainstay_trust.errors import Rejected

NO_ROOT = "0" * 64
NO_TLS = "0" * 64
PURPOSES = ("transport", "evidence", "witness")
WRONG_MACS_MAX = 5

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0"})
_SALT = b"mainstay-enrol-v1"


@dataclass(frozen=True)
class Code:
    """An enrolment code: the public lookup id and 80 secret bits."""

    code_id: str
    secret: bytes

    def __str__(self) -> str:
        number = int.from_bytes(self.secret, "big")
        digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -5, -5))
        return "-".join([self.code_id, *(digits[at : at + 4] for at in range(0, 16, 4))])

    @property
    def key(self) -> bytes:
        """K of rule N2: HKDF-SHA256 of the secret, bound to this code."""
        return hkdf_sha256(self.secret, salt=_SALT, info=self.code_id.encode("ascii"))


@dataclass(frozen=True)
class Transcript:
    """Everything both sides saw: code id, nonces, the hash of the server's TLS key, the root fingerprint and the URL."""

    code_id: str
    agent_nonce: str
    server_nonce: str
    spki: str
    root: str
    url: str

    @property
    def digest(self) -> bytes:
        members = {"id": self.code_id, "na": self.agent_nonce, "ns": self.server_nonce}
        return hashlib.sha256(canonical.encode(members | {"root": self.root, "spki": self.spki, "url": self.url})).digest()


def parse_code(text: str) -> Code:
    """Read a typed code: case, spaces and hyphens are ignored, I and L read as 1, O as 0. Errors: Rejected("bad_code")."""
    characters = "".join(text.split()).replace("-", "").upper().translate(_READ_AS)
    if len(characters) != 20 or not set(characters) <= set(_ALPHABET):
        raise Rejected("bad_code", "a code has five groups of four letters and digits")
    number = 0
    for character in characters[4:]:
        number = number << 5 | _ALPHABET.index(character)
    return Code(characters[:4], number.to_bytes(10, "big"))


def code_from_random(random: bytes) -> Code:
    """Make a code from 13 random bytes (20 bits of id, 80 of secret)."""
    if len(random) != 13:
        raise Rejected("bad_code", "13 random bytes are expected")
    number = int.from_bytes(random[:3], "big")
    return Code("".join(_ALPHABET[number >> shift & 31] for shift in (15, 10, 5, 0)), random[3:])


def server_mac(key: bytes, transcript: Transcript) -> str:
    """Return the server's proof that it knows the code, hex."""
    return _mac(key, b"server", transcript)


def agent_mac(key: bytes, transcript: Transcript) -> str:
    """Return the agent's proof that it knows the code, hex."""
    return _mac(key, b"agent", transcript)


def macs_match(expected: str, offered: object) -> bool:
    """Compare two proofs in constant time."""
    return isinstance(offered, str) and hmac.compare_digest(expected.encode(), offered.encode())


def possession_message(purpose: str, transcript: Transcript) -> bytes:
    """Return what a new device key signs to show that its private half exists: bound to purpose and transcript."""
    if purpose not in PURPOSES:
        raise Rejected("bad_purpose", "transport, evidence or witness is expected")
    return _SALT + b"\x00" + purpose.encode("ascii") + b"\x00" + transcript.digest


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF with SHA-256. Source: RFC 5869."""
    pseudorandom = hmac.digest(salt, secret, "sha256")
    output, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def _mac(key: bytes, side: bytes, transcript: Transcript) -> str:
    return hmac.new(key, side + b"\x00" + transcript.digest, hashlib.sha256).hexdigest()
