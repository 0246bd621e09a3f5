"""A simulated agent: real keys, real enrolment, real signed requests and results; only the machine behind it is invented.

Owns: the agent's side of the protocol as far as the demonstration needs it. Does not own: what the machine says (`machines`).
Of a command it checks signature, audience and time; the fourteen checks of a real device are the real agent's.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # JSON of the protocol

import httpx
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from mainstay.cli.demo import machines
from mainstay.cli.demo.cast import Machine
from mainstay.kernel.errors import Unavailable
from mainstay_trust import canonical, dsse, enrol, policies
from mainstay_trust.commands import Command, parse_command
from mainstay_trust.httpsig import Request, sign_request
from mainstay_trust.keys import Key, key_id
from mainstay_trust.results import Head, Result, out_commit

CONTENT_TYPE = "application/json"
VERSION = "demo"
# A service that will not stay up ends this long after each start.
STUBBORN_S = 5


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check one signature. Source: RFC 8032."""
    try:
        VerifyKey(public).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


@dataclass
class Door:
    """The way to the server, and what time it is on this side of it (Unix seconds)."""

    client: httpx.AsyncClient
    now: Callable[[], float]
    url: str


@dataclass
class Unit:
    """A watched service. `is_stubborn`: it ends again soon after each start."""

    state: str = "running"
    since: int = 0
    is_stubborn: bool = False


