"""Telemetry against the real engine: tables, inserts, charts, and the two barriers between tenants."""

import re
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from tests.support.cast import Cast, make_cast
from tests.support.engines import RunningTelemetry

from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.telemetry import queries, services
from mainstay.domains.telemetry.models import Series, TelemetrySchema
from mainstay.domains.telemetry.models.columns import TENANT_TABLES
from mainstay.domains.telemetry.models.engine import Engine, Statement
from mainstay.domains.telemetry.queries import sql
from mainstay.domains.telemetry.services.drain import Drainer, State
from mainstay.domains.telemetry.services.health import Reporter
from mainstay.domains.telemetry.services.marks import Turn
from mainstay.domains.telemetry.services.registration import hold_numbers
from mainstay.domains.telemetry.services.schema import ddl_files
from mainstay.domains.telemetry.services.spool import Spool
from mainstay.kernel import actors
from mainstay.kernel.clock import FixedClock, SystemClock
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay_trust import canonical


@pytest.fixture
def engine(telemetry_server: RunningTelemetry, db: None) -> Engine:
    made = queries.engine()
    services.apply_schema(made, SystemClock())
    return made


@pytest.fixture
def clock() -> FixedClock:
    # The engine's own clock decides nothing here, but old partitions would collect over runs of one engine.
    return FixedClock(SystemClock().now().replace(microsecond=0))


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    made.start()
    yield made
    made.close()


def batch(clock: FixedClock, values: dict[str, list[float | None]], *, every_s: int = 10, series: bool = True) -> services.Batch:
    """Make BATCH as an agent would: the newest value is now."""
    listed = [[metric, {}] for metric in values]
    count = len(next(iter(values.values())))
    end = int(clock.now().timestamp() * 1000)
    body = {
        "dict": _sha(listed),
        "series": listed if series else None,
        "t": [end - (count - 1 - number) * every_s * 1000 for number in range(count)],
        "v": list(values.values()),
    }
    return services.parse_batch(body)


def _sha(listed: list[object]) -> str:
    return sha256(canonical.encode(listed)).hexdigest()


def store(tenant: UUID, device: UUID, what: services.Batch, spool: Spool, clock: FixedClock) -> services.Stored:
    stored = services.store_batch(actor=actors.device(device, tenant), sender=device, batch=what, spool=spool, clock=clock)
    if isinstance(stored.durable, Future):
        stored.durable.result(5)
    return stored


def drain(spool: Spool, engine: Engine) -> None:
    drainer = Drainer(spool, engine)
    while drainer.step(at_once=True):
        pass


def test_the_tables_are_made_once_and_again_without_harm(engine: Engine) -> None:
    assert services.apply_schema(engine, SystemClock()) == []

    assert list(TelemetrySchema.objects.order_by("version").values_list("version", flat=True)) == [1, 2, 3]


