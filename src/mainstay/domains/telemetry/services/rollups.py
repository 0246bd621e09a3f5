"""Samples become five-minute and hourly rows, by a job and not by a view: a view would count a retry and a late row twice.

Owns: what is computed when, the marks, the hours to be computed again. Does not own: the tables (ddl), which tier a chart reads.
Invariant: a bucket computed again has a higher version, and a reader takes the highest; computing twice changes nothing.
Source: control page, section 3.1 rules 8 and 9.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.domains.telemetry.models import IntakeHealth, Rollup, RollupDirty
from mainstay.domains.telemetry.models.engine import Engine, Parameter, Statement
from mainstay.domains.telemetry.rules import tiers
from mainstay.domains.telemetry.rules.tiers import Tier, Window
from mainstay.domains.telemetry.rules.windows import PAST, to_ms
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

DIRTY_AT_ONCE = 12
_FRESH = timedelta(seconds=60)

_FIVE_MINUTES = Statement("""
INSERT INTO mainstay.samples_5m (tenant, series, ts, n, sum, min, max, first, last, first_ts, last_ts, ver, keep)
SELECT tenant, series,
    fromUnixTimestamp64Milli((intDiv(toUnixTimestamp64Milli(at), {step_ms:Int64}) + 1) * {step_ms:Int64}, 'UTC') AS bucket,
    count(), sum(v), min(v), max(v), argMin(v, at), argMax(v, at), min(at), max(at), {ver:UInt64}, {keep:UInt16}
FROM (
    SELECT tenant, series, ts AS at, max(value) AS v FROM mainstay.samples
    WHERE ts >= fromUnixTimestamp64Milli({from_ms:Int64}) AND ts < fromUnixTimestamp64Milli({to_ms:Int64}) AND NOT isNaN(value)
    GROUP BY tenant, series, ts
)
GROUP BY tenant, series, bucket
""")
_HOUR = Statement("""
INSERT INTO mainstay.samples_1h (tenant, series, ts, n, sum, min, max, first, last, first_ts, last_ts, ver, keep)
SELECT tenant, series,
    fromUnixTimestamp64Milli((intDiv(toUnixTimestamp64Milli(at) - 1, {step_ms:Int64}) + 1) * {step_ms:Int64}, 'UTC') AS bucket,
    sum(b.1), sum(b.2), min(b.3), max(b.4), argMin(b.5, b.7), argMax(b.6, b.8), min(b.7), max(b.8), {ver:UInt64}, {keep:UInt16}
FROM (
    SELECT tenant, series, ts AS at, argMax((r.n, r.sum, r.min, r.max, r.first, r.last, r.first_ts, r.last_ts), ver) AS b
    FROM mainstay.samples_5m AS r
    WHERE ts > fromUnixTimestamp64Milli({from_ms:Int64}) AND ts <= fromUnixTimestamp64Milli({to_ms:Int64})
    GROUP BY tenant, series, ts
)
GROUP BY tenant, series, bucket
""")
_STATEMENTS = {Tier.FIVE_MINUTES: (_FIVE_MINUTES, tiers.KEEP_5M_D), Tier.HOUR: (_HOUR, tiers.KEEP_1H_D)}


def roll_up(*, actor: Actor, engine: Engine, clock: Clock) -> int:
    """Compute what has settled, then what was marked dirty; return how many windows were computed. Errors: Unavailable."""
    require(actor, "telemetry.rollup.compute")
    if _is_draining(clock):
        return 0  # rows of these windows still wait in a spool
    done = sum(_advance(tier, engine, clock) for tier in (Tier.FIVE_MINUTES, Tier.HOUR))
    return done + _again(engine, clock)


@transaction.atomic
def mark_late(hours: Iterable[int], *, clock: Clock) -> None:
    """Note the hours (Unix seconds) in which rows came late. Nobody to authorise: the drainer tells what it has stored."""
    rows = [RollupDirty(hour=datetime.fromtimestamp(hour, UTC), marked_at=clock.now()) for hour in sorted(set(hours))]
    RollupDirty.objects.bulk_create(rows, update_conflicts=True, unique_fields=["hour"], update_fields=["marked_at"])


def _is_draining(clock: Clock) -> bool:
    return IntakeHealth.objects.filter(at__gte=clock.now() - _FRESH).exclude(away_since=None).exists()


def _advance(tier: Tier, engine: Engine, clock: Clock) -> int:
    done = 0
    with transaction.atomic():
        mark = _locked(tier, clock)
        # An hour is complete when its five-minute rows are.
        now = _seconds(clock.now()) if tier is Tier.FIVE_MINUTES else _through(Tier.FIVE_MINUTES, clock) + tiers.SETTLE_S
        if (window := tiers.next_window(tier, _seconds(mark.through_at), now=now)) is not None:
            _compute(tier, window, engine, clock)
            mark.through_at = datetime.fromtimestamp(window.end, UTC)
            mark.save(update_fields=["through_at"])
            done = 1
    return done


def _again(engine: Engine, clock: Clock) -> int:
    """Compute dirty hours again. A row that comes while this runs marks its hour anew, with a later instant."""
    through = datetime.fromtimestamp(_through(Tier.FIVE_MINUTES, clock), UTC)
    dirty = list(RollupDirty.objects.filter(hour__lt=through).order_by("hour")[:DIRTY_AT_ONCE])
    for one in dirty:
        window = Window(_seconds(one.hour), min(_seconds(one.hour) + tiers.HOUR_S, _seconds(through)))
        _compute(Tier.FIVE_MINUTES, window, engine, clock)
        if window.end <= _through(Tier.HOUR, clock):
            _compute(Tier.HOUR, window, engine, clock)
        RollupDirty.objects.filter(hour=one.hour, marked_at=one.marked_at).delete()
    return len(dirty)


def _compute(tier: Tier, window: Window, engine: Engine, clock: Clock) -> None:
    statement, keep = _STATEMENTS[tier]
    parameters: dict[str, Parameter] = {
        "from_ms": window.start * 1000, "to_ms": window.end * 1000, "step_ms": tier.step_s * 1000, "ver": to_ms(clock.now()), "keep": keep,
    }  # fmt: skip
    engine.compute(statement, parameters)


def _locked(tier: Tier, clock: Clock) -> Rollup:
    """Return the mark of a tier, locked; the first one lies as far back as samples are accepted."""
    begin = _seconds(clock.now() - PAST) // tiers.HOUR_S * tiers.HOUR_S
    Rollup.objects.get_or_create(tier=tier, defaults={"through_at": datetime.fromtimestamp(begin, UTC)})
    return Rollup.objects.select_for_update().get(tier=tier)


def _through(tier: Tier, clock: Clock) -> int:
    found = Rollup.objects.filter(tier=tier).values_list("through_at", flat=True).first()
    return _seconds(found) if found is not None else 0


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
