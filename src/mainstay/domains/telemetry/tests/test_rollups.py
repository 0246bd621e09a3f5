"""Rollups and retention on the real engine: long charts read few rows, nothing is counted twice, old days go with evidence."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.cast import Cast

from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.telemetry import queries, services, tasks
from mainstay.domains.telemetry.models import IntakeHealth, Rollup, RollupDirty
from mainstay.domains.telemetry.models.engine import Engine, Statement
from mainstay.domains.telemetry.rules import tiers
from mainstay.domains.telemetry.rules.tiers import Tier, Window
from mainstay.domains.telemetry.services import process
from mainstay.domains.telemetry.services.drain import Drainer
from mainstay.domains.telemetry.services.spool import Spool
from mainstay.domains.telemetry.tests.test_engine import batch, cast, engine, store
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock, SystemClock

__all__ = ["cast", "engine"]  # the fixtures
ROLLED = Statement("SELECT count() AS buckets, sum(samples) AS samples FROM (SELECT argMax(n, ver) AS samples FROM mainstay.samples_5m"
                   " WHERE tenant IN {tenants:Array(UInt32)} GROUP BY tenant, series, ts)")  # fmt: skip


@pytest.fixture
def clock() -> FixedClock:
    """The top of an hour, a little ago: the engine believes times of the last days only."""
    return FixedClock(SystemClock().now().replace(minute=0, second=0, microsecond=0))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    made.start()
    yield made
    made.close()


def roll_up(engine: Engine, clock: FixedClock) -> None:
    """Let the job run until it has caught up."""
    while services.roll_up(actor=actors.system("rollup", new_id()), engine=engine, clock=clock) > 1:
        pass


@pytest.mark.parametrize(
    ("step", "tier"), [(10, "raw"), (120, "raw"), (300, "5m"), (900, "5m"), (1800, "5m"), (3600, "1h"), (86_400, "1h")]
)
def test_a_chart_reads_the_coarsest_tier_that_fills_its_buckets(step: int, tier: str) -> None:
    assert tiers.tier_for(step) == tier


def test_a_window_is_computed_ten_minutes_after_it_closes_and_in_bites() -> None:
    assert tiers.next_window(Tier.FIVE_MINUTES, 0, now=899) is None
    assert tiers.next_window(Tier.FIVE_MINUTES, 0, now=900) == Window(0, 300)
    assert tiers.next_window(Tier.FIVE_MINUTES, 0, now=10**6) == Window(0, tiers.BITE_S)
    assert tiers.next_window(Tier.HOUR, 0, now=4199) is None


def test_samples_are_late_when_their_window_may_have_been_computed() -> None:
    assert not tiers.is_late(0, now=899)
    assert tiers.is_late(0, now=900)


@pytest.mark.parametrize(
    ("partition", "expires"),
    [
        ("(30,'2026-01-31')", "2026-03-03"),
        ("(400,202512)", "2027-02-05"),
        ("(90,'2026-02-28')", "2026-05-30"),
        ("202601", None),
        ("tuple()", None),
    ],
)
def test_a_partition_is_kept_until_its_last_row_is_old_enough(partition: str, expires: str | None) -> None:
    at = tiers.expires_at(partition)

    assert (at.date().isoformat() if at else None) == expires


def test_a_long_chart_reads_rollups_and_what_is_newer_from_the_samples(engine: Engine, cast: Cast, clock: FixedClock, spool: Spool) -> None:
    tenant, device = cast.harbor.id, new_id()
    bind(tenant)
    values: list[float | None] = [float(number % 60) for number in range(720)]  # two hours, a value each ten seconds
    values[100] = 500.0
    store(tenant, device, batch(clock, {"load1": values}), spool, clock)
    Drainer(spool, engine).step(at_once=True)
    now = int(clock.now().timestamp())
    span = {"from_s": now - 7 * 86_400, "to_s": now + 10}
    raw = queries.metric_chart(tenant, device, {"load1": ""}, **span)
    assert raw.tier == "raw"

    roll_up(engine, clock)
    rolled = queries.metric_chart(tenant, device, {"load1": ""}, **span)

    assert (rolled.tier, rolled.step_s) == ("5m", 300)
    assert rolled.lines == raw.lines
    assert max(value for value in rolled.lines[0].high if value is not None) == 500.0
    assert set(Rollup.objects.values_list("tier", flat=True)) == {"5m", "1h"}


def test_computing_twice_counts_nothing_twice_and_a_late_row_is_counted_once(
    engine: Engine, cast: Cast, clock: FixedClock, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, device = cast.elm.id, new_id()
    bind(tenant)
    number = [cast.elm.number]
    monkeypatch.setattr(process, "SystemClock", lambda: clock)
    drainer = Drainer(spool, engine, stored=process._note_late)
    store(tenant, device, batch(clock, {"load1": [1.0, 2.0, 3.0]}), spool, clock)
    drainer.step(at_once=True)
    clock.at += timedelta(hours=2)
    roll_up(engine, clock)
    first = engine.read(number, ROLLED, {})
    assert not RollupDirty.objects.exists()

    clock.at -= timedelta(hours=2)
    late = batch(clock, {"load5": [4.0]})
    clock.at += timedelta(hours=2)
    store(tenant, device, late, spool, clock)
    drainer.step(at_once=True)
    assert RollupDirty.objects.count() == 1
    roll_up(engine, clock)
    roll_up(engine, clock)

    assert not RollupDirty.objects.exists()
    (before, samples), (after, more) = ([int(str(column[0])) for column in one] for one in (first, engine.read(number, ROLLED, {})))
    assert (after - before, more - samples) == (1, 1)


def test_nothing_is_computed_while_rows_still_wait_in_a_spool(engine: Engine, cast: Cast, clock: FixedClock) -> None:
    IntakeHealth.objects.create(spool="web/0", at=clock.now(), fill_pct=50, waiting_rows=9, quarantined=0, away_since=clock.now())

    assert services.roll_up(actor=actors.system("rollup", cast.elm.id), engine=engine, clock=clock) == 0
    assert not Rollup.objects.exists()


def test_a_day_that_was_kept_long_enough_is_dropped_with_an_entry_and_the_others_stay(
    engine: Engine, cast: Cast, clock: FixedClock, spool: Spool
) -> None:
    tenant, device = cast.quay.id, new_id()
    bind(tenant)
    store(tenant, device, batch(clock, {"load1": [1.0]}), spool, clock)
    Drainer(spool, engine).step(at_once=True)
    today = {one.name for one in services.partitions(engine) if one.table == "samples"}
    assert services.expired(engine, clock) == []
    clock.at += timedelta(days=32)

    tasks.drop_expired(clock)

    assert today
    assert not [one for one in services.partitions(engine) if one.table == "samples" and one.name in today]
    bind(ledger.PLATFORM)
    dropped = [entry for entry in ledger.entries(ledger.PLATFORM) if entry.act == "telemetry.partition.dropped"]
    assert len(dropped) == len(today)
