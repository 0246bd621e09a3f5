"""Every answer is sealed by the reply key and names the request that it answers. Source: endpoint page, rule X3."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from nacl.signing import SigningKey

from mainstay.kernel.errors import MainstayError
from mainstay.kernel.json import Json
from mainstay_trust import canonical, dsse

REPLY_BYTES_MAX = 1024 * 1024
HTTP_OF = {
    "clock_skew": 401,
    "unknown_key": 401,
    "bad_signature": 401,
    "digest_mismatch": 400,
    "revoked": 403,
    "out_of_order": 409,
    "replayed": 409,
}


@dataclass(frozen=True)
class Answer:
    """A reply before it is sealed."""

    status: int
    data: Mapping[str, Json] | None = None
    error: Mapping[str, Json] | None = None
    seq: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ReplyKey:
    """The key of the web process: it vouches for answers and for the server's time, never for a command."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self._signer = dsse.Signer(bytes(self._key.verify_key), self._sign)

    @property
    def public(self) -> bytes:
        return self._signer.public

    def seal(self, answer: Answer, body: bytes, at: datetime) -> bytes:
        """Return the envelope of an answer to a request body."""
        payload: dict[str, Json] = {
            "v": 1,
            "t": int(at.timestamp()),
            "seq": answer.seq,
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        payload["error" if answer.error is not None else "data"] = dict(answer.error or answer.data or {})
        # A fraction would be refused by the canonical form itself.
        return dsse.seal(dsse.REPLY, canonical.encode(cast(canonical.JSON, payload)), [self._signer]).encode()

    def _sign(self, message: bytes) -> bytes:
        return bytes(self._key.sign(message).signature)


def refusal(code: str, message: str, *, status: int = 400, seq: int | None = None, **fields: Json) -> Answer:
    """Return an error answer with its code, its sentence and its fields."""
    headers = {"Connection": "close"} if status == 413 else {"Retry-After": "5"} if status == 503 else {}
    return Answer(status, error={"code": code, "message": message, "fields": fields, **fields}, seq=seq, headers=headers)


def of_error(error: MainstayError, seq: int | None = None) -> Answer:
    """Translate an error of the server; only plain values of its fields travel."""
    fields: dict[str, Json] = {name: value for name, value in error.fields.items() if isinstance(value, str | int | bool)}
    return refusal(error.code, error.message, status=HTTP_OF.get(error.code, error.status), seq=seq, **fields)