def test_samples_travel_from_a_batch_to_a_chart(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device = new_id()
    store(cast.harbor.id, device, batch(clock, {"cpu_used_pct": [10.0, None, 30.0]}), spool, clock)
    drain(spool, engine)

    now = int(clock.now().timestamp())
    chart = queries.metric_chart(cast.harbor.id, device, {"cpu_used_pct": "%"}, from_s=now - 60, to_s=now + 10)

    drawn = [value for value in chart.lines[0].last if value is not None]
    assert drawn == [10.0, 30.0]
    assert (chart.lines[0].unit, chart.step_s, [gap["kind"] for gap in chart.gaps]) == ("%", 10, ["no_data"])


def test_a_spike_stays_visible_at_any_zoom(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device = new_id()
    store(cast.harbor.id, device, batch(clock, {"load1": [1.0, 99.0, 1.0]}, every_s=1), spool, clock)
    drain(spool, engine)

    now = int(clock.now().timestamp())
    chart = queries.metric_chart(cast.harbor.id, device, {"load1": ""}, from_s=now - 86_400, to_s=now + 60)

    assert max(value for value in chart.lines[0].high if value is not None) == 99.0
    assert len(chart.t) <= 2400


def test_a_batch_that_comes_twice_is_one_value(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device = new_id()
    for value in (5.0, 7.0):
        store(cast.harbor.id, device, batch(clock, {"load1": [value]}), spool, clock)
    drain(spool, engine)

    latest = queries.latest_values(cast.harbor.id, ["load1"], at=clock.now(), target=device)

    assert [(one.value, one.at, one.ref.metric) for one in latest] == [(7.0, clock.now(), "load1")]


def test_a_list_of_series_is_sent_once_and_then_named(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device = new_id()

    unknown = store(cast.harbor.id, device, batch(clock, {"load1": [1.0]}, series=False), spool, clock)
    first = store(cast.harbor.id, device, batch(clock, {"load1": [1.0]}), spool, clock)
    named = store(cast.harbor.id, device, batch(clock, {"load1": [2.0]}, series=False), spool, clock)

    assert (unknown.need_dict, unknown.durable, first.rows, named.rows) == (True, None, 1, 1)
    assert Series.objects.get().labels == {"__name__": "load1", "device": device.hex}


def test_impossible_times_are_refused_and_counted(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    stored = store(cast.harbor.id, new_id(), batch(clock, {"load1": [1.0, 2.0, 3.0]}, every_s=5 * 86_400), spool, clock)

    assert (stored.rows, stored.refused) == (2, 1)


@pytest.mark.parametrize(
    ("values", "times"), [([[1.0, 2.0]], [1]), ([["x"]], [1]), ([], [1]), ([[1.0]], ["now"]), ([[1.0]], [2**70]), ([[[1.0]]], [1])]
)
def test_a_batch_of_another_shape_is_refused(
    cast: Cast, spool: Spool, clock: FixedClock, values: list[object], times: list[object]
) -> None:
    bind(cast.harbor.id)
    good = batch(clock, {"load1": [1.0]})
    hold_numbers(cast.harbor.id, cast.harbor.id, good.sha256, np.array([1], dtype="<u8"), at=clock.now())

    body = {"dict": good.sha256, "series": None, "t": times, "v": values}

    with pytest.raises(Invalid):
        store(cast.harbor.id, cast.harbor.id, services.parse_batch(body), spool, clock)


def test_log_lines_are_found_by_text_and_severity(engine: Engine, cast: Cast, spool: Spool, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device, at = new_id(), int(clock.now().timestamp() * 1e9)
    lines = [
        {"ts": at, "origin": "journal", "severity": 3, "app": "nginx", "pid": 7, "body": "Worker died"},
        {"ts": at, "origin": "journal", "severity": 6, "app": "cron", "pid": 8, "body": "worker ran"},
    ]
    stored = services.store_logs(
        actor=actors.device(device, cast.harbor.id), sender=device, host="harbor-dc1", lines=lines, spool=spool, clock=clock
    )
    assert stored.durable is not None
    stored.durable.result(5)
    drain(spool, engine)

    window = {"from_at": clock.now() - timedelta(minutes=1), "to_at": clock.now() + timedelta(minutes=1), "sources": [device]}
    assert [line.body for line in queries.search_logs(cast.harbor.id, **window, text="WORKER", severity=4)] == ["Worker died"]
    assert len(queries.search_logs(cast.harbor.id, **window, text="worker")) == 2


def test_the_second_barrier_hides_foreign_rows_from_a_template_that_forgot_its_tenant(
    engine: Engine, cast: Cast, spool: Spool, clock: FixedClock
) -> None:
    bind(cast.harbor.id)
    store(cast.harbor.id, new_id(), batch(clock, {"load1": [1.0]}), spool, clock)
    drain(spool, engine)
    forgetful = [
        "SELECT count() FROM mainstay.samples",
        "SELECT count() FROM (SELECT * FROM mainstay.samples)",
        "SELECT count() FROM mainstay.samples AS a JOIN mainstay.samples AS b ON a.series = b.series",
        "SELECT count() FROM mainstay.series WHERE series IN (SELECT series FROM mainstay.samples)",
    ]

    for text in forgetful:
        assert engine.read([cast.southgate.number], Statement(text), {})[0] == [0], text
        assert engine.read([cast.harbor.number], Statement(text), {})[0][0] > 0, text


def test_a_read_cannot_write(engine: Engine) -> None:
    with pytest.raises(Unavailable):
        engine.read([1], Statement("TRUNCATE TABLE mainstay.samples"), {})


def test_every_statement_names_its_tenants_and_none_brings_settings() -> None:
    for name, text in sql.ALL.items():
        tables = re.findall(r"\b(?:FROM|JOIN)\s+(mainstay\.\w+)", text)
        assert tables, name
        assert set(tables) <= set(TENANT_TABLES), name
        assert text.count("tenant IN {tenants:Array(UInt32)}") == len(tables), name
        assert not re.search(r"\bSETTINGS\b", text, re.IGNORECASE), name
        assert "%" not in text, name


def test_the_statements_are_all_of_them() -> None:
    assert {value for value in vars(sql).values() if isinstance(value, str) and "mainstay." in value and "SELECT" in value} == set(
        sql.ALL.values()
    )


def test_every_table_has_the_settings_that_make_an_insert_durable() -> None:
    text = "\n".join(file.text for file in ddl_files())

    assert set(re.findall(r"CREATE TABLE IF NOT EXISTS mainstay\.(\w+)", text)) == {
        table.removeprefix("mainstay.") for table in TENANT_TABLES
    }
    for setting in ("non_replicated_deduplication_window = 10000", "fsync_after_insert = 1", "fsync_part_directory = 1"):
        assert text.count(setting) == len(TENANT_TABLES)


def test_an_engine_that_is_away_says_that_it_may_be_asked_again() -> None:
    nobody = Engine(lambda: "http://127.0.0.1:9/mainstay")

    with pytest.raises(Unavailable) as refused:
        nobody.read([1], sql.COUNT_SAMPLES, {})

    assert (refused.value.code, refused.value.retryable) == ("telemetry.unavailable", True)


def test_each_batch_of_a_stream_counts_once(cast: Cast, clock: FixedClock) -> None:
    bind(cast.harbor.id)
    device = new_id()
    actor = actors.device(device, cast.harbor.id)

    def turn(seq: int) -> Turn:
        return services.judge_mark(cast.harbor.id, device, "facts", "e1", seq).turn

    assert (turn(1), turn(2)) == (Turn.NEXT, Turn.OUT_OF_ORDER)
    assert services.advance_mark(actor=actor, sender=device, stream="facts", epoch="e1", seq=1, clock=clock) == 1
    assert (turn(1), turn(2)) == (Turn.DUPLICATE, Turn.NEXT)
    assert services.judge_mark(cast.harbor.id, device, "facts", "e2", 1).turn is Turn.NEXT


def test_bytes_that_the_real_engine_refuses_do_not_stand_in_front_of_the_next_batch(
    engine: Engine, cast: Cast, clock: FixedClock, spool: Spool
) -> None:
    with pytest.raises(Invalid) as refused:
        engine.insert("samples", b"these bytes are no Arrow file", token="broken")

    assert refused.value.code == "telemetry.batch_refused"
    bind(cast.harbor.id)
    store(cast.harbor.id, device := new_id(), batch(clock, {"load1": [0.5]}), spool, clock)
    Drainer(spool, engine).step(at_once=True)
    assert [one.value for one in queries.latest_values(cast.harbor.id, ["load1"], at=clock.now(), target=device)] == [0.5]


def test_the_state_of_a_spool_is_told_at_once_when_it_changes_and_seldom_otherwise(db: None, spool: Spool, clock: FixedClock) -> None:
    reporter = Reporter(spool, "web/0", clock)

    reporter.tell(State())
    reporter.tell(State(away="it does not answer"), 7)
    clock.at += timedelta(seconds=1)
    reporter.tell(State(away="it does not answer"), 9)

    (told,) = queries.intake_health(at=clock.now())
    assert (told.spool, told.away_since, told.away_reason, told.waiting_rows) == (
        "web/0", clock.now() - timedelta(seconds=1), "it does not answer", 7,
    )  # fmt: skip
    assert queries.intake_health(at=clock.now() + timedelta(minutes=2)) == []
