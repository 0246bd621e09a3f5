"""When rules are looked at: at once after an event, every second for what waits, every five seconds for samples.

Owns: the pace. Does not own: what is decided. An engine that is away changes no alert; it is counted and said.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import close_old_connections

from mainstay.core.access import queries as access_queries
from mainstay.core.jobs.outbox import Event
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.alerting import services
from mainstay.domains.alerting.queries import alerts as alert_queries
from mainstay.domains.alerting.queries import pack as pack_queries
from mainstay.domains.alerting.queries import views as view_queries
from mainstay.domains.alerting.rules.pack import Rule, Source
from mainstay.domains.alerting.rules.readings import DeviceView, Slope
from mainstay.domains.alerting.services import evaluate
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock, SystemClock
from mainstay.kernel.errors import Unavailable
from mainstay.kernel.severity import Condition

PENDING_EVERY_S = 1
SAMPLES_EVERY_S = 5
FACTS_EVERY_S = 600
SLOPES_EVERY_S = 300
PAUSE_S = 30

log = logging.getLogger(__name__)

_Slopes = Mapping[UUID, Mapping[str, Sequence[Slope]]]
_PENDING_SOURCES = frozenset({Source.UNITS, Source.CONTACT})
_SAMPLE_SOURCES = frozenset({Source.SAMPLES, Source.CONTACT})
_OWN_SOURCES = frozenset({Source.MAINSTAY})


@dataclass
class Ticker:
    """The memory of the tick loop between ticks: when things were last done, and since when we have been listening."""

    listening_since: datetime
    last_tick: datetime | None = None
    done: dict[str, datetime] = field(default_factory=dict)
    slopes: dict[UUID, _Slopes] = field(default_factory=dict)
    engine_away: str = ""
    away_noted: set[UUID] = field(default_factory=set)

    def begin(self, at: datetime) -> None:
        """Note a tick. After a pause of ours, silence counts from now: we were not listening."""
        if self.last_tick is not None and (at - self.last_tick > timedelta(seconds=PAUSE_S) or at < self.last_tick):
            self.listening_since = at
        self.last_tick = at

    def is_due(self, what: str, every_s: float, at: datetime) -> bool:
        """Say whether something is due, and if so note that it is being done."""
        last = self.done.get(what)
        if last is not None and timedelta(0) <= at - last < timedelta(seconds=every_s):
            return False
        self.done[what] = at
        return True


def on_device_event(event: Event, actor: Actor, clock: Clock) -> None:
    """Evaluate a device whose units or facts have changed, or that has just joined."""
    services.evaluate_device(actor=actor, device_id=UUID(str(event.payload["device"])), clock=clock)


def run_ticks(stop: threading.Event) -> None:
    """Evaluate until told to stop: the rule loop of the worker process."""
    clock = SystemClock()
    ticker = Ticker(listening_since=clock.now())
    while not stop.wait(PENDING_EVERY_S):
        try:
            tick(ticker, clock)
        finally:
            close_old_connections()


def tick(ticker: Ticker, clock: Clock) -> int:
    """Do what is due now, for every tenant; return how many alerts changed."""
    at = clock.now()
    ticker.begin(at)
    samples = ticker.is_due("samples", SAMPLES_EVERY_S, at)
    facts = ticker.is_due("facts", FACTS_EVERY_S, at)
    changed = 0
    for tenant in access_queries.tenants():
        changed += _pending(tenant, ticker, clock)
        if samples:
            changed += _sources(tenant, _SAMPLE_SOURCES, ticker, clock)
        if facts:
            changed += _sources(tenant, frozenset({Source.FACTS, Source.UNITS}), ticker, clock)
    return changed + (_ourselves(ticker, clock) if samples else 0)


def _pending(tenant: UUID, ticker: Ticker, clock: Clock) -> int:
    """Look again at what waits; each device in a transaction of its own, so that one trouble keeps no other alert back."""
    with tenant_transaction(tenant):
        due = evaluate.due_devices(tenant, at=clock.now())
        services.wake_snoozed(actor=_actor(tenant), clock=clock)
    changed = 0
    for device_id in due:
        with tenant_transaction(tenant):
            changed += services.evaluate_device(
                actor=_actor(tenant), device_id=device_id, clock=clock, sources=_PENDING_SOURCES, listening_since=ticker.listening_since
            )
    return changed


def _sources(tenant: UUID, sources: frozenset[Source], ticker: Ticker, clock: Clock) -> int:
    with tenant_transaction(tenant):
        views, at = _views(tenant, sources, ticker, clock)
        rules = pack_queries.rules_of(tenant)
        due = _due(tenant, views, rules, sources, at)
        back = _spoke_again(tenant, views)
    changed = 0
    for view, own in due:
        with tenant_transaction(tenant):
            changed += services.evaluate_view(actor=_actor(tenant), view=view, rules=own, sources=sources, clock=clock)
    for device_id in back:
        with tenant_transaction(tenant):
            changed += services.evaluate_device(actor=_actor(tenant), device_id=device_id, clock=clock)
    return changed


def _spoke_again(tenant: UUID, views: Sequence[DeviceView]) -> list[UUID]:
    """Return the devices whose alerts still say NODATA although they speak: units and facts are looked at out of turn."""
    heard = [view.device_id for view in views if not view.is_silent]
    rows = alert_queries.open_alerts(tenant, heard).filter(condition=Condition.NODATA)
    return list(rows.order_by().values_list("device_id", flat=True).distinct())


def _views(tenant: UUID, sources: frozenset[Source], ticker: Ticker, clock: Clock) -> tuple[list[DeviceView], datetime]:
    at = clock.now()
    try:
        slopes = _slopes(tenant, ticker, at) if Source.SAMPLES in sources else None
        found = view_queries.device_views(tenant, sources, at=at, listening_since=ticker.listening_since, slopes=slopes)
        _engine_is(ticker, "")
    except Unavailable as error:
        # Our own store is away: what depends on samples keeps its state, contact is judged all the same.
        _engine_is(ticker, error.message)
        if tenant not in ticker.away_noted:
            services.note_unavailable(actor=_actor(tenant), clock=clock)
            ticker.away_noted.add(tenant)
        found = view_queries.device_views(tenant, sources - {Source.SAMPLES}, at=at, listening_since=ticker.listening_since)
    return found, at


def _due(
    tenant: UUID, views: Sequence[DeviceView], rules: Mapping[UUID | None, Mapping[str, Rule]], sources: frozenset[Source], at: datetime
) -> list[tuple[DeviceView, Mapping[str, Rule]]]:
    """Return the devices whose evaluation could change something: on a quiet day none, and then nothing is written."""
    marks = [one.device_id for one in views]
    known = {one.fingerprint: one for one in alert_queries.recent_alerts(tenant, marks, at=at)}
    with_rules = [(view, rules.get(view.device_id, rules[None])) for view in views]
    return [(view, own) for view, own in with_rules if evaluate.would_change(view, own, sources, known, at)]


def _slopes(tenant: UUID, ticker: Ticker, at: datetime) -> _Slopes:
    if ticker.is_due(f"slopes:{tenant}", SLOPES_EVERY_S, at):
        ticker.slopes[tenant] = view_queries.device_slopes(tenant, at=at)
    return ticker.slopes.get(tenant, {})


def _ourselves(ticker: Ticker, clock: Clock) -> int:
    """Look at Mainstay's own parts; their alerts belong to the organisation that runs it."""
    organisation = access_queries.organisation().id
    with tenant_transaction(organisation):
        view = view_queries.own_view(organisation, at=clock.now(), away=ticker.engine_away)
        rules = pack_queries.rules_of(organisation)
        due = _due(organisation, [view], rules, _OWN_SOURCES, clock.now())
    changed = 0
    for one, own in due:
        with tenant_transaction(organisation):
            changed += services.evaluate_view(actor=_actor(organisation), view=one, rules=own, sources=_OWN_SOURCES, clock=clock)
    return changed


def _engine_is(ticker: Ticker, away: str) -> None:
    """Note whether the store of signals answers; `away` is what it said when it did not."""
    if away and not ticker.engine_away:
        log.warning("engine_unavailable: rules over samples keep their state (%s)", away)
    elif ticker.engine_away and not away:
        ticker.away_noted.clear()
        log.info("the telemetry engine is back; rules over samples go on")
    ticker.engine_away = away


def _actor(tenant: UUID) -> Actor:
    return actors.system("rules", tenant)
