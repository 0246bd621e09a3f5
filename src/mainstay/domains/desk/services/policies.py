"""The promise that holds before anybody wrote one.

Owns: the default policy and calendar of a tenant, and binding a ticket to what holds. Does not own: contracts (business).
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from mainstay.core.access import queries as access
from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.domains.desk.models import Calendar, CalendarVersion, PolicyBinding, SlaPolicy, SlaPolicyVersion, SlaTarget
from mainstay.domains.desk.queries.promises import binding_at
from mainstay.domains.desk.rules.policy import (
    AROUND_THE_CLOCK_PRIORITIES,
    DEFAULT_TARGETS_S,
    DEFAULT_THRESHOLDS,
    ClockName,
    pause_reasons,
)
from mainstay.domains.desk.rules.tickets import Kind
from mainstay.kernel.actors import Actor
from mainstay.kernel.calendars import never_opens, parse_calendar, to_us
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json

DEFAULT_LEVEL = 5
_OFFICE_DAYS = ("mon", "tue", "wed", "thu", "fri")
_DEFAULT_HOURS: dict[str, Json] = {"windows": {day: [["09:00", "17:00"]] for day in _OFFICE_DAYS}}
_RUNS_ON = (ClockName.FIRST_RESPONSE, ClockName.RESOLUTION)
# The default holds for whatever happened before the installation existed, such as an alert that fired a second too early.
_ALWAYS = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class Bound:
    """What a ticket is bound to, and why, as its first event keeps it."""

    binding: PolicyBinding | None
    why: dict[str, Json]

    def as_data(self, priority: int) -> dict[str, Json]:
        if self.binding is None:
            return {}
        return {
            "policy_version": str(self.binding.policy_version_id),
            "calendar": str(self.binding.calendar_id),
            "priority": priority,
        }


@transaction.atomic
def ensure_default_policy(*, actor: Actor, clock: Clock) -> PolicyBinding:
    """Give a tenant the default policy of the help desk page, section 4, on a calendar of its zone, unless it has one.

    The caller holds the tenant's number row, so two first incidents cannot both create it.
    Errors: Invalid("desk.calendar_never_opens").
    """
    require(actor, "desk.policy.prepare")
    existing = PolicyBinding.objects.filter(tenant=actor.tenant, level=DEFAULT_LEVEL, valid_to=None).first()
    if existing is not None:
        return existing
    calendar = _create_calendar(actor, clock)
    policy = SlaPolicy.objects.create(tenant=actor.tenant, name="Default")
    version = SlaPolicyVersion.objects.create(tenant=actor.tenant, policy=policy, number=1, created_at=clock.now())
    SlaTarget.objects.bulk_create(_default_targets(version))
    binding = PolicyBinding.objects.create(
        tenant=actor.tenant, level=DEFAULT_LEVEL, policy_version=version, calendar=calendar, valid_from=_ALWAYS
    )
    ledger.record(actor, "desk.policy.prepared", policy.id, clock=clock, body={"binding": str(binding.id), "calendar": str(calendar.id)})
    return binding


def bind(actor: Actor, at: datetime) -> Bound:
    """Return the binding that wins for a ticket that starts at an instant, with the candidates that lost."""
    binding, others = binding_at(actor.tenant, at)
    if binding is None:
        return Bound(None, {"reason": "no_policy"})
    lost: list[Json] = [{"binding": str(other.id), "level": other.level, "reason": "a_lower_level_wins"} for other in others]
    return Bound(binding, {"reason": "level_wins", "level": binding.level, "lost": lost})


def _create_calendar(actor: Actor, clock: Clock) -> Calendar:
    zone = access.tenant(actor.tenant).zone
    if never_opens(parse_calendar({"zone": zone, **_DEFAULT_HOURS}), to_us(clock.now())):
        raise Invalid("desk.calendar_never_opens", f"A calendar in {zone} would not open within 400 days.")
    calendar = Calendar.objects.create(tenant=actor.tenant, name="Working hours", zone=zone)
    CalendarVersion.objects.create(tenant=actor.tenant, calendar=calendar, data=_DEFAULT_HOURS)
    return calendar


def _default_targets(version: SlaPolicyVersion) -> list[SlaTarget]:
    return [
        SlaTarget(
            tenant=version.tenant,
            policy_version=version,
            kind=Kind.INCIDENT,
            priority=priority,
            clock=clock,
            target_s=target_s,
            is_around_the_clock=priority in AROUND_THE_CLOCK_PRIORITIES,
            pause_on=sorted(pause_reasons(clock)),
            thresholds=[asdict(threshold) for threshold in DEFAULT_THRESHOLDS],
        )
        for priority, targets_s in DEFAULT_TARGETS_S.items()
        for clock, target_s in zip(_RUNS_ON, targets_s, strict=True)
    ]
