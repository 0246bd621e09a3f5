"""DSSE v1 envelopes: bytes, their type, and who has signed both.

Owns: the signed bytes (PAE), the JSON of an envelope, the set of known keys that validly signed it.
Does not own: what a payload means, or how many signatures are enough (`keys`).
Invariant: the key id in a signature is only a hint; a signature counts for the key under which it verifies, once.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, Sign, Verify, key_id, signature_holds

ENVELOPE_BYTES_MAX = 96 * 1024
PAYLOAD_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 16

COMMAND = "application/vnd.mainstay.command.v1+json"
RESULT = "application/vnd.mainstay.result.v1+json"
REPLY = "application/vnd.mainstay.reply.v1+json"
ROOT = "application/vnd.mainstay.root.v1+json"
POLICY = "application/vnd.mainstay.policy.v1+json"
SUCCESSION = "application/vnd.mainstay.succession.v1+json"
UNFREEZE = "application/vnd.mainstay.unfreeze.v1+json"
BREAK_GLASS = "application/vnd.mainstay.breakglass.v1+json"
DIARY = "application/vnd.mainstay.diary.v1+json"


@dataclass(frozen=True)
class Signature:
    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Signer:
    """A public key with the function that signs for it; the private key stays where it is."""

    public: bytes
    sign: Sign


@dataclass(frozen=True)
class Envelope:
    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": s.keyid, "sig": base64.b64encode(s.sig).decode("ascii")} for s in self.signatures],
        }

    def encode(self) -> bytes:
        return canonical.encode(self.as_json())


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: the bytes that are really signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(payload_type: str, payload: bytes, signers: Iterable[Signer]) -> Envelope:
    """Sign a payload with each signer."""
    envelope = Envelope(payload_type, payload, ())
    for signer in signers:
        envelope = add_signature(envelope, signer)
    return envelope


def add_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """Return the envelope with one more signature; an earlier one of the same key is replaced."""
    mine = key_id(signer.public)
    others = tuple(s for s in envelope.signatures if s.keyid != mine)
    made = Signature(mine, signer.sign(pae(envelope.payload_type, envelope.payload)))
    return replace(envelope, signatures=(*others, made))


def parse(data: bytes, *, bytes_max: int = ENVELOPE_BYTES_MAX) -> Envelope:
    """Read an envelope from bytes; Rejected("too_large" | "bad_envelope")."""
    if len(data) > bytes_max:
        raise Rejected("too_large", f"an envelope has at most {bytes_max} bytes")
    try:
        return from_json(canonical.parse(data, depth_max=8))
    except Rejected as error:
        raise Rejected("bad_envelope", error.detail) from error


def from_json(value: object, *, is_draft: bool = False) -> Envelope:
    """Read an envelope that is already a JSON value; members that DSSE does not know are ignored, as it demands.

    `is_draft`: nobody needs to have signed yet.
    """
    if not isinstance(value, Mapping):
        raise Rejected("bad_envelope", "an object is expected")
    payload_type, signatures = value.get("payloadType"), value.get("signatures")
    if not isinstance(payload_type, str) or not isinstance(signatures, Sequence) or isinstance(signatures, str):
        raise Rejected("bad_envelope", "payloadType or signatures are missing")
    if not (0 if is_draft else 1) <= len(signatures) <= SIGNATURES_MAX:
        raise Rejected("bad_envelope", f"1 to {SIGNATURES_MAX} signatures are expected")
    return Envelope(payload_type, strict_base64(value.get("payload")), tuple(_signature(item) for item in signatures))


def signed_by(envelope: Envelope, known: Iterable[Key], verify: Verify) -> frozenset[str]:
    """Return the ids of the known keys that have validly signed the envelope."""
    message = pae(envelope.payload_type, envelope.payload)
    candidates = {key.key_id: key.public for key in known}
    found: set[str] = set()
    for signature in envelope.signatures:
        for keyid in _hinted_first(signature.keyid, candidates):
            if keyid not in found and signature_holds(verify, candidates[keyid], message, signature.sig):
                found.add(keyid)
                break
    return frozenset(found)


def strict_base64(text: object) -> bytes:
    """Decode standard base64 with exact padding and no second spelling of the same bytes."""
    if not isinstance(text, str) or not text.isascii():
        raise Rejected("bad_envelope", "base64 text is expected")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Rejected("bad_envelope", "not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise Rejected("bad_envelope", "not canonical base64")
    return data


def _signature(item: object) -> Signature:
    if not isinstance(item, Mapping):
        raise Rejected("bad_envelope", "a signature is an object")
    keyid = item.get("keyid", "")
    if not isinstance(keyid, str):
        raise Rejected("bad_envelope", "keyid is text")
    return Signature(keyid, strict_base64(item.get("sig")))


def _hinted_first(hint: str, candidates: Mapping[str, bytes]) -> list[str]:
    return sorted(candidates, key=lambda keyid: keyid != hint)
