"""A tenant with all its keys, its ledger, and a server that speaks the agent's protocol, in memory.

Owns: whatever stands on the other side of the agent in these tests, the thief included.
Does not own: expectations; a fake never judges what it receives beyond what the protocol demands.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mainstay_agent.authority.launch import Outcome, Program
from mainstay_agent.host.clocks import Clock
from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_agent.net.exchange import Response
from mainstay_agent.net.problems import Unreachable
from mainstay_trust import canonical, dsse, enrol, merkle, notes, roots
from mainstay_trust.commands import Command
from mainstay_trust.dsse import Envelope
from mainstay_trust.enrol import Code, Transcript
from mainstay_trust.errors import Rejected
from mainstay_trust.httpsig import Request, verify_request
from mainstay_trust.issue import ISSUED_ACT, PAYLOAD_MEMBER
from mainstay_trust.keys import Key, Role
from mainstay_trust.ledger_leaf import Leaf, body_commitment
from mainstay_trust.notes import LOG_KEY, Checkpoint, Vkey
from mainstay_trust.policies import policy_template
from mainstay_trust.tlog_proof import TlogProof

NOW = 1_767_225_600
TENANT = "01JD0000000000000000000TEN"
DEVICE = "01JD0000000000000000000DEV"
OTHER = "01JD0000000000000000000AAA"
ORIGIN = "ledger.example/harbor-law"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def pair(number: int) -> KeyPair:
    return KeyPair.from_seed(bytes([number]) * 32)


def identifier(number: int) -> str:
    digits = ""
    for _ in range(8):
        digits, number = ALPHABET[number % 32] + digits, number // 32
    return "01JD00000000000000" + digits


class Ledger:
    """A tenant's log with its key; `fork` makes a second history of the same origin."""

    def __init__(self, key: KeyPair, origin: str = ORIGIN) -> None:
        self.vkey = Vkey(origin, LOG_KEY, key.public)
        self._key = key
        self.tree = merkle.Tree()
        self._issued: dict[bytes, Leaf] = {}
        self.append("access.tenant.created", "t", b"")

    def append(self, act: str, obj: str, commitment: bytes | str) -> Leaf:
        body = commitment if isinstance(commitment, str) else ""
        leaf = Leaf(
            self.vkey.name, self.tree.size, "2026-01-01T00:00:00.000Z", act, "s:worker", f"automation.command:{obj}", "ok", "job", body
        )
        self.tree.append(merkle.leaf_hash(leaf.encode()))
        return leaf

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        count = self.tree.size if size is None else size
        return Checkpoint(self.vkey.name, count, self.tree.root(count))

    def note(self, size: int | None = None) -> bytes:
        return notes.sign_checkpoint(self.checkpoint(size), self.vkey, self._key.sign).encode()

    def consistency(self, old: int) -> list[str]:
        if not 0 < old < self.tree.size:
            return []
        return [hashed.hex() for hashed in merkle.consistency_proof(old, self.tree.size, self.tree.read)]

    def issue(self, payload: bytes, held: int) -> dict[str, Any]:
        """Write the issue leaf of a payload and return what travels with the command."""
        salt, body = bytes(32), {PAYLOAD_MEMBER: hashlib.sha256(payload).hexdigest()}
        self._issued[payload] = self.append(ISSUED_ACT, "c", body_commitment(salt, body))
        return self.prove(payload, held)

    def prove(self, payload: bytes, held: int) -> dict[str, Any]:
        """Return what travels with a payload whose leaf is written, proven under the newest checkpoint."""
        salt, body, leaf = bytes(32), {PAYLOAD_MEMBER: hashlib.sha256(payload).hexdigest()}, self._issued[payload]
        hashes = tuple(merkle.inclusion_proof(leaf.seq, self.tree.size, self.tree.read))
        proof = TlogProof(leaf.seq, hashes, self.note(), leaf.encode()).encode()
        return {"proof": proof, "leaf": {"salt": salt.hex(), "body": body}, "consistency": self.consistency(held)}