@dataclass
class Agent:
    """One device as the server knows it."""

    machine: Machine
    seeds: dict[str, str]
    device: str = ""
    tenant: str = ""
    boot: str = ""
    seq: int = 0
    epoch: str = ""
    batches: dict[str, int] = field(default_factory=dict)
    head: Head = field(default_factory=Head)
    reply_keys: list[str] = field(default_factory=list)
    server_keys: list[str] = field(default_factory=list)
    policy_epoch: int = 0
    checkpoint_size: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    is_quiet: bool = False

    @classmethod
    def new(cls, machine: Machine, at: int) -> "Agent":
        """Return an agent with keys of its own, drawn and never shown."""
        seeds = {purpose: secrets.token_hex(32) for purpose in enrol.PURPOSES}
        units = {unit: Unit(since=at) for unit in machine.units}
        return cls(machine, seeds, boot=secrets.token_hex(16), epoch=secrets.token_hex(8), units=units)

    def key(self, purpose: str) -> SigningKey:
        return SigningKey(bytes.fromhex(self.seeds[purpose]))

    # --- enrolment -----------------------------------------------------------------------------------------------------

    async def join(self, door: Door, code: enrol.Code) -> None:
        """Enrol by a code; the server must prove that it knows the code, too."""
        nonce = secrets.token_hex(16)
        said = await self._plain(door, "/agent/v1/enrol/hello", {"id": code.code_id, "na": nonce, "url": door.url})
        transcript = enrol.Transcript(code.code_id, nonce, said["ns"], said["spki"], said["root"], door.url)
        if not enrol.macs_match(enrol.server_mac(code.key, transcript), said["mac"]):
            raise Unavailable("demo.wrong_code", "The server does not know the code.", retryable=False)
        self._received(await self._plain(door, "/agent/v1/enrol/join", self._joining(code, transcript)))

    def _joining(self, code: enrol.Code, transcript: enrol.Transcript) -> dict[str, Any]:
        keys = {purpose: self.key(purpose) for purpose in enrol.PURPOSES}
        return {
            "id": transcript.code_id,
            "na": transcript.agent_nonce,
            "ns": transcript.server_nonce,
            "mac": enrol.agent_mac(code.key, transcript),
            "keys": {purpose: bytes(key.verify_key).hex() for purpose, key in keys.items()},
            "proofs": {
                purpose: _base64(key.sign(enrol.possession_message(purpose, transcript)).signature) for purpose, key in keys.items()
            },
            "machine": machines.identity(self.machine, self.boot),
            "helper": True,
            "version": VERSION,
        }

    def _received(self, receipt: Mapping[str, Any]) -> None:
        self.device, self.tenant = receipt["device"], receipt["tenant"]
        self.reply_keys = list(receipt["keys"]["reply"])

    def adopt(self, policy: dsse.Envelope) -> None:
        """Take in a signed policy: whose commands count from now on, and who may answer."""
        read = policies.parse_policy(policy.payload)
        self.policy_epoch = read.epoch
        self.server_keys = [key.public.hex() for key in read.server_keys]
        self.reply_keys = sorted({*self.reply_keys, *(key.public.hex() for key in read.reply_keys)})

    # --- what it sends -------------------------------------------------------------------------------------------------

    async def poll(self, door: Door, *, samples: object = None, heartbeat: bool = False) -> Mapping[str, Any]:
        """Send one poll with the states of all watched services, and carry out what comes back."""
        self.seq += 1
        self._wear_out(door.now())
        hb = self._heartbeat() if heartbeat else None
        body = {"seq": self.seq, "wait_s": 0, "boot": self.boot, "samples": samples, "states": self._states(door.now()), "hb": hb}
        answer = await self._signed(door, "/agent/v1/poll", body)
        if isinstance(answer.get("checkpoint"), dict):
            self.checkpoint_size = int(str(answer["checkpoint"]["note"]).splitlines()[1])
        await self._obey(door, answer["commands"])
        return answer

    async def ingest(self, door: Door, stream: str, data: object) -> None:
        """Send one numbered batch of a stream."""
        number = self.batches.get(stream, 0) + 1
        await self._signed(door, "/agent/v1/ingest", {"stream": stream, "epoch": self.epoch, "seq": number, "data": data})
        self.batches[stream] = number

    async def tell(self, door: Door, *, failed_unit: str = "", is_audited: bool = False) -> None:
        """Send the fact groups that differ from those sent before."""
        at = int(door.now())
        groups = machines.facts(self.machine, at, failed_unit=failed_unit, is_audited=is_audited)
        hashes = {**self.facts, **machines.group_hashes(groups)}
        news = {
            name: {"sha256": hashes[name], "collected_at": at, "value": groups[name]}
            for name in groups
            if self.facts.get(name) != hashes[name]
        }
        self.facts = hashes
        if news:
            await self.ingest(door, "facts", {"groups": news, "hash": self._facts_hash()})

    def fail(self, unit: str, at: float, *, is_stubborn: bool = False) -> None:
        """Let a watched service end."""
        self.units[unit] = Unit("failed", int(at * 1000), is_stubborn)

    def repair(self, unit: str, at: float) -> None:
        self.units[unit] = Unit("running", int(at * 1000))

    def _wear_out(self, now: float) -> None:
        for unit in self.units.values():
            if unit.is_stubborn and unit.state == "running" and now * 1000 - unit.since > STUBBORN_S * 1000:
                unit.state, unit.since = "failed", int(now * 1000)

    def _states(self, now: float) -> list[dict[str, Any]]:
        return [
            {"unit": name, "manager": "systemd", "state": one.state, "since": one.since, "seen": int(now * 1000),
             "detail": "exit-code" if one.state == "failed" else ""}
            for name, one in self.units.items()
        ]  # fmt: skip

    def _heartbeat(self) -> dict[str, Any]:
        root = 1 if self.policy_epoch else None
        return {"version": VERSION, "helper": True, "policy_epoch": self.policy_epoch or None, "root_version": root, "freeze": False,
                "chain": {"seq": self.head.seq, "hash": self.head.hash}, "spool": {"bytes": 0, "dropped": 0}, "clock_offset_ms": 1,
                "ckpt_size": self.checkpoint_size, "facts_hash": self._facts_hash(), "diag": [], "cosignature": None}  # fmt: skip

    def _facts_hash(self) -> str:
        return hashlib.sha256(canonical.encode(dict(self.facts))).hexdigest()

    # --- what it does --------------------------------------------------------------------------------------------------

    async def _obey(self, door: Door, deliveries: Sequence[Mapping[str, Any]]) -> None:
        results = [self._carried_out(dsse.from_json(one["envelope"]), door.now()) for one in deliveries]
        if results:
            await self._signed(door, "/agent/v1/results", {"results": results})
            self._wear_out(door.now())
            await self.ingest(door, "states", self._states(door.now()))

    def _carried_out(self, envelope: dsse.Envelope, now: float) -> dict[str, Any]:
        command = parse_command(envelope.payload)
        reason = self._objection(envelope, command, now)
        output: dict[str, Any] = {}
        if reason is None:
            output = self._act(command, now)
        return self._result(envelope, command, reason, canonical.encode(output), now)

    def _objection(self, envelope: dsse.Envelope, command: Command, now: float) -> str | None:
        if not dsse.signed_by(envelope, _keys(self.server_keys), verify):
            return "bad_signature"
        if self.device not in command.aud or command.tenant != self.tenant:
            return "wrong_audience"
        return None if command.nbf <= now <= command.exp else "expired"

    def _act(self, command: Command, now: float) -> dict[str, Any]:
        unit = str(command.params.get("unit", ""))
        found = self.units.setdefault(unit, Unit(since=int(now * 1000)))
        if command.action.startswith(("service.restart", "service.start")):
            found.state, found.since = "running", int(now * 1000)
        return {"unit": unit, "state": found.state}

    def _result(self, envelope: dsse.Envelope, command: Command, reason: str | None, output: bytes, now: float) -> dict[str, Any]:
        salt = secrets.token_bytes(32)
        result = Result(
            tenant=self.tenant,
            device=self.device,
            seq=self.head.seq,
            prev=self.head.hash,
            t=int(now),
            boot=self.boot,
            agent=VERSION,
            decision="refused" if reason else "done",
            policy_epoch=self.policy_epoch,
            id=command.id,
            cmd=hashlib.sha256(envelope.payload).hexdigest(),
            reason=reason,
            exit=None if reason else 0,
            out_commit=out_commit(salt, output),
            out_len=len(output),
            ckpt_size=self.checkpoint_size,
        )
        payload = result.encode()
        key = self.key("evidence")
        self.head = self.head.after(payload)
        signer = dsse.Signer(bytes(key.verify_key), lambda message: key.sign(message).signature)
        return {"envelope": dsse.seal(dsse.RESULT, payload, [signer]).as_json(), "out": {"salt": salt.hex(), "output_b64": _base64(output)}}

    # --- the wire ------------------------------------------------------------------------------------------------------

    async def _plain(self, door: Door, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a request of enrolment: what vouches for its answer is the proof of the code, and no key is known yet."""
        answer = await door.client.post(path, content=_encode(body), headers={"Content-Type": CONTENT_TYPE})
        return _data(canonical.parse_object(dsse.parse(answer.content.strip()).payload))

    async def _signed(self, door: Door, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        sent, key = _encode(body), self.key("transport")
        request = Request("POST", path, "", CONTENT_TYPE, sent)
        headers = sign_request(
            request, keyid=key_id(bytes(key.verify_key)), sign=lambda message: key.sign(message).signature, created=int(door.now())
        )
        answer = await door.client.post(path, content=sent, headers=headers)
        envelope = dsse.parse(answer.content.strip(), bytes_max=4 * 1024 * 1024)
        payload = canonical.parse_object(envelope.payload)
        if not dsse.signed_by(envelope, _keys(self.reply_keys), verify) or payload["body_sha256"] != hashlib.sha256(sent).hexdigest():
            raise Unavailable("demo.reply_not_signed", "An answer was not signed by the server's reply key.", retryable=False)
        return _data(payload)

    # --- keeping -------------------------------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """Return what the process of the living agents needs to go on as this device."""
        return {
            **{name: getattr(self, name) for name in _KEPT},
            "name": self.machine.name,
            "head": [self.head.seq, self.head.hash],
            "units": {name: [one.state, one.since, one.is_stubborn] for name, one in self.units.items()},
        }

    @classmethod
    def from_json(cls, machine: Machine, value: Mapping[str, Any]) -> "Agent":
        units = {name: Unit(*one) for name, one in value["units"].items()}
        return cls(machine, head=Head(*value["head"]), units=units, **{name: value[name] for name in _KEPT})


_KEPT = (
    *("seeds", "device", "tenant", "boot", "seq", "epoch", "batches", "reply_keys", "server_keys", "policy_epoch", "checkpoint_size"),
    *("facts", "is_quiet"),
)


def _data(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    error = payload.get("error")
    if error:
        raise Unavailable("demo.refused", f"The server refused: {error.get('code')}: {error.get('message')}", retryable=False)
    data: Mapping[str, Any] = payload["data"]
    return data


def _keys(public: Iterable[str]) -> list[Key]:
    return [Key(bytes.fromhex(one), "server") for one in public]


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
