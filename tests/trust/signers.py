"""Ed25519 for tests: keys from one repeated byte, and both libraries behind the `Verify` shape."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from mainstay_trust.dsse import Signer
from mainstay_trust.keys import Key


def signer(seed_byte: int) -> Signer:
    private = SigningKey(bytes([seed_byte]) * 32)
    return Signer(bytes(private.verify_key), lambda message: private.sign(message).signature)


def key(seed_byte: int, holder: str, expires: int | None = None) -> Key:
    return Key(signer(seed_byte).public, holder, expires)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def verify_openssl(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
