"""One client with one device, a real ceremony's documents, a command key, and a fired alert about a service."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from nacl.signing import SigningKey
from tests.support.cast import Cast, make_cast

from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.alerting.models import Alert
from mainstay.domains.automation import services
from mainstay.domains.automation.models import Command, DeviceTrust, HealEvent
from mainstay.domains.automation.services.ports import PORTS, SignedCommand
from mainstay.domains.estate.models import Device, DeviceKey, UnitState
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay.kernel.severity import Severity
from mainstay_trust import canonical, dsse
from mainstay_trust.keys import Key, Role, key_id
from mainstay_trust.policies import policy_template
from mainstay_trust.results import FIRST_PREV, Result
from mainstay_trust.roots import ROLES, root_payload

UNIT = "nginx.service"


def signer(seed: int) -> dsse.Signer:
    key = SigningKey(bytes([seed]) * 32)
    return dsse.Signer(bytes(key.verify_key), lambda message: key.sign(message).signature)


@dataclass
class Recorder:
    """Seals commands with a key of the test, and remembers which devices were woken."""

    woken: list[UUID] = field(default_factory=list)

    def seal(self, payload: Mapping[str, Json]) -> SignedCommand:
        body = canonical.encode(dict(payload))
        return SignedCommand(dsse.seal(dsse.COMMAND, body, [signer(1)]).as_json(), hashlib.sha256(body).hexdigest())

    def wake(self, device_id: UUID) -> None:
        self.woken.append(device_id)


@dataclass
class Automation:
    """The automation of Elm Street Clinic. `worker` is the system, `agent` the device, `owner` the person who may sign in documents."""

    cast: Cast
    clock: FixedClock
    worker: Actor
    agent: Actor
    device: Device
    recorder: Recorder
    chain: list[bytes] = field(default_factory=list)

    @property
    def tenant(self) -> UUID:
        return self.worker.tenant

    @property
    def owner(self) -> Actor:
        return self.cast.nadia.in_(self.cast.elm)

    def adopt(self, **policy: Json) -> None:
        """Take in a root and a first policy that lists the service."""
        services.adopt_documents(actor=self.owner, envelopes=[self.root(), self.policy(**policy)], clock=self.clock)
        DeviceTrust.objects.update_or_create(
            tenant=self.tenant,
            device_id=self.device.id,
            defaults={"has_helper": True, "root_version": 1, "policy_epoch": 1, "said_at": self.clock.now()},
        )

    def root(self, *, seed: int = 9) -> dict[str, Json]:
        key, now = Key(signer(seed).public, "Nadia"), int(self.clock.now().timestamp())
        roles = dict.fromkeys(ROLES, Role((key,), 1))
        payload = root_payload(tenant=to_base32(self.tenant), version=1, issued=now, expires=now + 300 * 86400, reduced=True, roles=roles)
        return dict(dsse.seal(dsse.ROOT, payload, [signer(seed)]).as_json())

    def policy(self, *, seed: int = 9, epoch: int = 1, **members: Json) -> dict[str, Json]:
        draft = policy_template(tenant=to_base32(self.tenant), epoch=epoch, issued=int(self.clock.now().timestamp()))
        service = dict.fromkeys(("start", "stop", "status", "reload", "probe", "devices", "user", "cwd"))
        service |= {"name": "nginx", "manager": "systemd", "unit": UNIT, "allow": ["restart"]}
        draft |= {"reduced": True, "services": [service], **members}
        return dict(dsse.seal(dsse.POLICY, canonical.encode(draft), [signer(seed)]).as_json())

    def unit(self, state: str) -> None:
        now = self.clock.now()
        UnitState.objects.update_or_create(
            tenant=self.tenant,
            device=self.device,
            unit=UNIT,
            defaults={"manager": "systemd", "state": state, "since": now, "seen": now, "received_at": now},
        )

    def alert(self, rule: str = "service.down", subject: str = UNIT) -> Alert:
        now = self.clock.now()
        return Alert.objects.create(
            tenant=self.tenant,
            rule_id=rule,
            device_id=self.device.id,
            subject=subject,
            fingerprint=new_id().hex,
            phase="firing",
            severity=Severity.CRITICAL,
            condition="CRIT",
            reason="first_firing",
            summary=f"{subject} is down",
            next_action="Restart it.",
            bad_since=now,
            fired_at=now,
            changed_at=now,
        )

    def consider(self, alert: Alert | None = None) -> HealEvent:
        found = alert or self.alert()
        return services.consider_healing(actor=self.worker, incident_id=new_id(), alert_id=found.id, clock=self.clock)

    def advance(self, run_id: UUID) -> str | None:
        return services.advance(actor=self.worker, run_id=run_id, owner="test", clock=self.clock)

    def answer(self, command: Command, decision: str, *, reason: str | None = None, output: Json = None) -> int:
        """Let the device answer a command with the next link of its chain."""
        return services.accept_results(
            actor=self.agent,
            device_id=self.device.id,
            results=[self.link(command, decision, reason=reason, output=output)],
            clock=self.clock,
        )

    def link(
        self, command: Command | None, decision: str, *, reason: str | None = None, output: Json = None, seed: int = 3
    ) -> dict[str, Json]:
        """Return the next link of the device's chain as it travels, signed."""
        data = canonical.encode(output) if output is not None else None
        salt = bytes(32)
        result = Result(
            tenant=to_base32(self.tenant),
            device=to_base32(self.device.id),
            seq=len(self.chain),
            prev=hashlib.sha256(self.chain[-1]).hexdigest() if self.chain else FIRST_PREV,
            t=int(self.clock.now().timestamp()),
            boot="b1",
            agent="0.1.0",
            decision=decision,
            policy_epoch=1,
            id=to_base32(command.id) if command else to_base32(new_id()),
            cmd=command.payload_sha256 if command else "ab" * 32,
            reason=reason,
            out_commit=hashlib.sha256(b"\x04" + salt + data).hexdigest() if data is not None else None,
            out_len=len(data) if data is not None else None,
        )
        payload = result.encode()
        self.chain.append(payload)
        envelope = dict(dsse.seal(dsse.RESULT, payload, [signer(seed)]).as_json())
        out: Json = {"salt": salt.hex(), "output_b64": base64.b64encode(data).decode()} if data is not None else None
        return {"envelope": envelope, "out": out}


@pytest.fixture
def automation(db: None) -> Iterator[Automation]:
    clock = FixedClock()
    cast = make_cast(clock)
    tenant = cast.elm.id
    bind(tenant)
    device = Device.objects.create(
        tenant=tenant,
        name="elm-ehr1",
        state="active",
        machine_id_hash="0" * 64,
        first_enrolled_at=clock.now() - timedelta(days=1),
        last_seen_at=clock.now(),
        has_helper=True,
    )
    evidence = signer(3).public
    DeviceKey.objects.create(
        tenant=tenant, device=device, purpose="evidence", public_key=evidence, key_id=key_id(evidence), valid_from=clock.now()
    )
    recorder = Recorder()
    before = (PORTS.commands, PORTS.devices)
    PORTS.commands, PORTS.devices = recorder, recorder
    yield Automation(cast, clock, actors.system("worker", tenant), actors.device(device.id, tenant), device, recorder)
    PORTS.commands, PORTS.devices = before
