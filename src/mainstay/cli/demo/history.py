"""Loading the demonstration: two weeks of a provider and its clients, played through the intake at the times of the past.

Owns: the order (organisations, enrolment, facts, ceremony, telemetry, stories, the present). Does not own: the parts.
Why the past is played and not written: only then do rules, promises, runs, signatures and the ledger agree with each other.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx

from mainstay.cli.demo import ceremony, founding, machines, stories
from mainstay.cli.demo.agent import Agent, Door
from mainstay.cli.demo.cast import AUDITED, CLIENTS, DAYS, OWNER, PROVIDER
from mainstay.cli.demo.cast import machines as all_machines
from mainstay.cli.demo.stage import Sealing, Stage
from mainstay.connectors.agent.intake import make_app
from mainstay.core.access.bootstrap import bootstrap
from mainstay.core.ledger.sequencer import Sequencer
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.assurance import services as assurance
from mainstay.domains.automation import queries as automation_queries
from mainstay.domains.automation import services as automation
from mainstay.domains.telemetry import services as telemetry
from mainstay.engines.layout import Layout
from mainstay.kernel.clock import FixedClock, SystemClock
from mainstay.kernel.ids import from_base32

AT_ONCE = 6
# The intake believes a time of at most seven days ago, so each week is sent when it had just passed.
WEEKS = DAYS // 7
CERTIFICATE_DAYS = 21
STATE_FILE = "agents.json"


@dataclass(frozen=True)
class Keys:
    """What the processes of the server hold, each its own; here one process plays them all, of a ledger that proves nothing else."""

    ledger_seed: bytes
    server_public: bytes
    reply_public: bytes


def found(folder: Path) -> None:
    """Make organisations and people, at the beginning of the past: before the web process, which then lets its owner in."""
    clock = FixedClock(SystemClock().now() - timedelta(days=DAYS))
    with _timed("organisations"):
        bootstrap(clock, secrets_dir=folder / "founding", host_name=PROVIDER)
        founding.found(clock)


def load(layout: Layout, folder: Path, keys: Keys) -> None:
    """Play the past into an installation that is founded, and keep what the living agents need. Says on standard error what it took."""
    end = SystemClock().now().replace(microsecond=0)
    clock = FixedClock(end - timedelta(days=DAYS))
    telemetry.start_recorder(layout.spool("worker"))
    sequencer = Sequencer(layout.database_url("ledger"), keys.ledger_seed, layout.keys / "ledger" / "heads.json", clock=clock)
    with Sealing(sequencer):
        stage = asyncio.run(_play(layout, clock, end, keys))
        _keep(folder, stage)
    with _timed("telemetry stored"):
        telemetry.stop_recorder()


async def _play(layout: Layout, clock: FixedClock, end: datetime, keys: Keys) -> Stage:
    # The past has a reply key of its own, which is forgotten with it; the agents learn the real one from their policy.
    app = make_app(os.urandom(32), layout, clock=clock)
    url = f"http://127.0.0.1:{layout.port}"
    # The types of asgiref and of httpx name the same protocol differently.
    transport = httpx.ASGITransport(cast(Any, app))
    async with httpx.AsyncClient(transport=transport, base_url=url, timeout=60) as client:
        stage = Stage(clock, Door(client, lambda: clock.now().timestamp(), url), end)
        await stage.do(lambda: stage.tenants.update(founding.known()))
        await stage.do(lambda: automation.register_signer(purpose="server", public_key=keys.server_public, clock=clock))
        with _timed("enrolment"):
            await _enrol(stage)
        with _timed("ceremonies"):
            await stage.do(lambda: _hold_ceremonies(stage, keys.reply_public))
        with _timed("facts"):
            await _all(stage, lambda agent: _introduce(stage, agent))
            await stage.do(stage.settle)
        with _timed("stories"):
            await stories.tell(stage)
        clock.at = end
        with _timed("telemetry"):
            await _telemetry(stage)
        # What follows from the present is the worker's, who starts in a moment: it is no past any more.
        with _timed("present"):
            await _all(stage, lambda agent: _speak(stage, agent))
        with _timed("audits"):
            for name in AUDITED:
                await stage.do(partial(_audit, stage, stage.agents[name]))
    return stage


async def _enrol(stage: Stage) -> None:
    codes = await stage.do(lambda: founding.codes(stage))
    ends = int(stage.end.timestamp()) + CERTIFICATE_DAYS * machines.DAY_S
    machines.CERTIFICATE_ENDS["har-web-01"] = ends
    at = int(stage.clock.now().timestamp() * 1000)
    for machine in all_machines():
        stage.agents[machine.name] = Agent.new(machine, at)
    await _all(stage, lambda agent: agent.join(stage.door, codes[agent.machine.site]))


def _hold_ceremonies(stage: Stage, reply: bytes) -> None:
    for client in CLIENTS:
        tenant = stage.tenants[client.slug]
        mine = [agent for agent in stage.agents.values() if agent.machine.client == client.slug]
        units: dict[str, list[str]] = {}
        for agent in mine:
            for unit in agent.units:
                units.setdefault(unit, []).append(agent.device)
        with tenant_transaction(tenant):
            state = automation_queries.ceremony(tenant)
            root, policy = ceremony.hold(state, reply=reply, units=units, at=int(stage.clock.now().timestamp()))
            envelopes = [root.as_json(), policy.as_json()]
            automation.adopt_documents(actor=stage.person(OWNER.login, client.slug), envelopes=envelopes, clock=stage.clock)
        for agent in mine:
            agent.adopt(policy)


async def _introduce(stage: Stage, agent: Agent) -> None:
    await agent.tell(stage.door)
    await agent.poll(stage.door, heartbeat=True)


async def _telemetry(stage: Stage) -> None:
    """Send the samples of each week, with the clock at its end: what a device sends after it could not for some days."""
    end = int(stage.end.timestamp())
    for week in range(WEEKS):
        to = end - (WEEKS - 1 - week) * 7 * machines.DAY_S
        stage.clock.at = datetime.fromtimestamp(to, stage.end.tzinfo)
        step = machines.STEP_S if to == end else machines.OLD_STEP_S
        times = list(range(to - 7 * machines.DAY_S + step, to + 1, step))
        await _all(stage, partial(_send_week, stage, times, end))


async def _send_week(stage: Stage, times: Sequence[int], end: int, agent: Agent) -> None:
    await agent.ingest(stage.door, "backlog", machines.batch(agent.machine, times, end=end))


async def _speak(stage: Stage, agent: Agent) -> None:
    if not agent.is_quiet:
        await agent.tell(stage.door, is_audited=True)
        await agent.poll(stage.door, heartbeat=True)


def _audit(stage: Stage, agent: Agent) -> None:
    """Let Nadia ask for the System Audit of a client, and of one of its machines."""
    client = agent.machine.client
    with tenant_transaction(stage.tenants[client]):
        nadia = stage.person(OWNER.login, client)
        assurance.start_audit(actor=nadia, kind="client", clock=stage.clock)
        assurance.start_audit(actor=nadia, kind="device", scope_id=from_base32(agent.device), clock=stage.clock)


async def _all(stage: Stage, work: Callable[[Agent], Awaitable[object]]) -> None:
    """Let every agent do something, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(agent: Agent) -> None:
        async with gate:
            await work(agent)

    # Shuffled the same way each time: machines do not speak in the order of their names.
    agents = list(stage.agents.values())
    random.Random(machines.SEED).shuffle(agents)  # noqa: S311 - an order, not a secret
    await asyncio.gather(*(one(agent) for agent in agents))


def _keep(folder: Path, stage: Stage) -> None:
    fresh = folder / f".{STATE_FILE}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"end": int(stage.end.timestamp()), "agents": [agent.as_json() for agent in stage.agents.values()]}, file)
    fresh.replace(folder / STATE_FILE)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began, used = time.monotonic(), time.process_time()
    yield
    print(f"demo: {what} {time.monotonic() - began:.1f} s, {time.process_time() - used:.1f} s CPU", file=sys.stderr, flush=True)
