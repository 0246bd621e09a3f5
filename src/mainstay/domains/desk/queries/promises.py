"""What was promised for a ticket, as the values that the rules take."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mainstay.domains.desk.models import Calendar, CalendarVersion, PolicyBinding, SlaPolicyVersion, SlaTarget, TicketEvent
from mainstay.domains.desk.rules.policy import Audience, ClockName, Policy, Target, Threshold
from mainstay.domains.desk.rules.timeline import Event, EventType
from mainstay.kernel.calendars import WorkCalendar, always_open, parse_calendar, to_us
from mainstay.kernel.json import Json


class Promises:
    """The policies and calendars that one evaluation needs, each read once."""

    def __init__(self, tenant: UUID) -> None:
        self._tenant = tenant
        self._calendars: dict[UUID, WorkCalendar] = {}
        self._policies: dict[tuple[Json, Json, str, Json], Policy] = {}

    def events(self, rows: Sequence[TicketEvent], kind: str) -> list[Event]:
        """Return stored events as the clocks see them; a change of policy carries the policy itself."""
        return [
            Event(
                at=to_us(row.at),
                seq=row.seq,
                type=row.type,
                data=row.data,
                recorded_at=to_us(row.recorded_at),
                policy=self.policy_of(row, kind) if row.type == EventType.POLICY else None,
            )
            for row in rows
        ]

    def policy_of(self, row: TicketEvent, kind: str) -> Policy:
        """Return the policy that an event (created or policy) put in force; without a binding there is no clock."""
        version, calendar, level = row.data.get("policy_version"), row.data.get("calendar"), row.data.get("priority")
        if version is None or calendar is None:
            return Policy()
        key = (version, calendar, kind, level)
        if key not in self._policies:
            self._policies[key] = self._load_policy(UUID(version), UUID(calendar), kind, level)
        return self._policies[key]

    def _load_policy(self, version_id: UUID, calendar_id: UUID, kind: str, level: int) -> Policy:
        version = SlaPolicyVersion.objects.select_related("policy").get(tenant=self._tenant, id=version_id)
        rows = SlaTarget.objects.filter(tenant=self._tenant, policy_version=version, kind=kind, priority=level)
        bound = self.calendar(calendar_id)
        targets = {ClockName(row.clock): _target(row, always_open() if row.is_around_the_clock else bound) for row in rows}
        return Policy(targets, is_ola=version.policy.family == "ola")

    def calendar(self, calendar_id: UUID) -> WorkCalendar:
        """Return a calendar with all its versions."""
        if calendar_id not in self._calendars:
            zone = Calendar.objects.get(tenant=self._tenant, id=calendar_id).zone
            versions = CalendarVersion.objects.filter(tenant=self._tenant, calendar_id=calendar_id)
            data = [{**version.data, "valid_from": version.valid_from.isoformat() if version.valid_from else None} for version in versions]
            self._calendars[calendar_id] = parse_calendar({"zone": zone, "versions": data})
        return self._calendars[calendar_id]


def binding_at(tenant: UUID, at: datetime) -> tuple[PolicyBinding | None, list[PolicyBinding]]:
    """Return the binding that wins at an instant, and the candidates that lost to its level."""
    rows = list(
        PolicyBinding.objects.filter(tenant=tenant, valid_from__lte=at)
        .exclude(valid_to__lte=at)
        .select_related("policy_version__policy", "calendar")
        .order_by("level")
    )
    return (rows[0], rows[1:]) if rows else (None, [])


def _target(row: SlaTarget, calendar: WorkCalendar) -> Target:
    return Target(
        calendar=calendar,
        seconds=row.target_s,
        days=row.target_days,
        end_of_day=row.is_end_of_day,
        pause_on=frozenset(row.pause_on),
        thresholds=tuple(
            Threshold(item.get("percent"), item.get("offset_s"), item.get("offset_days"), Audience(item["audience"]))
            for item in row.thresholds
        ),
    )
