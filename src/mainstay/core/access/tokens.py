"""The text of an API token: recognisable to secret scanners, checkable for typing errors, worthless as stored.

Owns: form, checksum and hash. Pure; the caller brings randomness.
Source: security page, section 2 rule 16 (`mst1_<10 id>_<43 secret>_<8 hex CRC-32>`).
"""

import hashlib
import re
import zlib
from dataclasses import dataclass

_FORM = re.compile(r"(mst1_([A-Za-z0-9]{10})_([A-Za-z0-9_-]{43}))_([0-9a-f]{8})")
KEY_ID_LENGTH = 10


@dataclass(frozen=True)
class TokenText:
    """The two parts of a token that somebody presented."""

    key_id: str
    secret: str

    @property
    def secret_sha256(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()


def spell(key_id: str, secret: str) -> str:
    """Return the text that a person keeps."""
    body = f"mst1_{key_id}_{secret}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def read(text: str) -> TokenText | None:
    """Read a token, or return None when it is not one or was mistyped."""
    match = _FORM.fullmatch(text)
    if match is None or f"{zlib.crc32(match[1].encode()):08x}" != match[4]:
        return None
    return TokenText(key_id=match[2], secret=match[3])
