"""The telemetry process through its bad days: killed, started twice, stopped while it works."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from mainstay.engines.children import Child, wait_ready
from mainstay.engines.clickhouse.errors import EngineError
from mainstay.engines.clickhouse.lanes import Lanes
from mainstay.engines.clickhouse.statements import data_insert, is_reading, output_format, single
from tests.support.engines import RunningTelemetry, environment

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
DURABLE = (
    "CREATE TABLE kept (n UInt64, batch String) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, "
    "min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000"
)


def test_rows_that_were_acknowledged_survive_kill_9_in_the_middle_of_inserts(own_telemetry: RunningTelemetry) -> None:
    with own_telemetry.client() as client:
        client.command(DURABLE)
    acknowledged: list[int] = []
    enough = threading.Event()

    def insert_until_killed() -> None:
        with own_telemetry.client(autogenerate_session_id=False) as client:
            for n in range(100_000):
                try:
                    client.insert("kept", [[n, "b"]], column_names=["n", "batch"], settings={"insert_deduplication_token": f"b-{n}"})
                except (ClickHouseError, OSError):
                    return
                acknowledged.append(n)
                if n == 40:
                    enough.set()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(insert_until_killed)
        assert enough.wait(30)
        own_telemetry.kill()
        done.result(30)
    own_telemetry.start()

    with own_telemetry.client() as client:
        stored = {row[0] for row in client.query("SELECT n FROM kept").result_rows}
        # The last one may or may not be there; repeating it with its token counts it once.
        last = acknowledged[-1] + 1
        client.insert("kept", [[last, "b"]], column_names=["n", "batch"], settings={"insert_deduplication_token": f"b-{last}"})
        counts = client.query("SELECT count(), uniqExact(n) FROM kept").result_rows[0]
    assert set(acknowledged) <= stored
    assert counts == (len(acknowledged) + 1, len(acknowledged) + 1)


def test_a_second_process_on_the_folder_is_refused_by_the_name_of_the_first(own_telemetry: RunningTelemetry) -> None:
    layout = own_telemetry.layout
    second = Child("second", own_telemetry.process.argv(), log=layout.log_file("second"), environment=environment(layout))

    code = second.stop(number=0, timeout_s=20)

    assert code == 7
    assert f"(pid {own_telemetry.child.pid}, started " in second.last_words()
    assert own_telemetry.process.is_ready()


def test_a_clean_stop_finishes_what_was_begun(own_telemetry: RunningTelemetry) -> None:
    asked = threading.Event()

    def long_query() -> int:
        with own_telemetry.client() as client:
            asked.set()
            return int(client.command("SELECT 1 + sleep(1)"))

    with ThreadPoolExecutor(1) as pool, own_telemetry.client() as client:
        answer = pool.submit(long_query)
        assert asked.wait(10)
        wait_ready(own_telemetry.child, lambda: client.command("SELECT count() FROM system.processes") == 2, timeout_s=10)
        code = own_telemetry.child.stop(number=signal.SIGTERM, timeout_s=20)

    assert (answer.result(), code) == (1, 0)


def test_the_secret_is_new_at_each_start_and_closed_to_others(own_telemetry: RunningTelemetry) -> None:
    before = own_telemetry.layout.telemetry_secret.read_text()
    own_telemetry.kill()

    own_telemetry.process.prepare()

    assert own_telemetry.layout.telemetry_secret.read_text() != before
    assert own_telemetry.layout.telemetry_secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the engine a user of its own")
def test_as_root_the_engine_runs_as_its_own_user(own_telemetry: RunningTelemetry) -> None:
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{own_telemetry.child.pid}/status").read_text().splitlines() if ":\t" in line)

    uid = own_telemetry.process.accounts.uid_of("telemetry")
    assert lines["Uid"].split() == [str(uid)] * 4
    assert (lines["CapEff"], lines["NoNewPrivs"]) == ("0" * 16, "1")


def test_a_free_read_lane_does_not_wait_for_the_write_lane() -> None:
    lanes = Lanes(reads=1, writes=1, queue=1, wait_s_max=0.01)

    with lanes.turn(reading=False), lanes.turn(reading=True), pytest.raises(EngineError) as refused, lanes.turn(reading=True):
        pytest.fail("two readers in one lane")

    assert (refused.value.code, refused.value.status) == (202, 503)


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT ';' ; DROP TABLE a", "SELECT 1 /* ; */ ; -- x\n SELECT 2", "SELECT 1;;x"])
def test_a_second_statement_is_found_wherever_it_hides(sql: str) -> None:
    with pytest.raises(EngineError, match="multi-statements"):
        single(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ';'",
        "SELECT 1 -- ; two",
        "SELECT 'it''s ; one'",
        r"SELECT 'a\'; b'",
        "SELECT `;` FROM t",
        "SELECT $x$ ; $x$",
        "SELECT /* ; */ 1",
    ],
)
def test_a_semicolon_in_quotes_or_comments_is_no_second_statement(sql: str) -> None:
    assert single(sql) == sql
    assert single(sql.rstrip() + "\n;\n").strip() == sql


def test_the_format_is_read_from_the_end_of_the_statement_only() -> None:
    assert output_format("SELECT 'FORMAT CSV' AS FORMAT", "TSV") == "TSV"
    assert output_format("SELECT formatDateTime(now(), '%d') FORMAT JSON", "TSV") == "JSON"
    assert output_format("SELECT 1 FORMAT Native SETTINGS max_threads = 1", "TSV") == "Native"


def test_statements_find_their_lane() -> None:
    assert [
        is_reading(sql)
        for sql in ("/* x */ (select 1)", "with 1 as a select a", "SHOW TABLES", "insert into t select 1", "ALTER TABLE t", "")
    ] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_data_of_an_insert_begin_after_its_format_and_may_look_like_anything() -> None:
    text = "INSERT INTO t (`a;b`, `FORMAT`) SETTINGS x = 'FORMAT' FORMAT Native\n;SELECT FORMAT x"
    found = data_insert(text)

    assert found is not None
    insert, begin = found
    assert (insert.head, insert.settings, insert.format, text[begin:]) == (
        "INSERT INTO t (`a;b`, `FORMAT`)",
        "SETTINGS x = 'FORMAT'",
        "Native",
        ";SELECT FORMAT x",
    )
    assert data_insert("INSERT INTO t SELECT * FROM u FORMAT Native") is None
    assert data_insert("INSERT INTO t VALUES ('FORMAT Native')") is None
    assert data_insert("SELECT 1 FORMAT Native") is None
