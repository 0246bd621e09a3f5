"""A device of Harbor Law whose units, facts and contact a test moves as it likes."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from tests.support.cast import Cast, make_cast

from mainstay.core.jobs.models import Event
from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.domains.alerting import services
from mainstay.domains.alerting.models import Alert, Transition
from mainstay.domains.estate.models import Device, DeviceState, Fact, UnitState
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@dataclass
class Alerting:
    """Alerting of one tenant, inside a transaction bound to it."""

    cast: Cast
    clock: FixedClock
    tenant: UUID
    device: Device

    @property
    def rules(self) -> Actor:
        return actors.system("rules", self.tenant)

    @property
    def tara(self) -> Actor:
        return self.cast.tara.in_(self.cast.harbor)

    def unit(self, state: str, name: str = "nginx.service") -> None:
        """The device reports a unit, and is heard by that."""
        now = self.clock.now()
        values = {"manager": "systemd", "state": state, "since": now, "seen": now, "received_at": now}
        UnitState.objects.update_or_create(tenant=self.tenant, device=self.device, unit=name, defaults=values)
        self.hear()

    def fact(self, group: str, body: dict[str, object]) -> None:
        now = self.clock.now()
        values = {"sha256": "0" * 64, "collected_at": now, "received_at": now, "body": body}
        Fact.objects.update_or_create(tenant=self.tenant, device=self.device, group=group, defaults=values)

    def hear(self) -> None:
        Device.objects.filter(id=self.device.id).update(last_seen_at=self.clock.now())

    def look(self, after_s: float = 0, *, heard: bool = True) -> int:
        self.clock.at += timedelta(seconds=after_s)
        if heard:
            self.hear()
        return services.evaluate_device(actor=self.rules, device_id=self.device.id, clock=self.clock)

    def fail(self, name: str = "nginx.service") -> Alert:
        """Let a unit fail until its alert fires."""
        self.unit("failed", name)
        self.look()
        self.look(after_s=2)
        return Alert.objects.get(subject=name, phase="firing")

    def reasons(self) -> list[str]:
        return list(Transition.objects.order_by("at", "id").values_list("reason", flat=True))

    def events(self) -> list[str]:
        return list(Event.objects.filter(tenant=self.tenant).order_by("at", "id").values_list("name", flat=True))

    def acts(self) -> list[str]:
        return [entry.act for entry in ledger.entries(self.tenant)][::-1]


@pytest.fixture
def alerting(cast: Cast, clock: FixedClock) -> Alerting:
    bind(cast.harbor.id)
    device = Device.objects.create(
        tenant=cast.harbor.id, name="harbor-dc1", state=DeviceState.ACTIVE, machine_id_hash="m" * 64,
        first_enrolled_at=clock.now(), last_seen_at=clock.now(),
    )  # fmt: skip
    return Alerting(cast, clock, cast.harbor.id, device)
