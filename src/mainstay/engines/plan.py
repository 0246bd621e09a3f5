"""What a start consists of: stages in order, each with its processes and what is told of it.

Owns: the order database, telemetry, schema, processes, agent. Does not own: how a stage is carried out (engines.supervisor).
"""

from collections.abc import Callable
from dataclasses import dataclass

from mainstay.engines import ground, steps
from mainstay.engines.accounts import accounts_of_this_machine, ensure_system_users
from mainstay.engines.clickhouse.process import TelemetryProcess
from mainstay.engines.layout import Layout
from mainstay.engines.processes import Installation, Process


def _nothing() -> None:
    """A stage without a step before its processes."""


@dataclass(frozen=True)
class Stage:
    """One line of the start: what comes first, the processes, what follows and is told."""

    name: str
    then: Callable[[], str]
    processes: tuple[Process, ...] = ()
    first: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Plan:
    """A whole start. `invitation` makes the line with the address, once everything is ready."""

    stages: tuple[Stage, ...]
    invitation: Callable[[], str]


def plan_of(layout: Layout) -> Plan:
    """Return the start of an installation; makes its users and folders, and draws the secret of this start."""
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    url = TelemetryProcess(layout, accounts).prepare() if layout.has_embedded_telemetry else layout.telemetry_url()
    installation = Installation(layout, accounts, url)
    stages = (_database(installation), _telemetry(installation), _schema(installation), _processes(installation), *_agent(installation))
    return Plan(stages, lambda: f"  Open {steps.make_link(installation)}  (signs you in once, valid 15 min)")


def running_installation(layout: Layout) -> Installation:
    """Return the installation as the running supervisor made it."""
    return Installation(layout, accounts_of_this_machine(), layout.telemetry_url())


def _database(installation: Installation) -> Stage:
    processes = (installation.postgres(),) if installation.layout.has_embedded_postgres else ()
    return Stage("database", lambda: steps.prepare_database(installation), processes)


def _telemetry(installation: Installation) -> Stage:
    if not installation.layout.has_embedded_telemetry:
        return Stage("telemetry", lambda: "ClickHouse, external")
    return Stage("telemetry", lambda: "ClickHouse, embedded", (installation.telemetry(),))


def _schema(installation: Installation) -> Stage:
    def make() -> str:
        steps.migrate(installation)
        steps.prepare(installation)
        return "migrated, ledger opened"

    return Stage("schema", make)


def _processes(installation: Installation) -> Stage:
    lan = (installation.lan(),) if installation.layout.has_lan else ()
    processes = (installation.web(), *lan, installation.worker())
    return Stage("processes", lambda: ", ".join(one.name for one in processes), processes)


def _agent(installation: Installation) -> tuple[Stage, ...]:
    if not installation.layout.settings["agent.enabled"]:
        return ()
    agent = Stage("agent", lambda: "of this machine", (installation.agent(),), lambda: steps.join_own_machine(installation))
    if not installation.accounts.is_separate:
        return (agent,)
    return (Stage("helper", lambda: "the agent's root half", (installation.helper(),)), agent)
