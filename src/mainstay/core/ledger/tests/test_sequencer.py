"""Places and signatures: no gap, nothing twice, nothing signed that is not committed."""

import threading
from pathlib import Path

import psycopg
import pytest

from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import PLATFORM
from mainstay.core.ledger.queries import wait_covered
from mainstay.core.ledger.sequencer import Sequencer
from mainstay.core.ledger.signing import LogSigner, installation_id, origin_of, verify_ed25519
from mainstay.core.ledger.tests.conftest import SEED, LogUnderTest
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.errors import Unavailable
from mainstay_trust.ledger_leaf import parse_leaf
from mainstay_trust.merkle import Frontier, leaf_hash
from mainstay_trust.notes import Checkpoint, open_checkpoint, parse_vkey


def checkpoints(log: LogUnderTest) -> list[tuple[object, ...]]:
    return log.rows("SELECT size, root, note FROM ledger_checkpoint WHERE tenant = %s ORDER BY size", log.tenant)


def test_entries_get_their_places_in_order_and_a_signed_checkpoint_over_them(log: LogUnderTest) -> None:
    ids = log.record(3)

    log.sequence()

    assert log.leaves() == [(0, ids[0]), (1, ids[1]), (2, ids[2])]
    [(size, root, note)] = checkpoints(log)
    edge = Frontier()
    stored = log.rows("SELECT leaf, hash FROM ledger_leaf WHERE tenant = %s ORDER BY seq", log.tenant)
    for leaf, hashed in stored:
        assert leaf_hash(leaf) == hashed
        edge.append(hashed)
    [(origin, vkey)] = log.rows("SELECT origin, vkey FROM ledger_log WHERE tenant = %s", log.tenant)
    signed, _ = open_checkpoint(note.encode(), [parse_vkey(vkey)], verify_ed25519)
    assert signed == Checkpoint(origin, 3, edge.root())
    assert (size, root) == (3, edge.root())
    assert parse_leaf(stored[1][0]).seq == 1
    assert log.rows("SELECT 1 FROM ledger_pending WHERE tenant = %s", log.tenant) == []


def test_the_origin_names_the_installation_and_the_tenant_and_no_client() -> None:
    iid = installation_id(LogSigner(SEED).public)

    assert len(iid) == 16
    assert origin_of(iid, PLATFORM, 1) == f"mainstay.{iid}/platform/1"
    tenant = new_id()
    assert origin_of(iid, tenant, 2) == f"mainstay.{iid}/t/{tenant}/2"


def test_an_entry_that_commits_after_its_successor_gets_the_next_place(log: LogUnderTest) -> None:
    [first] = log.record()
    log.sequence()
    with psycopg.connect(log.postgres.url("app")) as slow:
        slow.execute("SELECT set_config('app.tenant', %s, true)", [str(log.tenant)])
        copied = "INSERT INTO ledger_entry (tenant, act, actor, at, obj, out, via, body) SELECT tenant, act, actor, at, obj, out, via, ''"
        [late] = slow.execute(f"{copied} FROM ledger_entry WHERE id = %s RETURNING id", [first]).fetchone()
        slow.execute("INSERT INTO ledger_pending (entry_id, tenant) VALUES (%s, %s)", [late, log.tenant])
        [early] = log.record()
        assert late < early
        log.sequence()
        slow.commit()

    log.sequence()

    assert log.leaves() == [(0, first), (1, early), (2, late)]


def test_of_two_sequencers_at_once_every_entry_still_gets_one_place(log: LogUnderTest) -> None:
    ids = log.record(300)
    barrier = threading.Barrier(2)

    def work() -> None:
        with log.sequencer() as sequencer:
            barrier.wait(timeout=20)
            for _ in range(20):
                sequencer.once()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    more = log.record(50)
    for thread in threads:
        thread.join(timeout=60)
    log.sequence()

    leaves = log.leaves()
    assert [seq for seq, _ in leaves] == list(range(350))
    assert sorted(entry_id for _, entry_id in leaves) == ids + more


def test_a_sequencer_leaves_a_log_alone_that_another_one_works_on(log: LogUnderTest) -> None:
    log.record()

    with log.sequencer() as one, log.sequencer() as other, one._bound(log.tenant) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [0x6D73, str(log.tenant)])
        assert other.commit_batch(log.tenant) == 0

    assert log.leaves() == []


