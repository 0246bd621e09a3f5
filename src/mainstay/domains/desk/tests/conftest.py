"""The cast, a clock that stands still, and the desk as the worker and as people use it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import pytest
from tests.support.cast import Cast, make_cast

from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk import services
from mainstay.domains.desk.models import Ticket
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock
from mainstay.kernel.severity import Severity


@dataclass(frozen=True)
class FiredAlert:
    """An alert as `alerting` would brief about it."""

    fired_at: datetime
    fingerprint: str = "service.down/elm-ehr1/nginx"
    severity: Severity = Severity.CRITICAL
    summary: str = "nginx on elm-ehr1 is down"
    rule: str = "service.down"
    subject: str = "nginx"
    fold_id: UUID | None = None
    device_id: UUID | None = field(default_factory=new_id)
    id: UUID = field(default_factory=new_id)


@dataclass
class Desk:
    """The desk of one tenant. `worker` is the system; people pass themselves with `by`."""

    cast: Cast
    clock: FixedClock
    worker: Actor

    def alert(self, **what: object) -> FiredAlert:
        return FiredAlert(**{"fired_at": self.clock.now(), **what})

    def open(self, alert: FiredAlert | None = None) -> Ticket:
        return services.open_incident(actor=self.worker, alert=alert or self.alert(), clock=self.clock)

    def recover(self, alert: FiredAlert) -> Ticket | None:
        return services.recover_incident(actor=self.worker, alert_id=alert.id, clock=self.clock)

    def sweep(self) -> int:
        return services.fire_due_clocks(actor=self.worker, clock=self.clock)

    @property
    def tara(self) -> Actor:
        return self.cast.tara.in_(self.cast.elm)


@pytest.fixture
def clock() -> FixedClock:
    """Thursday noon in the office."""
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@pytest.fixture
def desk(cast: Cast, clock: FixedClock) -> Desk:
    """The desk of Elm Street Clinic, inside a transaction bound to it."""
    bind(cast.elm.id)
    return Desk(cast, clock, actors.system("worker", cast.elm.id))
