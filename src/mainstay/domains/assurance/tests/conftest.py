"""Elm Street Clinic with two devices whose facts have arrived as agents send them."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.cast import Cast, make_cast

from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.assurance import services
from mainstay.domains.assurance.models import AuditRun, Finding
from mainstay.domains.assurance.tests.builders import FACTS
from mainstay.domains.estate.models import Device, DeviceState
from mainstay.domains.estate.rules.freshness import group_hash
from mainstay.domains.estate.services.facts import GroupReport, store_facts
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock
from mainstay.kernel.json import JsonObject


@dataclass
class Assurance:
    """The audits of Elm Street Clinic, inside a transaction bound to it. `tara` is a technician there."""

    cast: Cast
    clock: FixedClock
    tenant: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = self.cast.elm.id

    @property
    def tara(self) -> Actor:
        return self.cast.tara.in_(self.cast.elm)

    @property
    def worker(self) -> Actor:
        return actors.system("worker", self.tenant)

    def device(self, name: str = "elm-ehr1", facts: dict[str, JsonObject | str] | None = None, **what: object) -> Device:
        """Make a device whose facts have come in; a text instead of a body is the reason why there is none."""
        now = self.clock.now()
        made = Device.objects.create(
            id=new_id(), tenant=self.tenant, name=name, state=DeviceState.ACTIVE, machine_id_hash=name, first_enrolled_at=now,
            last_seen_at=now, agent_version="1.0", **what,
        )  # fmt: skip
        self.report(made, FACTS | {"os": {**FACTS["os"], "hostname": name}} if facts is None else facts)  # type: ignore[dict-item]  # a body
        made.refresh_from_db()
        return made

    def heartbeat(self, device: Device) -> None:
        """The device speaks, and confirms that no fact has changed."""
        device.last_seen_at = device.facts_confirmed_at = self.clock.now()
        device.save(update_fields=["last_seen_at", "facts_confirmed_at"])

    def report(self, device: Device, facts: dict[str, JsonObject | str]) -> None:
        at = int(self.clock.now().timestamp())
        reports = [
            GroupReport(name, group_hash(None, body), at, None, body)
            if isinstance(body, str)
            else GroupReport(name, group_hash(body, ""), at, body)
            for name, body in facts.items()
        ]
        store_facts(actor=actors.device(device.id, self.tenant), device_id=device.id, reports=reports, clock=self.clock)

    def audit(self, device: Device | None = None, **what: object) -> AuditRun:
        scope = {"kind": "client"} if device is None else {"kind": "device", "scope_id": device.id}
        return services.start_audit(**{"actor": self.tara, "clock": self.clock, **scope, **what})

    def finding(self, check: str) -> Finding:
        return Finding.objects.get(tenant=self.tenant, check_id=check)

    def later(self, **by: int) -> None:
        self.clock.forward(seconds=timedelta(**by).total_seconds())


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@pytest.fixture
def elm(cast: Cast, clock: FixedClock) -> Assurance:
    bind(cast.elm.id)
    return Assurance(cast, clock)
