"""Facts of devices as the rules want them: one `Host` per device, with its age, its hashes and what people said.

Invariant: a group that did not change since it was collected is as young as the last heartbeat that confirmed all groups; nothing else
makes facts younger.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from mainstay.domains.assurance.models import SystemAnswer
from mainstay.domains.assurance.rules.facts import Group, Host, Role, Source
from mainstay.domains.estate.models import Device, Fact, Package
from mainstay.domains.telemetry.queries import streams
from mainstay.kernel.json import Json, JsonObject

_ROLE_OF_CHASSIS: Mapping[str, Role] = {"laptop": Role.LAPTOP, "desktop": Role.WORKSTATION}


def hosts(tenant: UUID, devices: Sequence[Device], answers: Mapping[UUID, SystemAnswer], as_of: datetime) -> list[Host]:
    """Return the facts of some devices, in the order given, in three queries whatever their number."""
    ids = [one.id for one in devices]
    facts: defaultdict[UUID, list[Fact]] = defaultdict(list)
    for fact in Fact.objects.filter(tenant=tenant, device_id__in=ids).order_by("device_id", "group"):
        facts[fact.device_id].append(fact)
    packages = _packages(tenant, ids)
    logs = streams.last_batches(tenant, "logs", ids)
    return [_host(one, facts[one.id], packages.get(one.id, []), answers.get(one.id), logs.get(one.id), as_of) for one in devices]


def _packages(tenant: UUID, ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    rows = Package.objects.filter(tenant=tenant, device_id__in=ids).order_by("device_id", "name", "arch").values_list("device_id", "name")
    for device_id, name in rows.iterator(chunk_size=5_000):
        found[device_id].append(name)
    return found


def _host(
    device: Device, facts: Sequence[Fact], packages: Sequence[str], answer: SystemAnswer | None, logs_at: datetime | None, as_of: datetime
) -> Host:
    groups = {fact.group: _group(device, fact, packages) for fact in facts}
    declared: dict[str, Json] = dict(answer.declared) if answer else {}
    if logs_at is not None:
        declared["logs_received_at"] = int(logs_at.timestamp())
    return Host(str(device.id), device.name, as_of, role_of(answer, groups), groups, declared)


def role_of(answer: SystemAnswer | None, groups: Mapping[str, Group]) -> Role:
    """Return what a host is for: what people said, else what its chassis says."""
    if answer and answer.role:
        return Role(answer.role)
    hardware = groups.get("hw")
    chassis = str((hardware.body or {}).get("chassis", "")) if hardware else ""
    return _ROLE_OF_CHASSIS.get(chassis, Role.SERVER)


def _group(device: Device, fact: Fact, packages: Sequence[str]) -> Group:
    confirmed = device.facts_confirmed_at
    body: JsonObject | None = None if fact.unknown else fact.body
    if fact.group == "packages" and body is not None:
        body = {"manager": body.get("manager"), "packages": [{"name": name} for name in packages]}
    collected_at = max(fact.collected_at, confirmed) if confirmed else fact.collected_at
    return Group(fact.group, collected_at, fact.sha256, f"agent {device.agent_version}".strip(), body, fact.unknown, _sources(body))


def _sources(body: JsonObject | None) -> tuple[Source, ...]:
    rows = (body or {}).get("sources")
    if not isinstance(rows, list):
        return ()
    found = (row for row in rows if isinstance(row, Mapping))
    return tuple(Source(str(row.get("command", "")), str(row.get("raw_sha256", "")), str(row.get("excerpt", ""))) for row in found)