class DiesBeforeCommit(Sequencer):
    def _append(self, cursor, log, edge, leaves) -> None:  # type: ignore[no-untyped-def]  # a test's own
        super()._append(cursor, log, edge, leaves)
        raise KeyboardInterrupt


def test_a_sequencer_that_dies_before_its_commit_leaves_nothing_behind(log: LogUnderTest) -> None:
    ids = log.record(2)
    with pytest.raises(KeyboardInterrupt), log.sequencer(DiesBeforeCommit) as sequencer:
        sequencer.commit_batch(log.tenant)
    assert (log.leaves(), checkpoints(log)) == ([], [])

    log.sequence()

    assert log.leaves() == [(0, ids[0]), (1, ids[1])]


def test_a_crash_between_commit_and_signature_repeats_the_same_bytes(log: LogUnderTest) -> None:
    log.record(2)
    with log.sequencer() as dies:
        dies.commit_batch(log.tenant)
    [(size, root, note)] = checkpoints(log)
    assert (size, note) == (2, None)
    [(origin,)] = log.rows("SELECT origin FROM ledger_log WHERE tenant = %s", log.tenant)
    would_have_been = LogSigner(SEED).sign(Checkpoint(origin, 2, root)).encode().decode()

    log.sequence()

    assert checkpoints(log) == [(2, root, would_have_been)]


def test_a_signature_is_written_once(log: LogUnderTest) -> None:
    log.record()
    log.sequence()

    with psycopg.connect(log.postgres.url("ledger")) as session:
        session.execute("SELECT set_config('app.tenant', %s, true)", [str(log.tenant)])
        with pytest.raises(psycopg.errors.RestrictViolation):
            session.execute("UPDATE ledger_checkpoint SET note = 'another' WHERE tenant = %s", [log.tenant])


def test_a_second_root_for_a_size_cannot_be_stored(log: LogUnderTest) -> None:
    log.record()
    log.sequence()

    with psycopg.connect(log.postgres.url("ledger")) as session:
        session.execute("SELECT set_config('app.tenant', %s, true)", [str(log.tenant)])
        again = "SELECT tenant, log_id, size, '\\x00', frontier, created_at FROM ledger_checkpoint WHERE tenant = %s"
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute("INSERT INTO ledger_checkpoint (tenant, log_id, size, root, frontier, created_at) " + again, [log.tenant])


def test_a_queue_row_planted_for_a_sequenced_entry_does_not_stop_the_log(log: LogUnderTest) -> None:
    [first] = log.record()
    log.sequence()
    log.tamper("INSERT INTO ledger_pending (entry_id, tenant) VALUES (%s, %s)", first, log.tenant)
    [second] = log.record()

    with log.sequencer() as sequencer:
        assert [sequencer.commit_batch(log.tenant), sequencer.commit_batch(log.tenant)] == [1, 0]

    assert log.leaves() == [(0, first), (1, second)]
    assert log.rows("SELECT 1 FROM ledger_pending WHERE tenant = %s", log.tenant) == []


def plant(log: LogUnderTest) -> int:
    """Write, past `record`, an entry that has no valid leaf; return its id."""
    with psycopg.connect(log.postgres.url("app")) as planted:
        planted.execute("SELECT set_config('app.tenant', %s, true)", [str(log.tenant)])
        [bad] = planted.execute(
            "INSERT INTO ledger_entry (tenant, act, actor, at, obj, out, via, body)"
            " VALUES (%s, 'Not an act', 'x', now(), '', '', '', '') RETURNING id",
            [log.tenant],
        ).fetchone()
        planted.execute("INSERT INTO ledger_pending (entry_id, tenant) VALUES (%s, %s)", [bad, log.tenant])
    return int(bad)


def state(log: LogUnderTest) -> tuple[object, ...]:
    return log.rows("SELECT state, state_reason FROM ledger_log WHERE tenant = %s", log.tenant)[0]


def test_an_entry_that_waits_for_its_leaf_for_more_than_a_minute_closes_its_log(log: LogUnderTest) -> None:
    bad = plant(log)
    with log.sequencer() as sequencer:
        sequencer.once()
        log.clock.forward(seconds=60)
        sequencer.once()
        at_a_minute = state(log)
        log.clock.forward(seconds=10)
        sequencer.once()

    assert at_a_minute == ("open", "")
    assert state(log) == ("read_only", f"unsequenced at entry {bad}: it has no leaf after 60 s")