@dataclass
class Tenancy:
    """Everything that signs for one tenant. `held` is the ledger size that the device is believed to hold."""

    root_key: KeyPair = field(default_factory=lambda: pair(0x21))
    policy_key: KeyPair = field(default_factory=lambda: pair(0x22))
    operator_keys: tuple[KeyPair, KeyPair] = field(default_factory=lambda: (pair(0x23), pair(0x24)))
    publisher_key: KeyPair = field(default_factory=lambda: pair(0x25))
    server: KeyPair = field(default_factory=lambda: pair(0x01))
    reply: KeyPair = field(default_factory=lambda: pair(0x02))
    ledger: Ledger = field(default_factory=lambda: Ledger(pair(0x05)))
    held: int = 1
    epoch: int = 1
    issued: int = NOW - 60
    _commands: int = 0

    def root(self, version: int = 1, signers: tuple[KeyPair, ...] | None = None, root_key: KeyPair | None = None) -> Envelope:
        key = root_key or self.root_key
        roles = {
            "root": Role((Key(key.public, "nadia"),), 1),
            "policy": Role((Key(self.policy_key.public, "nadia"),), 1),
            "publisher": Role((Key(self.publisher_key.public, "nadia"),), 1),
            "operator": Role(tuple(Key(one.public, name) for one, name in zip(self.operator_keys, ("tara", "omar"), strict=True)), 2),
        }
        payload = roots.root_payload(
            tenant=TENANT, version=version, issued=self.issued, expires=self.issued + 300 * 86400, reduced=True, roles=roles
        )
        return dsse.seal(dsse.ROOT, payload, [one.signer() for one in signers or (key,)])

    def policy(self, epoch: int = 1, signers: tuple[KeyPair, ...] | None = None, **changes: Any) -> Envelope:
        members = policy_template(tenant=TENANT, epoch=epoch, issued=self.issued) | {
            "keys": {
                "server": [{"pub": self.server.public.hex(), "holder": "worker", "expires": None}],
                "reply": [{"pub": self.reply.public.hex(), "holder": "web", "expires": None}],
                "ledger": [{"origin": ORIGIN, "vkey": str(self.ledger.vkey)}],
            },
            "services": [service()],
            "probe_targets": ["127.0.0.1:9"],
            "log_sources": ["/var/log/dpkg.log"],
        }
        payload = canonical.encode(members | changes)
        return dsse.seal(dsse.POLICY, payload, [one.signer() for one in signers or (self.policy_key,)])

    def receipt(self, *, with_root: bool = True, state: str = "active") -> dict[str, Any]:
        return {
            "device": DEVICE,
            "tenant": TENANT,
            "state": state,
            "roots": [self.root().as_json()] if with_root else [],
            "policy": self.policy().as_json() if with_root else None,
            "keys": {
                "server": [self.server.public.hex()],
                "reply": [self.reply.public.hex()],
                "ledger": [{"origin": ORIGIN, "vkey": str(self.ledger.vkey)}],
            },
            "checkpoint": self.ledger.note().decode(),
            "ledger_index": 0,
            "poll_s": 60,
        }

    def command(self, action: str = "service.restart@1", params: dict[str, Any] | None = None, **changes: Any) -> Command:
        self._commands += 1
        tier = (
            "T1"
            if action.startswith(("service.r", "service.start", "time", "agent.restart", "patch.i", "reboot", "tmp", "cache"))
            else "T0"
        )
        command = Command(
            id=identifier(self._commands),
            tenant=TENANT,
            aud=(DEVICE,),
            tier=tier,
            action=action,
            params={"unit": "web"} if params is None else params,
            nbf=NOW - 60,
            exp=NOW + 3600,
            max_targets=1,
            effect="idempotent",
            idem=f"run:{self._commands}/step:1",
            policy_epoch=self.epoch,
            reason="INC-1042",
        )
        return replace(command, **changes)

    def deliver(self, command: Command | bytes, *, signers: tuple[KeyPair, ...] | None = None, logged: bool = True) -> dict[str, Any]:
        """Sign a command, write its leaf, and return the delivery as the poll would carry it."""
        payload = command if isinstance(command, bytes) else command.encode()
        envelope = dsse.seal(dsse.COMMAND, payload, [one.signer() for one in signers or (self.server,)])
        issue = self.ledger.issue(payload, self.held) if logged else {"proof": None, "leaf": None, "consistency": []}
        return {"envelope": envelope.as_json(), **issue}


