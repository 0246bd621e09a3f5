"""The cast, a clock that stands still, and the desk as the worker and as people use it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone
from tests.support.cast import Cast, Member, make_cast

from mainstay.core.tenancy.binding import bind, tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk import queries, services
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
    resolved_at: datetime | None = None
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


# --- over HTTP ------------------------------------------------------------------------------------------------------


def signed_in(member: Member) -> Client:
    """A browser in which somebody has signed in with a second factor."""
    client = Client(headers={"host": "localhost"})
    client.force_login(member.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": 0}]
    session["account_authentication_methods_user"] = str(member.person.pk)
    session.save()
    return client


def now_of(ticket: Ticket) -> Ticket:
    """The ticket as the database has it now."""
    with tenant_transaction(ticket.tenant):
        return queries.incident(ticket.tenant, ticket.id)


@pytest.fixture
def web_clock() -> FixedClock:
    """Requests are dated by the system's clock, so what they find began a little before it."""
    return FixedClock(timezone.now() - timedelta(minutes=5))


@pytest.fixture
def web_cast(transactional_db: None, web_clock: FixedClock) -> Cast:
    return make_cast(web_clock)


@pytest.fixture
def web_worker(web_cast: Cast) -> Actor:
    return actors.system("worker", web_cast.harbor.id)


@pytest.fixture
def ticket(web_worker: Actor, web_clock: FixedClock) -> Ticket:
    """A committed incident of Harbor Law."""
    with tenant_transaction(web_worker.tenant):
        return services.open_incident(actor=web_worker, alert=FiredAlert(fired_at=web_clock.now()), clock=web_clock)


@pytest.fixture
def tara(web_cast: Cast) -> Client:
    return signed_in(web_cast.tara)
