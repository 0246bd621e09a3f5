"""The log key: what makes a checkpoint the log's own word.

Owns: origins, the installation id in them, the signature over a committed checkpoint.
Does not own: the key file (config reads it, only the worker may), witnesses.
Invariant: Ed25519 is deterministic, so signing the same committed row again gives the same bytes.
Source: security page, section 1 rules 2, 12 and 15.
"""

import base64
import hashlib
from uuid import UUID

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from mainstay.core.ledger.entries import PLATFORM
from mainstay_trust.notes import LOG_KEY, Checkpoint, Note, Vkey, sign_checkpoint

ED25519_KEY_BYTES = 32


class LogSigner:
    """Signs checkpoints with the installation's log key, given as its 32 seed bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public = bytes(self._key.verify_key)

    def vkey(self, origin: str) -> Vkey:
        return Vkey(origin, LOG_KEY, self.public)

    def sign(self, checkpoint: Checkpoint) -> Note:
        return sign_checkpoint(checkpoint, self.vkey(checkpoint.origin), lambda message: bytes(self._key.sign(message).signature))


def installation_id(first_public: bytes) -> str:
    """Return the 16 characters that name an installation, from the first public key of its platform log."""
    return base64.b32encode(hashlib.sha256(first_public).digest()).decode("ascii").lower()[:16]


def origin_of(iid: str, tenant: UUID, epoch: int) -> str:
    """Return a log's origin. It names no client and never changes."""
    return f"mainstay.{iid}/platform/{epoch}" if tenant == PLATFORM else f"mainstay.{iid}/t/{tenant}/{epoch}"


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """The bare RFC 8032 check that `mainstay_trust` asks for: False, never an exception, on a bad signature."""
    if len(public) != ED25519_KEY_BYTES:
        return False
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