def test_entries_that_waited_while_no_sequencer_ran_close_nothing(log: LogUnderTest) -> None:
    log.record()
    log.clock.forward(hours=2)

    log.sequence()
    log.sequence()

    assert state(log) == ("open", "")


def test_a_planted_entry_without_a_valid_leaf_stays_waiting_and_does_not_stop_the_log(log: LogUnderTest) -> None:
    bad = plant(log)
    [good] = log.record()

    log.sequence()

    assert log.leaves() == [(0, good)]
    assert log.rows("SELECT entry_id FROM ledger_pending WHERE tenant = %s", log.tenant) == [(bad,)]


def test_a_grown_log_is_anchored_in_the_platform_log_once(log: LogUnderTest) -> None:
    log.record(2)
    anchors = "SELECT extra FROM ledger_entry WHERE tenant = %s AND obj = %s ORDER BY id"
    obj = f"ledger.checkpoint:{log.tenant}.1"
    with log.sequencer() as sequencer:
        sequencer.once()
        [(first,)] = log.rows(anchors, PLATFORM, obj)

        log.clock.forward(seconds=61)
        sequencer.once()
        log.record()
        sequencer.once()
        assert len(log.rows(anchors, PLATFORM, obj)) == 1
        log.clock.forward(seconds=61)
        sequencer.once()

    [(size, root, _), (size_after, _, _)] = checkpoints(log)
    assert first == {"size": size, "root": root.hex()}
    assert [extra["size"] for (extra,) in log.rows(anchors, PLATFORM, obj)] == [2, size_after] == [2, 3]
    log.clock.forward(seconds=61)
    log.sequence()
    assert len(log.rows(anchors, PLATFORM, obj)) == 2


def test_a_database_older_than_the_file_of_heads_is_not_written_on(log: LogUnderTest, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    log.record(2)
    with log.sequencer(heads=heads) as sequencer:
        sequencer.once()
    log.tamper("DELETE FROM ledger_checkpoint WHERE tenant = %s", log.tenant)

    with log.sequencer(heads=heads):
        pass

    assert log.rows("SELECT state, state_reason FROM ledger_log WHERE tenant = %s", log.tenant) == [("read_only", "older_than_head")]
    with pytest.raises(Unavailable):
        log.record()


def test_a_rewritten_checkpoint_is_noticed_against_the_file_of_heads(log: LogUnderTest, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    log.record(2)
    with log.sequencer(heads=heads) as sequencer:
        sequencer.once()
    log.tamper("UPDATE ledger_checkpoint SET root = '\\x00' WHERE tenant = %s", log.tenant)

    with log.sequencer(heads=heads):
        pass

    assert log.rows("SELECT state_reason FROM ledger_log WHERE tenant = %s", log.tenant) == [("rewritten_before_head",)]


def check_all(log: LogUnderTest) -> None:
    with log.sequencer() as sequencer:
        sequencer.check_next()
        while sequencer._unchecked:
            sequencer.check_next()


def test_the_self_check_stops_writing_on_a_log_that_was_changed(log: LogUnderTest, other_log: LogUnderTest) -> None:
    log.record(3)
    other_log.record(3)
    log.sequence()
    log.tamper("UPDATE ledger_entry SET out = 'failed' WHERE id = (SELECT max(id) FROM ledger_entry WHERE tenant = %s)", log.tenant)

    check_all(log)

    state = "SELECT state, state_reason FROM ledger_log WHERE tenant = %s"
    [(state_of_changed, reason)] = log.rows(state, log.tenant)
    assert state_of_changed == "read_only"
    assert reason.startswith("leaf_differs_from_entry at 2")
    assert log.rows(state, other_log.tenant) == [("open", "")]
    with pytest.raises(Unavailable):
        log.record()


def test_the_loop_signs_at_once_when_it_is_asked_to_and_stops_when_told(log: LogUnderTest) -> None:
    stop, sequencer = threading.Event(), log.sequencer()
    thread = threading.Thread(target=sequencer.run, args=[stop])
    thread.start()
    with tenant_transaction(log.tenant):
        entry = ledger.record(log.actor, "desk.incident.opened", "01", clock=log.clock)
        ledger.wake_sequencer()

    covered = wait_covered(log.tenant, entry.id, timeout_s=10)
    stop.set()
    thread.join(timeout=10)

    assert covered
    assert not thread.is_alive()
