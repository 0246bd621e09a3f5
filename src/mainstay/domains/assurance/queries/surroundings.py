"""What an audit knows beside facts: the integration matrix of each system, what repeats, what waits for nobody.

Invariant: a cell is connected only by an exchange that the product itself saw, or that a person named.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from mainstay.domains.alerting.queries import history as alerts
from mainstay.domains.assurance.models import AuditedSystem, SystemAnswer
from mainstay.domains.assurance.rules import automation
from mainstay.domains.assurance.rules.automation import Opportunity
from mainstay.domains.assurance.rules.facts import Host
from mainstay.domains.assurance.rules.health import Waiting
from mainstay.domains.assurance.rules.infrastructure import Mapped, data_stores, rows
from mainstay.domains.assurance.rules.judged import DataClass, Exposure, Subject
from mainstay.domains.assurance.rules.matrix import Cell, Column, State, System
from mainstay.domains.automation.queries import history as runs
from mainstay.domains.desk.queries import history as desk
from mainstay.domains.estate.models import Device

POLL = timedelta(seconds=60)
LOGS_EVERY = timedelta(minutes=5)
UPDATES_EVERY = timedelta(hours=6)
UNTAKEN_AFTER = timedelta(hours=24)
UNOWNED_AFTER = timedelta(days=2)
# Packages that sign people on from a directory.
SIGN_ON = frozenset({"sssd", "sssd-common", "winbind", "libnss-ldapd", "libpam-ldapd", "freeipa-client"})
TOOLS: Mapping[str, Mapping[str, str]] = {
    "backup": {"restic": "restic", "borgbackup": "borg", "duplicity": "duplicity", "rsnapshot": "rsnapshot", "bacula-fd": "bacula"},
    "monitoring": {
        "zabbix-agent": "zabbix",
        "zabbix-agent2": "zabbix",
        "prometheus-node-exporter": "prometheus",
        "nagios-nrpe-server": "nagios",
    },
    "protection": {"clamav-daemon": "clamav", "falcon-sensor": "falcon", "sophos-spl": "sophos", "mdatp": "defender"},
    "remote access": {"anydesk": "anydesk", "teamviewer": "teamviewer", "rustdesk": "rustdesk", "xrdp": "xrdp"},
}


def mapped(devices: Sequence[Device], hosts: Sequence[Host], answers: Mapping[UUID, SystemAnswer]) -> tuple[Mapped, ...]:
    """Return each device with its facts, its answers and its row of the matrix."""
    return tuple(_mapped(device, host, answers.get(device.id)) for device, host in zip(devices, hosts, strict=True))


def entered_systems(tenant: UUID) -> tuple[System, ...]:
    """Return the systems without an agent, as people entered them."""
    return tuple(_entered(one) for one in AuditedSystem.objects.filter(tenant=tenant).order_by("name", "id"))


def opportunities(tenant: UUID, as_of: datetime) -> dict[str, tuple[Opportunity, ...]]:
    """Return what could be automated, by check. A check whose history nobody keeps yet is absent."""
    since = as_of - timedelta(days=automation.CLUSTER_DAYS)
    cases = [automation.Case(one.rule, one.subject or "host", one.resolution, one.minutes) for one in desk.handled_cases(tenant, since)]
    known = {trigger: automation.Runbook(*success) for trigger, success in runs.success_by_trigger(tenant, since).items()}
    outcomes = [automation.RuleHistory(one.rule, one.closed, one.without_action) for one in alerts.outcomes(tenant, since)]
    return {"AUT-01": tuple(automation.clusters(cases, known)), "AUT-02": tuple(automation.noise(outcomes))}


def waiting(tenant: UUID, as_of: datetime) -> Waiting:
    return Waiting(alerts.untaken_since(tenant, as_of - UNTAKEN_AFTER), desk.unowned_since(tenant, as_of - UNOWNED_AFTER))


def _mapped(device: Device, host: Host, answer: SystemAnswer | None) -> Mapped:
    subject = _subject(device, host, answer)
    system = System(subject, _cells(device, host), _tools(host))
    if answer is None or not answer.data_class:
        subject = _with_stores(Mapped(host, subject, system))
        system = System(subject, system.cells, system.tools)
    return Mapped(host, subject, system, device.availability_group)


def _subject(device: Device, host: Host, answer: SystemAnswer | None) -> Subject:
    said = answer or SystemAnswer()
    exposure = said.exposure or (Exposure.INTERNET if device.internet_facing else Exposure.INTERNAL)
    silent = {"data": not said.data_class, "exposure": not said.exposure, "tier": said.tier is None, "role": not said.role}
    return Subject(
        str(device.id),
        device.name,
        host.role,
        Exposure(exposure),
        DataClass(said.data_class or DataClass.OTHER),
        said.tier,
        said.owner,
        tuple(name for name, is_silent in silent.items() if is_silent),
    )


def _with_stores(one: Mapped) -> Subject:
    """Take a device with a database, a file share or mail as holding confidential data until somebody says what it holds."""
    subject = one.subject
    if not data_stores(one):
        return subject
    return Subject(
        subject.id, subject.name, subject.role, subject.exposure, DataClass.CONFIDENTIAL, subject.tier, subject.owner, subject.assumed
    )


def _cells(device: Device, host: Host) -> dict[Column, Cell]:
    seen = device.last_seen_at
    speaks = Cell(State.CONNECTED, "agent", seen, POLL) if seen else Cell(State.POSSIBLE, "never_seen")
    return {
        Column.INVENTORY: Cell(speaks.state, "agent_facts", device.facts_confirmed_at or seen),
        Column.MONITORING: speaks,
        Column.TICKET: Cell(State.CONNECTED, "alerts_open_incidents") if seen else Cell(State.POSSIBLE, "never_seen"),
        Column.PATCH: _patch(host),
        Column.BACKUP: _backup(host),
        Column.LOGS: _logs(host),
        Column.IDENTITY: _identity(host),
        Column.LEAVER: Cell(State.UNKNOWN, "no_personnel_source"),
        Column.COST: Cell(State.UNKNOWN, "no_contract_data"),
    }


def _patch(host: Host) -> Cell:
    group = host.groups.get("updates")
    if group is None or group.body is None:
        return Cell(State.UNKNOWN, group.unknown if group else "missing")
    automatic = (host.groups["audit_updates"].body or {}).get("unattended") if "audit_updates" in host.groups else None
    enabled = isinstance(automatic, Mapping) and automatic.get("enabled") is True
    return Cell(State.CONNECTED, "unattended_updates" if enabled else "updates_watched", group.collected_at, UPDATES_EVERY)


def _backup(host: Host) -> Cell:
    group = host.groups.get("backups")
    if group is None or group.body is None:
        return Cell(State.UNKNOWN, group.unknown if group else "missing")
    scheduled = [tool for tool in rows(host, "backups", "tools") if tool.get("scheduled")]
    return Cell(State.CONNECTED, "scheduled_backup_tool") if scheduled else Cell(State.POSSIBLE, "no_scheduled_backup_tool")


def _logs(host: Host) -> Cell:
    received = host.declared.get("logs_received_at")
    if not isinstance(received, int):
        return Cell(State.POSSIBLE, "no_log_line_received")
    return Cell(State.CONNECTED, "agent_logs", datetime.fromtimestamp(received, tz=host.as_of.tzinfo), LOGS_EVERY)


def _identity(host: Host) -> Cell:
    names = _package_names(host)
    if not names:
        return Cell(State.UNKNOWN, "missing")
    return Cell(State.CONNECTED, "directory_client") if names & SIGN_ON else Cell(State.POSSIBLE, "local_accounts_only")


def _tools(host: Host) -> dict[str, tuple[str, ...]]:
    names = _package_names(host)
    found = {function: tuple(sorted({tool for package, tool in tools.items() if package in names})) for function, tools in TOOLS.items()}
    # This product watches the device too: another watcher beside it is the second one.
    found["monitoring"] = tuple(sorted({*found["monitoring"], "mainstay"}))
    return {function: tools for function, tools in found.items() if tools}


def _package_names(host: Host) -> set[str]:
    return {str(row.get("name", "")) for row in rows(host, "packages", "packages")}


def _entered(one: AuditedSystem) -> System:
    tier = one.tier
    subject = Subject(str(one.id), one.name, exposure=Exposure(one.exposure), data=DataClass(one.data_class), tier=tier, owner=one.owner)
    cells = {Column(name): Cell(State(state), "entered") for name, state in one.cells.items()}
    if one.yearly_cost_minor is not None:
        cells.setdefault(Column.COST, Cell(State.CONNECTED, "entered"))
    return System(subject, cells, {function: tuple(names) for function, names in one.tools.items()})
