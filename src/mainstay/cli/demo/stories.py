"""What happened in the two weeks before the demonstration begins. Each story is a cause; everything after it is the product.

Owns: causes (a service ends, a switch is off, a disk fills) and what people did. Does not own: alerts, incidents, runs, clocks.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from mainstay.cli.demo.agent import Agent
from mainstay.cli.demo.cast import BACKUP_UNIT, DICOM, DMS, EHR, OFFLINE, TRADES
from mainstay.cli.demo.cast import machines as all_machines
from mainstay.cli.demo.stage import Stage
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.alerting.rules.pack import Source
from mainstay.domains.automation import services as automation
from mainstay.domains.automation.rules.healing import Mode
from mainstay.domains.desk import services as desk
from mainstay.domains.desk.models import Ticket
from mainstay.kernel.actors import Actor

SILENCE = frozenset({Source.CONTACT})
WATCHED_S_MIN, WATCHED_S_MAX = 6, 60
BEHIND_THE_SWITCH = 40


async def tell(stage: Stage) -> None:
    """Play all stories in the order of their time."""
    await healed(stage, "har-dms-01", DMS, days=12)
    await failed_backup(stage)
    await certificate(stage)
    await switch_outage(stage)
    await relapse(stage)
    await used_up_budget(stage)
    await backup_repaired(stage)
    await offline_laptop(stage)
    await waits_for_approval(stage)
    await healed(stage, "har-web-01", "nginx.service", days=0.22)


async def healed(stage: Stage, name: str, unit: str, *, days: float) -> None:
    """A service ends and is brought back by a signed restart that the device itself proves."""
    await stage.until(stage.ago(days=days))
    await _service_ends(stage, stage.agents[name], unit)


async def failed_backup(stage: Stage) -> None:
    """The nightly backup fails; somebody answers, and then nobody does anything for a week: the promise is missed."""
    await stage.until(stage.ago(days=10, hours=6))
    await _look(stage, stage.agents["quay-fs-01"], failed_unit=BACKUP_UNIT)


async def backup_repaired(stage: Stage) -> None:
    """Long after the promise was missed, Tara makes room and the backup runs again."""
    ticket = await stage.do(lambda: _of_rule(stage, "quay", "unit.failed"))
    await _answers(stage, "quay", ticket, "The repository is full. I shall prune it by the retention that was agreed.")
    await stage.until(stage.ago(days=3))
    await _look(stage, stage.agents["quay-fs-01"])
    await _closes(stage, "quay", ticket, "fixed", "capacity")


async def certificate(stage: Stage) -> None:
    """A certificate comes within thirty days of its end; it waits for somebody."""
    await stage.until(stage.ago(days=8, hours=4))
    await _look(stage, stage.agents["har-web-01"])


async def switch_outage(stage: Stage) -> None:
    """The core switch of Harbour House is without power for a quarter of an hour: forty machines fall silent at once."""
    await stage.until(stage.ago(days=7, hours=5))
    behind = [one.name for one in all_machines() if one.site == "house"][:BEHIND_THE_SWITCH]
    await _all_speak(stage, behind)
    await stage.seconds(40)
    await stage.evaluate(behind, SILENCE)
    await stage.seconds(16)
    await stage.evaluate(behind, SILENCE)
    await stage.seconds(60)
    ticket = await stage.do(lambda: _newest(stage, "harbor"))
    await _answers(stage, "harbor", ticket, "The core switch in the cabinet of the second floor has no power. On my way.")
    await stage.seconds(780)
    await _all_speak(stage, behind)
    await stage.evaluate(behind)
    await _closes(stage, "harbor", ticket, "fixed", "hardware")


async def relapse(stage: Stage) -> None:
    """A service comes back and ends again: the run says so and hands over, and Tara finds the cause."""
    agent = stage.agents["elm-ehr-01"]
    await stage.until(stage.ago(days=6, hours=3))
    await _service_ends(stage, agent, EHR, is_stubborn=True)
    ticket = await stage.do(lambda: _newest(stage, "elm"))
    await stage.seconds(300)
    await _answers(stage, "elm", ticket, "It ends because its database refuses connections: the limit was lowered yesterday. Raised again.")
    agent.repair(EHR, stage.door.now())
    await _watch(stage, agent)
    await _closes(stage, "elm", ticket, "fixed", "configuration")


async def used_up_budget(stage: Stage) -> None:
    """In a clinic of ten machines one may be restarted by itself each hour; the second failure is a person's."""
    first, second = stage.agents["elm-img-01"], stage.agents["elm-ehr-01"]
    await stage.until(stage.ago(days=4, hours=2))
    await _service_ends(stage, first, DICOM)
    # Later than what would look like one common cause.
    await stage.seconds(1200)
    await _service_ends(stage, second, EHR)
    ticket = await stage.do(lambda: _newest(stage, "elm"))
    await _answers(stage, "elm", ticket, "Restarted by hand. It had waited for the image router, which was away for a moment.")
    second.repair(EHR, stage.door.now())
    await _watch(stage, second)
    await _closes(stage, "elm", ticket, "fixed", "software")


