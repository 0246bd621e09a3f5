"""The signed conversation with the server (rules X2 and X3).

Owns: signing requests, judging replies, the measured difference between both clocks.
Does not own: connections (`net.exchange`), what is said (`net.poll`, `net.uplink`, `net.enrolment`).
Invariant: an answer is used only if a reply key signed it for exactly this request.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_agent.net.exchange import REPLY_BYTES_MAX, Exchange, Response
from mainstay_agent.net.problems import ServerRefused, Unreachable
from mainstay_trust import canonical, dsse
from mainstay_trust.canonical import JSON
from mainstay_trust.errors import Rejected
from mainstay_trust.httpsig import Request, sign_request
from mainstay_trust.keys import Key

CONTENT_TYPE = "application/json"
TIMEOUT_S = 30.0
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A judged reply: the server's time (Unix seconds), its data, and the signed envelope as it came."""

    at: int
    data: Mapping[str, JSON]
    envelope: JSON = None


@dataclass(slots=True)
class Link:
    """Speaks as one device. `reply_keys` is asked at each reply, because policy may change it."""

    exchange: Exchange
    transport: KeyPair
    clock: Clock
    reply_keys: Callable[[], Iterable[Key]]
    clock_offset_ms: int | None = None
    retried_for_skew: int = field(default=0)

    def call(self, method: str, path: str, data: object = None, *, seq: int | None = None, timeout_s: float = TIMEOUT_S) -> Reply:
        """Send one signed request; after `clock_skew` once more with the server's time. Errors: Unreachable, ServerRefused."""
        return self.call_body(method, path, b"" if data is None else encode(data), seq=seq, timeout_s=timeout_s)

    def call_body(self, method: str, path: str, body: bytes, *, seq: int | None = None, timeout_s: float = TIMEOUT_S) -> Reply:
        """Send a request whose bytes are fixed already."""
        try:
            return self.call_raw(method, path, body, seq=seq, timeout_s=timeout_s)
        except ServerRefused as refusal:
            if refusal.code != "clock_skew":
                raise
        self.retried_for_skew += 1
        return self.call_raw(method, path, body, seq=seq, timeout_s=timeout_s, skewed=True)

    def call_raw(
        self, method: str, path: str, body: bytes, *, seq: int | None = None, timeout_s: float = TIMEOUT_S, skewed: bool = False
    ) -> Reply:
        path, _, query = path.partition("?")
        created = (self.clock.wall_ms() + (self.clock_offset_ms or 0 if skewed else 0)) // 1000
        request = Request(method, path, query, CONTENT_TYPE, body)
        headers = sign_request(request, keyid=self.transport.key_id, sign=self.transport.sign, created=created)
        response = self.exchange.send(method, path + (f"?{query}" if query else ""), body, headers, timeout_s)
        return self._judge(response, body, seq)

    def _judge(self, response: Response, body: bytes, seq: int | None) -> Reply:
        retry_after = _whole(response.headers.get("retry-after"))
        if response.status >= 500 and not response.body.lstrip().startswith(b"{"):
            raise Unreachable("server_error", f"status {response.status}", retry_after)
        payload = open_reply(response.body, self.reply_keys())
        at = payload.get("t")
        # A server that could not read the request cannot repeat its number; the hash of the body, number included, still binds.
        is_ours = payload.get("seq") == seq or (payload.get("seq") is None and "error" in payload)
        if not isinstance(at, int) or payload.get("body_sha256") != hashlib.sha256(body).hexdigest() or not is_ours:
            raise Unreachable("reply_mismatch", "the reply belongs to another request")
        self.clock_offset_ms = at * 1000 + 500 - self.clock.wall_ms()
        return Reply(at, _data_of(payload, response.status, retry_after), canonical.parse(response.body.strip()))


def open_reply(data: bytes, keys: Iterable[Key]) -> Mapping[str, JSON]:
    """Return the payload of a reply that one of the keys signed. Errors: Unreachable("reply_mismatch")."""
    try:
        envelope = dsse.parse(data.strip(b" \r\n"), bytes_max=REPLY_BYTES_MAX)
        if envelope.payload_type != dsse.REPLY or not dsse.signed_by(envelope, keys, verify):
            raise Unreachable("reply_mismatch", "no reply key signed the answer")
        return canonical.parse_object(envelope.payload)
    except Rejected as problem:
        raise Unreachable("reply_mismatch", problem.code) from problem


def encode(data: object) -> bytes:
    """Write a request body; samples are fractions, so this is plain JSON and not canonical."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _data_of(payload: Mapping[str, JSON], status: int, retry_after: int | None) -> Mapping[str, JSON]:
    error, data = payload.get("error"), payload.get("data")
    if isinstance(error, Mapping):
        fields = error.get("fields")
        expected = error.get("expected", fields.get("expected") if isinstance(fields, Mapping) else None)
        raise ServerRefused(
            str(error.get("code")),
            str(error.get("message", ""))[:500],
            status=status,
            expected=expected if isinstance(expected, int) else None,
            retry_after_s=retry_after,
        )
    if not isinstance(data, Mapping):
        raise Unreachable("reply_mismatch", "a reply without data")
    return data


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and _SECONDS.fullmatch(text) else None
