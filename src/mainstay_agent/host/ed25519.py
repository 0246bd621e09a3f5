"""Ed25519 through libsodium, and key files.

Owns: the `verify` function that `mainstay_trust` is given, key pairs at rest (32-byte seeds, mode 0600).
Does not own: which key may do what (`mainstay_trust`).
Invariant: a private key is created once, never overwritten, and never leaves this machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from nacl import bindings
from nacl.exceptions import CryptoError

from mainstay_agent.host import durable
from mainstay_trust.dsse import Signer
from mainstay_trust.keys import key_id

SEED_BYTES = 32


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check one signature. Source: RFC 8032."""
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (CryptoError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class KeyPair:
    public: bytes
    _secret: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> "KeyPair":
        public, secret = bindings.crypto_sign_seed_keypair(seed)
        return cls(public, secret)

    @property
    def key_id(self) -> str:
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        return bindings.crypto_sign(message, self._secret)[:64]

    def signer(self) -> Signer:
        return Signer(self.public, self.sign)


def load_or_create(path: Path) -> KeyPair:
    """Return the key pair of a file, made from the system's randomness when there is none yet. Errors: ValueError for a damaged file."""
    try:
        seed = path.read_bytes()
    except FileNotFoundError:
        seed = os.urandom(SEED_BYTES)
        durable.replace(path, seed)
    if len(seed) != SEED_BYTES:
        raise ValueError(f"{path} is not a key file")
    return KeyPair.from_seed(seed)
