"""The spool: bounded, durable, and honest about what it lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.net.spool import KEEP_SENT_MS, Spool
from tests.agent.fakes import NOW
from tests.agent.test_helper_process import SOURCE

SERIES = '[["load1",{}]]'


def put(spool: Spool, clock: FixedClock, count: int, size: int = 10) -> list[int]:
    moments = []
    for _ in range(count):
        spool.put_sample(clock.wall_ms(), "d1", SERIES, json.dumps(["x" * size]))
        moments.append(clock.wall_ms())
        clock.advance(10)
    return moments


def gaps(spool: Spool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while (waiting := spool.oldest("gaps")) is not None:
        found += json.loads(waiting.body)
        spool.acknowledge("gaps", waiting.seq)
    return found


def test_a_full_spool_drops_the_oldest_samples_and_says_which(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock, bytes_max=400_000)
    moments = put(spool, clock, 2000, size=400)

    lost = gaps(spool)
    left = spool.newest_samples(5000)

    assert spool.size_bytes() <= 400_000
    assert {one["reason"] for one in lost} == {"spool_full"}
    assert sum(one["count"] for one in lost) == spool.dropped == 2000 - len(left)
    assert [row.at_ms for row in left] == moments[-len(left) :]
    assert lost[0]["from_ms"] == moments[0]


def test_facts_keep_only_the_latest_of_each_group(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock)

    assert spool.put_fact("os", "a" * 64, {"value": 1})
    assert spool.put_fact("os", "b" * 64, {"value": 2})
    assert not spool.put_fact("os", "b" * 64, {"value": 2})

    numbered = spool.number_facts("hash")
    assert numbered is not None
    assert json.loads(numbered.body) == {"groups": {"os": {"value": 2}}, "hash": "hash"}
    assert spool.number_facts("hash") is None


def test_a_request_keeps_number_and_bytes_until_it_is_acknowledged(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock)
    first = spool.number("states", [{"unit": "web"}])
    second = spool.number("states", [{"unit": "db"}])
    spool.close()

    again = Spool(tmp_path / "spool.sqlite3", clock)

    assert again.oldest("states") == first
    again.acknowledge("states", first.seq)
    assert again.oldest("states") == second
    assert again.number("states", []).seq == 3


def test_acknowledged_samples_can_be_sent_again_for_an_hour(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock)
    moments = put(spool, clock, 3)
    rows = spool.newest_samples(10)
    numbered = spool.number_poll(rows, {"samples": 1})
    spool.acknowledge("poll", numbered.seq)
    assert spool.newest_samples(10) == []

    spool.resend_samples(moments[1])
    assert [row.at_ms for row in spool.newest_samples(10)] == moments[1:]

    clock.advance(KEEP_SENT_MS / 1000 + 60)
    spool.tidy()
    spool.resend_samples(0)
    assert [row.at_ms for row in spool.newest_samples(10)] == moments[1:]


def test_samples_of_a_week_ago_are_dropped_with_a_gap(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock)
    put(spool, clock, 2)
    clock.advance(8 * 86400)
    fresh = put(spool, clock, 1)

    spool.tidy()

    assert [row.at_ms for row in spool.newest_samples(10)] == fresh
    assert [(one["reason"], one["count"]) for one in gaps(spool)] == [("age", 2)]


def test_a_damaged_spool_is_set_aside_and_poll_numbers_go_on_rising(tmp_path: Path, clock: FixedClock) -> None:
    path = tmp_path / "spool.sqlite3"
    spool = Spool(path, clock)
    for _ in range(5):
        before = spool.number_poll([], {})
        spool.acknowledge("poll", before.seq)
    epoch = spool.epoch
    spool.close()
    path.write_bytes(b"garbage" * 1000)
    clock.advance(60)

    again = Spool(path, clock)

    assert len(list(tmp_path.glob("spool.sqlite3.corrupt-*"))) == 1
    assert again.epoch != epoch
    assert again.number_poll([], {}).seq > before.seq
    assert [one["reason"] for one in gaps(again)] == ["spool_corrupt"]


def test_a_server_that_expects_another_number_gets_the_same_requests_under_it(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", clock)
    for unit in ("a", "b", "c"):
        spool.number("states", [unit])

    spool.renumber("states", 7)

    assert [spool.oldest("states").seq, json.loads(spool.oldest("states").body)] == [7, ["a"]]  # type: ignore[union-attr]
    assert spool.number("states", []).seq == 10


def test_more_log_lines_than_fit_leave_a_gap(tmp_path: Path, clock: FixedClock, monkeypatch: Any) -> None:
    monkeypatch.setattr("mainstay_agent.net.spool.LOG_LINES_MAX", 5)
    spool = Spool(tmp_path / "spool.sqlite3", clock)

    spool.put_lines([{"n": number} for number in range(8)])

    numbered = spool.number_lines(100)
    assert numbered is not None
    assert [line["n"] for line in json.loads(numbered.body)] == [3, 4, 5, 6, 7]
    assert [(one["stream"], one["reason"], one["count"]) for one in gaps(spool)] == [("logs", "rate", 3)]


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from mainstay_agent.host.clocks import FixedClock
from mainstay_agent.net.spool import Spool
clock = FixedClock({now})
spool = Spool(Path(sys.argv[1]), clock)
while True:
    clock.advance(10)
    spool.put_sample(clock.wall_ms(), "d1", '[["load1",{{}}]]', "[1]")
    rows = spool.newest_samples(5)
    numbered = spool.number_poll(rows, {{"t": [row.at_ms for row in rows]}})
    print(numbered.seq, flush=True)
    spool.acknowledge("poll", numbered.seq)
"""


def test_a_killed_writer_leaves_a_spool_that_lost_nothing_it_had_numbered(tmp_path: Path, clock: FixedClock) -> None:
    path = tmp_path / "spool.sqlite3"
    writer = subprocess.Popen([sys.executable, "-c", WRITER.format(now=NOW * 1000), str(path), SOURCE], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(40)]
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    last = int((lines + rest.split())[-1])

    spool = Spool(path, clock)

    assert gaps(spool) == []
    waiting = spool.oldest("poll")
    assert waiting is None or waiting.seq >= last
    assert spool.number_poll([], {}).seq > last
