"""The spool and its drainer: what was promised survives, and goes on exactly once."""

import errno
import io
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from mainstay.domains.telemetry.models.columns import SHAPES, Table
from mainstay.domains.telemetry.services.drain import Drainer, State, batches
from mainstay.domains.telemetry.services.registration import record_of
from mainstay.domains.telemetry.services.spool import HEADER, Position, Record, Spool, quarantined, segments
from mainstay.kernel.errors import Invalid, Unavailable

DAY_MS = 86_400_000


def samples(*values: float, day: int = 20_000) -> Record:
    count = len(values)
    columns = {
        "tenant": [1] * count,
        "series": [2**63 + 5] * count,
        "ts": [day * DAY_MS + number for number in range(count)],
        "value": list(values),
        "keep": [30] * count,
    }
    return record_of(Table.SAMPLES, columns)


@dataclass
class FakeEngine:
    """An engine that forgets nothing and drops a token that it has seen."""

    rows: list[tuple[str, float]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    fails: int = 0
    fails_after: int = 0

    def insert(self, table: str, arrow: bytes, *, token: str) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("telemetry.unavailable")
        if token not in self.tokens:
            self.tokens.append(token)
            read = pa.ipc.open_file(io.BytesIO(arrow)).read_all()
            self.rows += [(table, value) for value in read.column("value").to_pylist()]
        if self.fails_after:
            self.fails_after -= 1
            raise Unavailable("telemetry.unavailable")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    made.start()
    yield made
    made.close()


def values_in(spool: Spool) -> list[float]:
    stored = spool.read(Position(0, 0), spool.durable)
    schema = SHAPES[Table.SAMPLES].schema
    return [
        value for one in stored for value in pa.ipc.read_record_batch(pa.py_buffer(one.record.payload), schema).column("value").to_pylist()
    ]


def reopened(spool: Spool) -> Spool:
    """Start again on the same folder, as after a kill: the first one is never closed properly."""
    again = Spool(spool.folder)
    again.recovery = again.start()
    return again


def test_what_was_promised_is_there_after_a_restart(spool: Spool) -> None:
    spool.submit([samples(1.0, 2.0)]).result(5)
    spool.submit([samples(3.0)]).result(5)

    again = reopened(spool)

    assert values_in(again) == [1.0, 2.0, 3.0]
    assert (again.recovery.cut_bytes, again.recovery.quarantined) == (0, ())
    assert again.submit([samples(4.0)]).result(5) == 3
    again.close()


@pytest.mark.parametrize("cut", [1, 10, HEADER.size, HEADER.size + 3])
def test_a_torn_record_at_the_tail_is_cut_and_the_rest_stays(spool: Spool, cut: int) -> None:
    spool.submit([samples(1.0)]).result(5)
    spool.submit([samples(2.0)]).result(5)
    path = spool.folder / f"{segments(spool.folder)[-1]:012d}.seg"
    os.truncate(path, path.stat().st_size - cut)

    again = reopened(spool)

    assert values_in(again) == [1.0]
    assert again.recovery.cut_bytes > 0
    again.close()


def test_a_damaged_record_in_an_older_segment_is_set_aside_and_the_others_stay(spool: Spool) -> None:
    spool.submit([samples(1.0)]).result(5)
    spool.submit([samples(2.0)]).result(5)
    older = spool.folder / f"{segments(spool.folder)[-1]:012d}.seg"
    newer = reopened(spool)
    newer.submit([samples(3.0)]).result(5)
    data = bytearray(older.read_bytes())
    data[-1] ^= 0xFF
    older.write_bytes(data)

    again = reopened(newer)

    assert values_in(again) == [1.0, 3.0]
    assert len(again.recovery.quarantined) == 1
    assert len(list((spool.folder / "quarantine").iterdir())) == 1
    newer.close()
    again.close()


def test_a_full_spool_takes_nothing_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "small", bytes_max=100)
    spool.start()
    spool.submit([samples(*range(20))]).result(5)

    with pytest.raises(Unavailable) as refused:
        spool.submit([samples(1.0)]).result(5)

    assert refused.value.code == "telemetry.spool_full"
    assert len(values_in(spool)) == 20
    spool.close()


