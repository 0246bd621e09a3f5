"""The stolen server on loopback: it speaks the agent's protocol, and lies where it is told to.

Owns: enrolment, polls, results and documents as the thief answers them; what the device has sent.
Does not own: forgeries (`thief`), what to expect of the device (`device`).
Invariant: whatever the thief does not falsify in a test is answered as an honest server would answer it.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_trust import canonical, dsse, enrol
from mainstay_trust.dsse import Envelope
from mainstay_trust.enrol import Code, Transcript
from mainstay_trust.httpsig import Request, verify_request
from tests.agent.fakes import DEVICE, ORIGIN, TENANT
from tests.journeys.compromised_server.thief import Thief, now

HELD_S = 20.0
Make = Callable[[Thief], dict[str, Any]]


@dataclass(frozen=True)
class Poll:
    """One poll as it came, and what an honest server would answer."""

    body: bytes
    seq: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Lies:
    """What is falsified now; each test sets what it needs, and `tell_the_truth` ends it."""

    documents: dict[str, Any] | None = None
    heartbeat: Callable[[Thief], dict[str, Any] | None] = Thief.honest_checkpoint
    hints: dict[str, Any] = field(default_factory=dict)
    skew_s: int = 0
    reply: Callable[[Poll], Answer] | None = None


class StolenServer:
    """Holds polls until there is something to deliver. Deliveries are made at that moment, so that proofs start where the device stands."""

    def __init__(self, thief: Thief, root: Envelope | None, policy: Envelope | None) -> None:
        self.thief, self.root, self.policy = thief, root, policy
        self.code: Code = enrol.code_from_random(bytes(range(13)))
        self.lies = Lies()
        self.device_keys: dict[str, str] = {}
        self.heartbeats: list[dict[str, Any]] = []
        self.results: dict[int, Envelope] = {}
        self.last_poll: Poll | None = None
        self.changed = threading.Condition()
        self._queue: list[Make] = []
        self._is_nudged = False
        self._through: dict[str, int] = {}
        self._transcript: Transcript | None = None
        self._http = _listen(self)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.nudge()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(HELD_S)

    def send(self, *makes: Make) -> None:
        with self.changed:
            self._queue += makes
            self.changed.notify_all()

    def nudge(self) -> None:
        """Answer the poll that is held now."""
        with self.changed:
            self._is_nudged = True
            self.changed.notify_all()

    def tell_the_truth(self) -> None:
        with self.changed:
            self.lies = Lies()

    # Requests

    def answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        given = json.loads(body) if body else {}
        if path == "/agent/v1/enrol/hello":
            return self._hello(given)
        if path == "/agent/v1/enrol/join":
            return self._join(given, body)
        verify_request(Request(method, path, "", "application/json", body), headers, find_key=self._find_key, verify=verify, at=now())
        return {
            "/agent/v1/poll": self._poll,
            "/agent/v1/ingest": self._ingest,
            "/agent/v1/results": self._take_results,
            "/agent/v1/docs": self._documents,
        }[path](given, body)

    def _hello(self, given: dict[str, Any]) -> Answer:
        nonce = "bb" * 16
        fingerprint = hashlib.sha256(self.root.payload).hexdigest() if self.root else enrol.NO_ROOT
        self._transcript = Transcript(given["id"], given["na"], nonce, enrol.NO_TLS, fingerprint, given["url"])
        mac = enrol.server_mac(self.code.key, self._transcript)
        return Answer(json.dumps({"ns": nonce, "spki": enrol.NO_TLS, "root": fingerprint, "mac": mac}).encode())

    def _join(self, given: dict[str, Any], body: bytes) -> Answer:
        assert self._transcript is not None
        assert enrol.macs_match(enrol.agent_mac(self.code.key, self._transcript), given["mac"])
        for purpose, public in given["keys"].items():
            message = enrol.possession_message(purpose, self._transcript)
            assert verify(bytes.fromhex(public), message, base64.b64decode(given["proofs"][purpose])), purpose
        self.device_keys = given["keys"]
        receipt = {
            "device": DEVICE,
            "tenant": TENANT,
            "state": "active",
            "roots": [self.root.as_json()] if self.root else [],
            "policy": self.policy.as_json() if self.policy else None,
            "keys": {
                "server": [self.thief.retired.public.hex()],
                "reply": [self.thief.reply.public.hex()],
                "ledger": [{"origin": ORIGIN, "vkey": str(self.thief.ledger.vkey)}],
            },
            "checkpoint": self.thief.ledger.note().decode(),
            "ledger_index": 0,
            "poll_s": 60,
        }
        self.thief.held = self.thief.ledger.tree.size
        return Answer(self.sealed(body, None, receipt))

    def _poll(self, given: dict[str, Any], body: bytes) -> Answer:
        with self.changed:
            if given["wait_s"] and given["hb"] is None:
                self.changed.wait_for(self._has_something_to_say, min(given["wait_s"], HELD_S))
            self._is_nudged = False
            if given["hb"] is not None:
                self.thief.held = given["hb"]["ckpt_size"]
                self.heartbeats.append(given["hb"])
            poll = Poll(body, given["seq"], self._compose(has_heartbeat=given["hb"] is not None))
            answer = Answer(self.sealed(body, given["seq"], poll.data)) if self.lies.reply is None else self.lies.reply(poll)
            self.last_poll = poll
            self.changed.notify_all()
        return answer

    def _has_something_to_say(self) -> bool:
        return bool(self._queue or self._is_nudged or self.lies.documents or self.lies.reply)

    def _compose(self, *, has_heartbeat: bool) -> dict[str, Any]:
        checkpoint = self.lies.heartbeat(self.thief) if has_heartbeat else None
        makes, self._queue = self._queue, []
        announced = {"root": 1, "policy": self.thief.epoch} if self.lies.documents is None else {"root": 99, "policy": 99}
        return {
            "commands": [make(self.thief) for make in makes],
            "docs": announced,
            "hints": self.lies.hints,
            "checkpoint": checkpoint,
            "need_dict": False,
            "want_groups": [],
        }

    def _ingest(self, given: dict[str, Any], body: bytes) -> Answer:
        self._through[given["stream"]] = max(self._through.get(given["stream"], 0), given["seq"])
        return Answer(self.sealed(body, None, {"ack_through": self._through[given["stream"]]}))

    def _take_results(self, given: dict[str, Any], body: bytes) -> Answer:
        with self.changed:
            for one in given["results"]:
                envelope = dsse.from_json(one["envelope"])
                self.results[canonical.parse_object(envelope.payload)["seq"]] = envelope  # type: ignore[index] # a number
            self.changed.notify_all()
            return Answer(self.sealed(body, None, {"ack_through": max(self.results)}))

    def _documents(self, _given: dict[str, Any], body: bytes) -> Answer:
        genuine = {"roots": [one.as_json() for one in (self.root,) if one], "policy": self.policy.as_json() if self.policy else None}
        return Answer(self.sealed(body, None, genuine if self.lies.documents is None else self.lies.documents))

    def sealed(self, body: bytes, seq: int | None, data: dict[str, Any], key: KeyPair | None = None) -> bytes:
        """Sign a reply to a request, as the protocol wants it."""
        payload = {
            "v": 1,
            "t": now() + self.lies.skew_s,
            "seq": seq,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "data": data,
        }
        return dsse.seal(dsse.REPLY, canonical.encode(payload), [(key or self.thief.reply).signer()]).encode()

    def _find_key(self, keyid: str) -> bytes | None:
        public = bytes.fromhex(self.device_keys["transport"])
        return public if hashlib.sha256(public).hexdigest() == keyid else None


def _listen(server: StolenServer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = server.answer(self.command, self.path, body, dict(self.headers.items()))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST  # noqa: N815 the name that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    return http
