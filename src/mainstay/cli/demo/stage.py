"""The stage on which the past is played: a clock that is moved by hand, the server's own parts, and the one door of agents.

Owns: moving time, and doing between two moments what the worker does all the time: events, jobs, clocks, the sequencer.
Does not own: what happens (`stories`). Invariant: rules, incidents, runs and results come from the product's own code at the
instant at which the clock stands; this file calls services and writes no row.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar  # arguments of jobs are JSON
from uuid import UUID

from django.db import connection, transaction

from mainstay.cli.demo.agent import Agent, Door
from mainstay.core.access import queries as access
from mainstay.core.access.models import Person
from mainstay.core.jobs.queue import TASKS
from mainstay.core.ledger.sequencer import Sequencer
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.alerting import services as alerting
from mainstay.domains.alerting.rules.pack import Source
from mainstay.domains.desk import tasks as desk_tasks
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor, Via
from mainstay.kernel.clock import Clock, FixedClock
from mainstay.kernel.ids import from_base32

T = TypeVar("T")
EVENTS = frozenset({Source.UNITS, Source.FACTS, Source.CONTACT})
SWEEP_EVERY = timedelta(hours=4)
_ROUNDS_MAX = 200
# The worker takes jobs whose time has come, in the order of their making; so does the past.
_NEXT_JOBS = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= %s) ORDER BY id LIMIT 50
) RETURNING id, task_name, args
"""


def at_work(login: str, client: str, clock: Clock) -> Actor:
    """Return somebody at work in a client, by its slug, or at home ("")."""
    person = Person.objects.select_related("home").get(login=login)
    reach = access.reach_of_person(person, clock.now())
    return access.actor_of_person(person, reach, access.scope(reach, person.home_id, client or None), Via.WEB)


@dataclass
class Stage:
    """Everything a story needs. `tenants`: by slug, "" is the provider."""

    clock: FixedClock
    door: Door
    end: datetime
    tenants: dict[str, UUID] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="stage"))

    async def do(self, work: Callable[[], T]) -> T:
        """Run what uses the database, in the one thread that does."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def ago(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
        """Return an instant before the end of the history, to the second."""
        return (self.end - timedelta(days=days, hours=hours, minutes=minutes)).replace(microsecond=0)

    async def until(self, at: datetime) -> None:
        """Let time pass; the promises of the help desk are looked at on the way."""
        while self.clock.at + SWEEP_EVERY < at:
            self.clock.at += SWEEP_EVERY
            await self.do(self._sweep)
        self.clock.at = max(self.clock.at, at)
        await self.do(self._sweep)

    async def seconds(self, count: float) -> None:
        """Let a few seconds pass, and whatever is due in them."""
        self.clock.forward(seconds=count)
        await self.do(self.settle)

    def settle(self) -> int:
        """Work off the jobs that are due, until none is left. Returns how many there were."""
        done = 0
        for _ in range(_ROUNDS_MAX):
            jobs = self._take_jobs()
            for name, arguments in jobs:
                TASKS[name].perform(arguments, self.clock)
            done += len(jobs)
            if not jobs:
                break
        return done

    def has_jobs(self) -> bool:
        """Tell whether anything is still to be done, now or in a moment."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at <= %s)", [self.end])
            return bool(cursor.fetchone()[0])

    def _take_jobs(self) -> list[tuple[str, dict[str, Any]]]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_NEXT_JOBS, [self.clock.now()])
            rows = sorted(cursor.fetchall())
        return [(name, json.loads(arguments)) for _, name, arguments in rows]

    def _sweep(self) -> None:
        desk_tasks.sweep(self.clock)
        self.settle()

    async def evaluate(self, names: Sequence[str], sources: frozenset[Source] = EVENTS) -> None:
        """Look at the rules of some machines now, as the worker's tick does."""

        def look() -> None:
            for name in names:
                agent = self.agents[name]
                tenant = self.tenants[agent.machine.client]
                with tenant_transaction(tenant):
                    device = from_base32(agent.device)
                    alerting.evaluate_device(actor=actors.system("rules", tenant), device_id=device, clock=self.clock, sources=sources)
            self.settle()

        await self.do(look)

    def person(self, login: str, client: str) -> Actor:
        return at_work(login, client, self.clock)

    async def acts(self, login: str, client: str, work: Callable[[Actor], object]) -> None:
        """Let somebody do something in a client, in one transaction, and let it take effect."""

        def done() -> None:
            with tenant_transaction(self.tenants[client]):
                work(self.person(login, client))
            self.settle()

        await self.do(done)


@dataclass
class Sealing:
    """The ledger's sequencer at work while the past is played: proofs are needed before a device accepts a command."""

    sequencer: Sequencer
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Sealing":
        self._thread = threading.Thread(target=self.sequencer.run, args=(self._stop,), name="sequencer", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