def test_many_threads_write_whole_records(spool: Spool) -> None:
    threads = [threading.Thread(target=lambda: [spool.submit([samples(1.0, 1.0)]).result(10) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(values_in(spool)) == 320


def test_the_drainer_hands_everything_on_and_deletes_what_is_confirmed(spool: Spool) -> None:
    engine = FakeEngine()
    spool.submit([samples(1.0, 2.0)]).result(5)

    assert Drainer(spool, engine).step(at_once=True) == 2

    assert engine.rows == [("samples", 1.0), ("samples", 2.0)]
    assert Drainer(spool, engine).step(at_once=True) == 0


def test_an_insert_whose_answer_was_lost_counts_once_after_a_restart(spool: Spool) -> None:
    engine = FakeEngine(fails_after=1)
    spool.submit([samples(1.0)]).result(5)
    with pytest.raises(Unavailable):
        Drainer(spool, engine).step(at_once=True)
    spool.submit([samples(2.0)]).result(5)

    again = reopened(spool)
    drainer = Drainer(again, engine)
    while drainer.step(at_once=True):
        pass

    assert engine.rows == [("samples", 1.0), ("samples", 2.0)]
    assert len(engine.tokens) == 2
    again.close()


def test_an_engine_that_is_away_loses_nothing(spool: Spool) -> None:
    engine = FakeEngine(fails=2)
    drainer = Drainer(spool, engine)
    for number in range(3):
        spool.submit([samples(float(number))]).result(5)
        if engine.fails:
            with pytest.raises(Unavailable):
                drainer.step(at_once=True)

    while drainer.step(at_once=True):
        pass

    assert [value for _, value in engine.rows] == [0.0, 1.0, 2.0]


def test_a_batch_of_many_days_is_split_so_that_one_insert_touches_few_partitions(spool: Spool) -> None:
    for day in range(20):
        spool.submit([samples(float(day), day=20_000 + day)]).result(5)

    made = list(batches(spool.read(Position(0, 0), spool.durable), spool.id))

    assert [batch.rows for batch in made] == [8, 8, 4]
    assert len({batch.token for batch in made}) == 3


@dataclass
class PickyEngine(FakeEngine):
    """An engine that refuses every insert in which one value stands."""

    refuses: float = 13.0

    def insert(self, table: str, arrow: bytes, *, token: str) -> None:
        if self.refuses in pa.ipc.open_file(io.BytesIO(arrow)).read_all().column("value").to_pylist():
            raise Invalid("telemetry.batch_refused", "Code: 117. DB::Exception: no")
        super().insert(table, arrow, token=token)


def test_a_record_that_the_engine_refuses_is_set_aside_alone_and_the_others_go_on(spool: Spool) -> None:
    spool.submit([samples(1.0), samples(13.0, 14.0), samples(3.0)]).result(5)
    engine, told = PickyEngine(), []

    drainer = Drainer(spool, engine, told.append)
    drainer._attempt(0.25, at_once=True)

    assert sorted(value for _table, value in engine.rows) == [1.0, 3.0]
    assert (quarantined(spool.folder), told[-1]) == (1, State(refused=1, reason="Code: 117. DB::Exception: no"))
    spool.submit([samples(5.0)]).result(5)
    assert drainer.step(at_once=True) == 1
    assert sorted(value for _table, value in engine.rows) == [1.0, 3.0, 5.0]


def test_what_was_set_aside_can_be_read_back_with_its_reason(spool: Spool) -> None:
    spool.submit([samples(13.0, 14.0)]).result(5)

    Drainer(spool, PickyEngine()).step(at_once=True)

    about = json.loads(next((spool.folder / "quarantine").glob("*.json")).read_text())
    kept = next((spool.folder / "quarantine").glob("*.seg"))
    assert about == {"table": "samples", "rows": 2, "batch": 1, "reason": "Code: 117. DB::Exception: no"}
    kept.rename(spool.folder / "000000000099.seg")
    assert values_in_folder(spool, 99) == [13.0, 14.0]


def test_a_refused_record_of_a_cut_that_spreads_over_many_days_takes_no_row_of_another_with_it(spool: Spool) -> None:
    spool.submit([samples(float(day), day=20_000 + day) for day in range(12)] + [samples(13.0, day=20_003)]).result(5)
    engine = PickyEngine()

    Drainer(spool, engine).step(at_once=True)

    assert sorted(value for _table, value in engine.rows) == [float(day) for day in range(12)]
    assert quarantined(spool.folder) == 1


def test_a_record_of_bytes_that_are_no_columns_is_set_aside(spool: Spool) -> None:
    spool.submit([Record(Table.SAMPLES, 1, b"not arrow at all"), samples(2.0)]).result(5)
    engine = FakeEngine()

    Drainer(spool, engine).step(at_once=True)

    assert engine.rows == [("samples", 2.0)]
    assert quarantined(spool.folder) == 1


def test_a_disk_that_takes_no_cursor_keeps_the_drainer_alive_and_loses_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.submit([samples(1.0)]).result(5)
    engine, told = FakeEngine(), []
    drainer = Drainer(spool, engine, told.append)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _no_space)
        assert drainer._attempt(0.25, at_once=True) == 1.0
    assert told[-1].away.endswith("No space left on device")

    drainer._attempt(0.25, at_once=True)

    assert engine.rows == [("samples", 1.0)]
    assert told[-1].away == ""


def values_in_folder(spool: Spool, segment: int) -> list[float]:
    stored = spool.read(Position(segment, 0), Position(segment, 10**9))
    schema = SHAPES[Table.SAMPLES].schema
    return [
        value for one in stored for value in pa.ipc.read_record_batch(pa.py_buffer(one.record.payload), schema).column("value").to_pylist()
    ]


def _no_space(_file: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
