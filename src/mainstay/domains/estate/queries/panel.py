"""Everything the page of one device shows, with source, age and the reason of each unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mainstay.domains.estate.models import Device, Fact, UnitState
from mainstay.domains.estate.queries import fleet
from mainstay.domains.estate.rules import freshness
from mainstay.domains.estate.rules.freshness import Freshness
from mainstay.kernel.json import JsonObject


@dataclass(frozen=True)
class Group:
    """One fact group as a page shows it. `body` is None whenever the value is unknown."""

    name: str
    body: "JsonObject | None"
    unknown: str
    collected_at: datetime
    state: Freshness


@dataclass(frozen=True)
class Panel:
    device: Device
    groups: Mapping[str, Group]
    units: tuple[UnitState, ...]
    is_silent: bool

    def value(self, group: str, field: str) -> object:
        """Return a field of a group, or None when the group or the field is unknown."""
        found = self.groups.get(group)
        return found.body.get(field) if found and found.body is not None else None


def device_panel(tenant: UUID, device_id: UUID, *, at: datetime) -> Panel:
    """Read one device with its facts and units."""
    one = fleet.device(tenant, device_id)
    groups = {name: _group(fact, one.facts_confirmed_at, at) for name, fact in fleet.facts(tenant, device_id).items()}
    return Panel(one, groups, tuple(fleet.units(tenant, device_id)), freshness.is_silent(one.last_seen_at, at=at))


def _group(fact: Fact, confirmed_at: datetime | None, at: datetime) -> Group:
    # Only changed groups travel; a heartbeat whose hash matches confirms all the others.
    seen_at = max(fact.received_at, confirmed_at) if confirmed_at else fact.received_at
    state = freshness.freshness(fact.group, seen_at=seen_at, at=at)
    body = None if fact.unknown or state is Freshness.UNKNOWN else fact.body
    reason = fact.unknown or ("too_old" if state is Freshness.UNKNOWN else "")
    return Group(fact.group, body, reason, fact.collected_at, state)