async def offline_laptop(stage: Stage) -> None:
    """A laptop is not heard from any more. What that means is not known, and nothing pretends to know."""
    await stage.until(stage.ago(days=2, hours=3))
    agent = stage.agents[OFFLINE]
    await agent.poll(stage.door, heartbeat=True)
    agent.is_quiet = True
    for wait_s in (40, 20):
        await stage.seconds(wait_s)
        await stage.evaluate([OFFLINE], SILENCE)


async def waits_for_approval(stage: Stage) -> None:
    """Quay Street wants to be asked before anything is restarted: the incident says so and waits."""
    await stage.until(stage.ago(days=0, hours=9))
    agent = stage.agents["quay-app-01"]
    await stage.acts(
        "nadia", "quay", lambda actor: automation.set_heal_mode(actor=actor, trigger="service.down", mode=Mode.ASK, clock=stage.clock)
    )
    await _service_ends(stage, agent, TRADES)


# --- parts of stories ----------------------------------------------------------------------------------------------------


async def _service_ends(stage: Stage, agent: Agent, unit: str, *, is_stubborn: bool = False) -> None:
    await agent.poll(stage.door)
    agent.fail(unit, stage.door.now(), is_stubborn=is_stubborn)
    await _watch(stage, agent)


async def _watch(stage: Stage, agent: Agent) -> None:
    """Let the agent speak every other second, as it does when something happens, and the rules look each time, until all is settled."""
    for second in range(0, WATCHED_S_MAX, 2):
        await agent.poll(stage.door)
        await stage.evaluate([agent.machine.name])
        await stage.seconds(2)
        if second >= WATCHED_S_MIN and not await stage.do(stage.has_jobs):
            return


async def _all_speak(stage: Stage, names: Sequence[str]) -> None:
    await asyncio.gather(*(stage.agents[name].poll(stage.door) for name in names))


async def _look(stage: Stage, agent: Agent, *, failed_unit: str = "") -> None:
    await agent.poll(stage.door)
    await agent.tell(stage.door, failed_unit=failed_unit)
    await stage.evaluate([agent.machine.name])


async def _answers(stage: Stage, client: str, ticket: UUID, text: str) -> None:
    def answer(actor: Actor) -> None:
        desk.take_incident(actor=actor, incident_id=ticket, clock=stage.clock)
        desk.add_note(actor=actor, incident_id=ticket, text=text, visibility="public", clock=stage.clock)

    await stage.acts("tara", client, answer)


async def _closes(stage: Stage, client: str, ticket: UUID, resolution: str, cause: str) -> None:
    def close(actor: Actor) -> None:
        if Ticket.objects.filter(id=ticket, status__in=("resolved", "closed")).exists():
            return  # it recovered by itself when its cause was gone
        desk.resolve_incident(actor=actor, incident_id=ticket, resolution_code=resolution, cause_code=cause, clock=stage.clock)

    await stage.acts("tara", client, close)


def _newest(stage: Stage, client: str) -> UUID:
    tenant = stage.tenants[client]
    with tenant_transaction(tenant):
        return Ticket.objects.filter(tenant=tenant).order_by("-number").values_list("id", flat=True)[0]


def _of_rule(stage: Stage, client: str, rule: str) -> UUID:
    tenant = stage.tenants[client]
    with tenant_transaction(tenant):
        return Ticket.objects.filter(tenant=tenant, incident__rule=rule).order_by("-number").values_list("id", flat=True)[0]
