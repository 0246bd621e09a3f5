"""HTTP message signatures of the agent protocol (a subset of RFC 9421) and content digests (RFC 9530).

Owns: the one shape of signed request that an agent makes, its signature base, its parsing and judgement.
Does not own: sockets, clocks, which key belongs to which device (a callable looks it up).
Invariant: covered components and parameters are exactly those below, in that order; nothing is negotiated.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Sign, Verify, signature_holds

COVERED = '("@method" "@path" "@query" "content-digest" "content-type")'
TAG = "mainstay-agent-v1"
SKEW_S_MAX = 300
_INPUT = re.compile(r"sig1=(" + re.escape(COVERED) + r';created=([0-9]{1,12});keyid="([0-9a-f]{64})";alg="ed25519";tag="' + TAG + r'")')
_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/]{86}==):")


@dataclass(frozen=True)
class Request:
    """The covered parts of a request; `query` is without the question mark."""

    method: str
    path: str
    query: str
    content_type: str
    body: bytes


def content_digest(body: bytes) -> str:
    """Return the Content-Digest header of a body (also of an empty one)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def parameters(created: int, keyid: str) -> str:
    return f'{COVERED};created={created};keyid="{keyid}";alg="ed25519";tag="{TAG}"'


def signature_base(request: Request, params: str) -> bytes:
    """Return the bytes that are signed. Source: RFC 9421 section 2.5."""
    lines = (
        f'"@method": {request.method}',
        f'"@path": {request.path}',
        f'"@query": ?{request.query}',
        f'"content-digest": {content_digest(request.body)}',
        f'"content-type": {request.content_type}',
        f'"@signature-params": {params}',
    )
    return "\n".join(lines).encode()


def sign_request(request: Request, *, keyid: str, sign: Sign, created: int) -> dict[str, str]:
    """Return the headers Content-Digest, Content-Type, Signature-Input and Signature for a request."""
    params = parameters(created, keyid)
    signature = base64.b64encode(sign(signature_base(request, params))).decode("ascii")
    return {
        "Content-Digest": content_digest(request.body),
        "Content-Type": request.content_type,
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{signature}:",
    }


def verify_request(
    request: Request, headers: Mapping[str, str], *, find_key: Callable[[str], bytes | None], verify: Verify, at: int
) -> str:
    """Return the key id that signed the request.

    Header names are compared in lower case. Errors: Rejected: digest_mismatch, bad_signature, unknown_key, clock_skew
    (checked last, so that only a real device learns the server's time).
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("content-digest") != content_digest(request.body):
        raise Rejected("digest_mismatch", "Content-Digest is not that of the body")
    params, created, keyid, signature = _parse(lower)
    public = find_key(keyid)
    if public is None:
        raise Rejected("unknown_key", "no device has this transport key")
    if not signature_holds(verify, public, signature_base(request, params), signature):
        raise Rejected("bad_signature", "the request's signature does not hold")
    if abs(created - at) > SKEW_S_MAX:
        raise Rejected("clock_skew", f"created differs from the server's time by {created - at} s")
    return keyid


def claimed_keyid(headers: Mapping[str, str]) -> str:
    """Return the key id that a request names, without believing it."""
    return _parse({name.lower(): value for name, value in headers.items()})[2]


def _parse(headers: Mapping[str, str]) -> tuple[str, int, str, bytes]:
    found = _INPUT.fullmatch(headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if found is None or signature is None:
        raise Rejected("bad_signature", "Signature-Input or Signature are missing or not of the agreed form")
    return found.group(1), int(found.group(2)), found.group(3), base64.b64decode(signature.group(1))