def service(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": "web",
        "manager": "argv",
        "unit": "web",
        "start": ["/opt/web/ctl", "start"],
        "stop": ["/opt/web/ctl", "stop"],
        "status": ["/opt/web/ctl", "status"],
        "reload": ["/opt/web/ctl", "reload"],
        "probe": None,
        "allow": ["restart", "reload", "start"],
        "devices": None,
        "user": None,
        "cwd": None,
    }
    return entry | changes


@dataclass
class RecordingLauncher:
    """Runs nothing and remembers what it was asked for; `during` is called in place of the effect."""

    outcome: Outcome = field(default_factory=lambda: Outcome(0, b"ok\n"))
    launched: list[tuple[str, tuple[str, ...], dict[str, Any]]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def launch(self, program: Program, request: Mapping[str, object]) -> Outcome:
        self.launched.append((program.module, program.args, json.loads(json.dumps(request))))
        self.during()
        return self.outcome

    @property
    def effects(self) -> list[str]:
        """Return what changed the machine: looks are left out."""
        return [args[0] for module, args, _ in self.launched if module == "service" and args != ("status",)]


def inline(effect: Callable[[], None]) -> None:
    effect()


@dataclass
class FakeServer:
    """Speaks the protocol to one device over the `Exchange` port. Faults are attributes that a test sets."""

    tenancy: Tenancy
    clock: Clock
    code: Code = field(default_factory=lambda: enrol.parse_code("4Q7K-2M1P-9XTW-0HJD-5RSV"))
    url: str = "http://127.0.0.1:8080"
    spki: str = enrol.NO_TLS
    claimed_spki: str | None = None
    with_root: bool = True
    skew_s: int = 0
    is_down: bool = False
    loses_replies: int = 0
    twisted: Callable[[dict[str, Any]], dict[str, Any]] = lambda payload: payload
    reply_signer: KeyPair | None = None
    docs: dict[str, Any] = field(default_factory=lambda: {"root": None, "policy": None})
    orders: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    checkpoints: bool = True
    need_dict: bool = False
    want_groups: list[str] = field(default_factory=list)
    refusal: tuple[int, str] | None = None
    refuses: Callable[[str, dict[str, Any]], bool] = lambda _target, _given: True
    device_keys: dict[str, str] = field(default_factory=dict)
    polls: list[dict[str, Any]] = field(default_factory=list)
    ingested: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[str] = field(default_factory=list)
    on_poll: Callable[[], None] = lambda: None
    _through: dict[tuple[str, str], int] = field(default_factory=dict)
    _nonce: str = ""
    _transcript: Transcript | None = None

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        if self.is_down:
            raise Unreachable("tcp", "connection refused")
        response = self._answer(method, target, body, headers)
        if self.loses_replies:
            self.loses_replies -= 1
            raise Unreachable("timeout", "the answer was lost")
        return response

    def turn_to(self, url: str) -> None:
        self.asked_at.append(url)

    def close(self) -> None:
        return

    # Handlers

    def _answer(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Response:
        given = json.loads(body) if body else {}
        if target == "/agent/v1/enrol/hello":
            return self._hello(given)
        if target == "/agent/v1/enrol/join":
            return self._join(given, body)
        try:
            request = Request(method, target.partition("?")[0], target.partition("?")[2], "application/json", body)
            verify_request(request, headers, find_key=self._find_key, verify=verify, at=self._now())
        except Rejected as problem:
            return self._sealed(body, None, {"error": {"code": problem.code, "message": problem.detail}}, 401)
        if self.refusal is not None and self.refuses(target, given):
            status, code = self.refusal
            return self._sealed(body, given.get("seq") if "poll" in target else None, {"error": {"code": code, "message": ""}}, status)
        handler = {"/agent/v1/poll": self._poll, "/agent/v1/ingest": self._ingest, "/agent/v1/results": self._results}.get(target)
        if target == "/agent/v1/docs":
            return self._sealed(body, None, {"data": self._documents()})
        assert handler is not None, target
        return handler(given, body)

    def _hello(self, given: dict[str, Any]) -> Response:
        self._nonce = "bb" * 16
        fingerprint = hashlib.sha256(self.tenancy.root().payload).hexdigest() if self.with_root else enrol.NO_ROOT
        spki = self.claimed_spki or self.spki
        self._transcript = Transcript(given["id"], given["na"], self._nonce, spki, fingerprint, given["url"])
        mac = enrol.server_mac(self.code.key, self._transcript)
        return _plain(200, {"ns": self._nonce, "spki": spki, "root": fingerprint, "mac": mac})

    def _join(self, given: dict[str, Any], body: bytes) -> Response:
        assert self._transcript is not None
        if not enrol.macs_match(enrol.agent_mac(self.code.key, self._transcript), given["mac"]):
            return self._sealed(body, None, {"error": {"code": "wrong_code", "message": "the code is wrong"}}, 403)
        for purpose, public in given["keys"].items():
            message = enrol.possession_message(purpose, self._transcript)
            assert verify(bytes.fromhex(public), message, base64.b64decode(given["proofs"][purpose])), purpose
        self.device_keys = given["keys"]
        return self._sealed(body, None, {"data": self.tenancy.receipt(with_root=self.with_root)})

    def _poll(self, given: dict[str, Any], body: bytes) -> Response:
        self.polls.append(given)
        self.on_poll()
        if given["hb"] is not None:
            self.tenancy.held = given["hb"]["ckpt_size"]
        checkpoint = None
        if given["hb"] is not None and self.checkpoints:
            consistency = self.tenancy.ledger.consistency(self.tenancy.held)
            checkpoint = {"note": self.tenancy.ledger.note().decode(), "consistency": consistency}
        commands, self.commands = self.commands, []
        data = {
            "commands": commands,
            "docs": self.docs,
            "hints": self.hints,
            "checkpoint": checkpoint,
            "need_dict": self.need_dict,
            "want_groups": self.want_groups,
        }
        return self._sealed(body, given["seq"], {"data": data})

    def _ingest(self, given: dict[str, Any], body: bytes) -> Response:
        key = (given["stream"], given["epoch"])
        through = self._through.get(key, 0)
        if given["seq"] > through + 1:
            return self._sealed(body, None, {"error": {"code": "out_of_order", "message": "", "fields": {"expected": through + 1}}}, 409)
        if given["seq"] == through + 1:
            self._through[key] = given["seq"]
            self.ingested.append(given)
        return self._sealed(body, None, {"data": {"ack_through": self._through[key]}})

    def _results(self, given: dict[str, Any], body: bytes) -> Response:
        self.results += given["results"]
        return self._sealed(body, None, {"data": {"ack_through": 10**6}})

    def _documents(self) -> dict[str, Any]:
        documents = {"roots": [self.tenancy.root().as_json()], "policy": self.tenancy.policy(epoch=self.tenancy.epoch).as_json()}
        return documents | {"orders": self.orders}

    def stream(self, name: str) -> list[Any]:
        return [one["data"] for one in self.ingested if one["stream"] == name]

    def _find_key(self, keyid: str) -> bytes | None:
        public = bytes.fromhex(self.device_keys.get("transport", ""))
        return public if hashlib.sha256(public).hexdigest() == keyid else None

    def _now(self) -> int:
        return self.clock.wall_ms() // 1000 + self.skew_s

    def _sealed(self, body: bytes, seq: int | None, content: dict[str, Any], status: int = 200) -> Response:
        payload = {"v": 1, "t": self._now(), "seq": seq, "body_sha256": hashlib.sha256(body).hexdigest(), **content}
        signer = self.reply_signer or self.tenancy.reply
        envelope = dsse.seal(dsse.REPLY, canonical.encode(self.twisted(payload)), [signer.signer()])
        # A held poll answers with blanks before the JSON, so that proxies do not cut it.
        return Response(status, {"content-type": "application/json"}, b"  " + envelope.encode())


def _plain(status: int, value: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(value).encode())
