"""What is known of each device now, gathered for the rules."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from mainstay.domains.alerting.queries import alerts
from mainstay.domains.alerting.rules.pack import METRICS, TREND_METRICS, Source
from mainstay.domains.alerting.rules.readings import FACT_GROUPS, DeviceView, FactView, OwnView, Sample, Slope, SpoolView, UnitView
from mainstay.domains.estate import queries as estate
from mainstay.domains.estate.models import Fact, UnitState
from mainstay.domains.estate.rules.freshness import silent_after_s
from mainstay.domains.telemetry import queries as telemetry

T = TypeVar("T")
_ByDevice = dict[UUID, dict[str, list[T]]]


def device_views(
    tenant: UUID,
    sources: frozenset[Source],
    *,
    at: datetime,
    listening_since: datetime | None = None,
    device_ids: Sequence[UUID] | None = None,
    slopes: "Mapping[UUID, Mapping[str, Sequence[Slope]]] | None" = None,
) -> list[DeviceView]:
    """Return the views of a tenant's live devices. Errors: Unavailable when samples are asked for and the engine is away.

    `listening_since`: silence before it is ours, not the device's, unless it was found out while we did listen.
    """
    rows = [row for row in estate.health_rows(tenant) if device_ids is None or row[0] in device_ids]
    ids = [row[0] for row in rows]
    samples = _samples(tenant, at) if Source.SAMPLES in sources else {}
    facts = _facts(tenant, ids) if Source.FACTS in sources else {}
    units = _units(tenant, ids) if sources & {Source.UNITS, Source.FACTS} else {}
    silent = alerts.known_silent(tenant, ids) if listening_since else frozenset()
    views = []
    for device_id, name, last_seen_at, quarantine in rows:
        heard_at = last_seen_at if device_id in silent else _heard(last_seen_at, listening_since)
        views.append(
            DeviceView(
                device_id,
                name,
                heard_at,
                is_silent=heard_at is not None and (at - heard_at).total_seconds() > silent_after_s(),
                quarantine=quarantine,
                samples=samples.get(device_id, {}),
                slopes=(slopes or {}).get(device_id, {}),
                facts=facts.get(device_id, {}),
                units=units.get(device_id, ()),
            )
        )
    return views


def own_view(tenant: UUID, *, at: datetime, away: str) -> DeviceView:
    """Return what Mainstay knows of itself, under the id of the organisation that runs it. `away`: what the evaluator itself has seen."""
    told = telemetry.intake_health(at=at)
    reasons = [away, *(one.away_reason for one in told if one.away_since is not None)]
    spools = tuple(SpoolView(one.spool, one.fill_pct, one.quarantined, one.quarantine_reason) for one in told)
    return DeviceView(tenant, "Mainstay", at, is_silent=False, own=OwnView(next((one for one in reasons if one), ""), spools))


def device_slopes(tenant: UUID, *, at: datetime) -> dict[UUID, dict[str, list[Slope]]]:
    """Return the trends that predictions need. Errors: Unavailable."""
    found: _ByDevice[Slope] = defaultdict(lambda: defaultdict(list))
    for trend in telemetry.trends(tenant, TREND_METRICS, at=at):
        found[trend.ref.target][trend.ref.metric].append(Slope(trend.ref.labels, trend.last, trend.slope, trend.span_s))
    return found


def _heard(last_seen_at: datetime | None, listening_since: datetime | None) -> datetime | None:
    if last_seen_at is None or listening_since is None:
        return last_seen_at
    return max(last_seen_at, listening_since)


def _samples(tenant: UUID, at: datetime) -> _ByDevice[Sample]:
    found: _ByDevice[Sample] = defaultdict(lambda: defaultdict(list))
    for latest in telemetry.latest_values(tenant, METRICS, at=at):
        found[latest.ref.target][latest.ref.metric].append(Sample(latest.ref.labels, latest.value, latest.at))
    return found


def _facts(tenant: UUID, ids: Sequence[UUID]) -> dict[UUID, dict[str, FactView]]:
    found: dict[UUID, dict[str, FactView]] = defaultdict(dict)
    for row in Fact.objects.filter(tenant=tenant, device_id__in=ids, group__in=FACT_GROUPS):
        found[row.device_id][row.group] = FactView(row.body, row.unknown)
    return found


def _units(tenant: UUID, ids: Sequence[UUID]) -> dict[UUID, list[UnitView]]:
    found: dict[UUID, list[UnitView]] = defaultdict(list)
    for row in UnitState.objects.filter(tenant=tenant, device_id__in=ids):
        found[row.device_id].append(UnitView(row.unit, row.state, row.since, row.detail))
    return found
