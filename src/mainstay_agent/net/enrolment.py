"""Joining a tenant by a code (rules N1 to N3).

Owns: the two requests of enrolment and what the agent demands before it believes the answer.
Does not own: typed codes, proofs and transcripts (`mainstay_trust.enrol`), where documents are kept (`authority`).
Invariant: pin and root are accepted only with a valid proof of the code by the very TLS key that the agent is talking to.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mainstay_agent import VERSION
from mainstay_agent.host.ed25519 import KeyPair
from mainstay_agent.net.exchange import REPLY_BYTES_MAX, Exchange
from mainstay_agent.net.identity import Receipt
from mainstay_agent.net.link import CONTENT_TYPE, encode, open_reply
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_trust import canonical, dsse, enrol
from mainstay_trust.canonical import JSON
from mainstay_trust.enrol import Code, Transcript
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, public_from_hex

_HELLO, _JOIN = "/agent/v1/enrol/hello", "/agent/v1/enrol/join"
TIMEOUT_S = 30.0


class EvidenceKey(Protocol):
    """The holder of the evidence key: the root half, or this process when there is none."""

    def evidence_public(self) -> bytes: ...

    def prove_possession(self, transcript: Transcript) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that wants to join."""

    transport: KeyPair
    witness: KeyPair
    evidence: EvidenceKey
    machine: Mapping[str, JSON]
    has_helper: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """The receipt, and the proof by which the root half may adopt the root in it."""

    receipt: Receipt
    transcript: Transcript
    server_mac: str


def join(exchange: Exchange, url: str, code: Code, candidate: Candidate) -> Joined:
    """Enrol. Errors: ServerRefused (wrong, used or expired code), Unreachable, Rejected if the server cannot prove the code."""
    transcript, mac = _hello(exchange, url, code)
    return Joined(_join(exchange, transcript, code, candidate), transcript, mac)


def _hello(exchange: Exchange, url: str, code: Code) -> tuple[Transcript, str]:
    nonce = secrets.token_hex(16)
    answer = _post(exchange, _HELLO, {"id": code.code_id, "na": nonce, "url": url})
    values = [answer.get(name) for name in ("ns", "spki", "root", "mac")]
    if not all(isinstance(value, str) for value in values):
        raise Unreachable("bad_hello", "the server's answer is incomplete")
    server_nonce, spki, root, mac = map(str, values)
    transcript = Transcript(code.code_id, nonce, server_nonce, spki, root, url)
    if spki != exchange.spki:
        raise Rejected("pin_mismatch", "somebody stands between this machine and the server: its TLS key is another one")
    if not enrol.macs_match(enrol.server_mac(code.key, transcript), mac):
        raise Rejected("wrong_code", "the server does not know this code")
    return transcript, mac


def _join(exchange: Exchange, transcript: Transcript, code: Code, candidate: Candidate) -> Receipt:
    keys = {
        "transport": candidate.transport.public,
        "evidence": candidate.evidence.evidence_public(),
        "witness": candidate.witness.public,
    }
    proofs = {
        "transport": candidate.transport.sign(enrol.possession_message("transport", transcript)),
        "evidence": candidate.evidence.prove_possession(transcript),
        "witness": candidate.witness.sign(enrol.possession_message("witness", transcript)),
    }
    body = {
        "id": transcript.code_id,
        "na": transcript.agent_nonce,
        "ns": transcript.server_nonce,
        "mac": enrol.agent_mac(code.key, transcript),
        "keys": {purpose: public.hex() for purpose, public in keys.items()},
        "proofs": {purpose: _base64(proof) for purpose, proof in proofs.items()},
        "machine": candidate.machine,
        "helper": candidate.has_helper,
        "version": VERSION,
    }
    return _receipt(_post(exchange, _JOIN, body), transcript, candidate.has_helper)


def _receipt(data: Mapping[str, JSON], transcript: Transcript, has_helper: bool) -> Receipt:
    device, tenant = data.get("device"), data.get("tenant")
    if not isinstance(device, str) or not isinstance(tenant, str):
        raise Unreachable("bad_receipt", "the receipt names no device")
    return Receipt(transcript.url, transcript.spki, device, tenant, data, has_helper)


def _post(exchange: Exchange, path: str, body: object) -> Mapping[str, JSON]:
    response = exchange.send("POST", path, encode(body), {"Content-Type": CONTENT_TYPE}, TIMEOUT_S)
    if len(response.body) > REPLY_BYTES_MAX:
        raise Unreachable("too_large")
    try:
        answer = _opened(response.body.strip())
    except Rejected as problem:
        raise Unreachable("bad_reply", f"status {response.status}: {problem.detail}") from problem
    error = answer.get("error")
    if isinstance(error, Mapping):
        raise ServerRefused(str(error.get("code")), str(error.get("message", "")), status=response.status)
    if response.status >= 400:
        raise ServerRefused(str(answer.get("code", "refused")), str(answer.get("detail", answer.get("title", ""))), status=response.status)
    return answer


def _opened(body: bytes) -> Mapping[str, JSON]:
    """Read an answer, signed or plain.

    A receipt is signed by a reply key that it names itself, a greeting by none that we know: what vouches for both is the
    proof of the code together with the TLS key that this proof names.
    """
    answer = canonical.parse_object(body)
    if "payload" not in answer:
        return answer
    payload = canonical.parse_object(dsse.from_json(answer).payload)
    data = payload.get("data")
    named = _reply_keys(data) if isinstance(data, Mapping) else []
    if named:
        open_reply(body, named)
    return data if isinstance(data, Mapping) else payload


def _reply_keys(data: Mapping[str, JSON]) -> list[Key]:
    keys = data.get("keys")
    listed = keys.get("reply") if isinstance(keys, Mapping) else None
    return [Key(public_from_hex(public), "receipt:reply") for public in (listed if isinstance(listed, list | tuple) else [])]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
