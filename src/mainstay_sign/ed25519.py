"""Ed25519 through PyNaCl, in the shapes that `mainstay_trust` asks for.

Owns: turning a seed into a signer. Does not own: strictness (`keys.signature_holds` checks before this is called).
Invariant: `verify` answers False for every signature that does not hold and never raises.
"""

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from mainstay_trust.dsse import Signer


def signer(seed: bytes) -> Signer:
    """Return the signer of a 32-byte seed."""
    private = SigningKey(seed)
    return Signer(bytes(private.verify_key), lambda message: bytes(private.sign(message).signature))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True
