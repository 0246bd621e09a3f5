"""Which concrete part fills which port, which event goes to which flow, which loops a worker runs.

Tables, not registries that fill on import: what is plugged in can be read here, and nothing else is.
"""

import threading
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings

from mainstay.config import keys
from mainstay.connectors.agent.effects import AgentCommands, AgentWake
from mainstay.core import jobs
from mainstay.core.access import queries as access
from mainstay.core.access.fields import FieldSealer
from mainstay.core.jobs import outbox, schedules, worker
from mainstay.core.ledger import sealing, selfcheck, sequencer
from mainstay.domains.alerting import tasks as alerting_tasks
from mainstay.domains.assurance import tasks as assurance_tasks
from mainstay.domains.automation import tasks as automation_tasks
from mainstay.domains.automation.services import ports
from mainstay.domains.desk import tasks as desk_tasks
from mainstay.domains.telemetry import tasks as telemetry_tasks
from mainstay.engines.layout import Layout
from mainstay.flows import alert_to_incident, audit_finding_to_ticket, finding_to_incident, incident_to_action, run_to_incident

CONSUMERS: dict[str, tuple[outbox.Consumer, ...]] = {
    "unit.changed": (alerting_tasks.on_device_event,),
    "facts.changed": (alerting_tasks.on_device_event, assurance_tasks.on_facts_changed),
    "device.enrolled": (alerting_tasks.on_device_event,),
    "device.quarantined": (alerting_tasks.on_device_event,),
    "device.released": (alerting_tasks.on_device_event,),
    "alert.fired": (alert_to_incident.open_or_join_incident,),
    "alert.joined": (alert_to_incident.open_or_join_incident,),
    "alert.resolved": (alert_to_incident.recover_incident,),
    **dict.fromkeys(finding_to_incident.SENTENCES, (finding_to_incident.open_incident,)),
    "command.refused": (finding_to_incident.open_for_refusal,),
    "incident.opened": (incident_to_action.consider_healing,),
    "incident.reopened": (incident_to_action.consider_healing,),
    "healing.declined": (incident_to_action.hand_over_declined,),
    "finding.ticket_asked": (audit_finding_to_ticket.open_ticket,),
    "run.succeeded": (run_to_incident.resolve_healed,),
    "run.failed": (run_to_incident.hand_over_failed,),
}


def plug() -> None:
    """Plug every port; called once when Django has loaded all parts. Opens no file and no connection."""
    layout: Layout = settings.LAYOUT
    outbox.configure_consumers(CONSUMERS)
    jobs.configure(tenants=_tenants)
    sealing.configure_sealer(FieldSealer(lambda: keys.read_or_create(layout.keys / "kek" / "current")))
    ports.plug(commands=AgentCommands(layout.keys / "server" / "current"), devices=AgentWake())


def loops() -> dict[str, worker.Loop]:
    """Return the loops of a worker process, by name."""
    layout: Layout = settings.LAYOUT
    sealer_of_log = sequencer.Sequencer(
        layout.database_url("ledger"), keys.read_or_create(layout.keys / "ledger" / "current"), layout.keys / "ledger" / "heads.json"
    )
    return {
        "sequencer": sealer_of_log.run,
        "selfcheck": worker.ticking(selfcheck.SLICE_EVERY_S, selfcheck.SelfCheck(layout.database_url("ledger")).tick),
        "alerting": _blocking(alerting_tasks.run_ticks),
        "runs": worker.ticking(automation_tasks.SWEEP_S, automation_tasks.sweep_runs),
        "audits": worker.ticking(assurance_tasks.SWEEP_S, assurance_tasks.sweep),
        "clocks": worker.ticking(1.0, desk_tasks.sweep),
        "rollups": worker.ticking(telemetry_tasks.ROLLUP_EVERY_S, telemetry_tasks.roll_up),
        "retention": worker.ticking(telemetry_tasks.RETENTION_EVERY_S, telemetry_tasks.drop_expired),
        "schedules": worker.ticking(5.0, schedules.fire_due),
    }


def _blocking(run: worker.Loop) -> worker.Loop:
    def loop(stop: threading.Event) -> None:
        run(stop)

    return loop


def _tenants() -> Iterable[UUID]:
    return access.tenants()
