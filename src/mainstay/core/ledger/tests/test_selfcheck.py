"""The hourly self-check: page by page, every log in its turn, a fault closes the log."""

from datetime import timedelta
from uuid import UUID

import pytest

from mainstay.core.ledger import queries, verification
from mainstay.core.ledger.selfcheck import BODY_SHARES, SelfCheck
from mainstay.core.ledger.tests.conftest import LogUnderTest
from mainstay.core.tenancy.binding import tenant_transaction


@pytest.fixture
def check(log: LogUnderTest) -> SelfCheck:
    """A self-check for which other logs of this database have had their turn."""
    log.rows(
        "INSERT INTO ledger_selfcheck (tenant, log_id, begun_at, ended_at, size, leaves, bodies, fault)"
        " SELECT tenant, id, 'infinity', 'infinity', 0, 0, 0, '' FROM ledger_log WHERE tenant <> %s"
        " ON CONFLICT (log_id) DO UPDATE SET ended_at = 'infinity' RETURNING 1",
        log.tenant,
    )
    return SelfCheck(log.postgres.url("ledger"))


def checked(log: LogUnderTest) -> list[tuple[object, ...]]:
    return log.rows("SELECT size, leaves, bodies, fault, ended_at FROM ledger_selfcheck WHERE tenant = %s", log.tenant)


def run_through(check: SelfCheck, log: LogUnderTest, ticks: int = 400) -> int:
    """Tick until nothing is due any more; return the number of ticks."""
    check._asked_at = None
    for number in range(ticks):
        check.tick(log.clock)
        if check._asked_at is not None:
            return number
    raise AssertionError("the self-check does not come to an end")


def test_a_whole_log_is_recomputed_and_the_result_recorded(check: SelfCheck, log: LogUnderTest) -> None:
    log.record(30)
    log.sequence()

    run_through(check, log)

    ((size, leaves, bodies, fault, ended_at),) = checked(log)
    assert (size, leaves, fault, ended_at) == (30, 30, "", log.clock.now())
    assert bodies in (1, 2)  # one in 24


def test_within_a_day_every_body_is_opened(check: SelfCheck, log: LogUnderTest) -> None:
    log.record(30)
    log.sequence()
    opened = 0
    for _ in range(BODY_SHARES):
        run_through(check, log)
        opened += int(str(checked(log)[0][2]))
        log.clock.forward(seconds=3600)

    assert opened == 30


def test_a_log_is_read_a_page_at_a_time(check: SelfCheck, log: LogUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    run_through(check, log)
    monkeypatch.setattr(verification, "PAGE", 256)
    log.record(600)
    log.sequence()
    check._asked_at = None

    seen = []
    for _ in range(3):
        check.tick(log.clock)
        seen.append(len(checked(log)))

    assert seen == [0, 0, 1]
    assert checked(log)[0][:2] == (600, 600)


def test_a_log_that_was_checked_has_its_next_turn_an_hour_later(check: SelfCheck, log: LogUnderTest) -> None:
    log.record(1)
    log.sequence()
    run_through(check, log)
    first = checked(log)[0][4]
    log.clock.forward(seconds=3599)
    run_through(check, log)
    unchanged = checked(log)[0][4]
    log.clock.forward(seconds=1)
    run_through(check, log)

    assert unchanged == first
    assert checked(log)[0][4] == first + timedelta(hours=1)  # type: ignore[operator] # a time


def test_a_leaf_that_differs_from_its_entry_closes_the_log_and_is_named(check: SelfCheck, log: LogUnderTest) -> None:
    log.record(3)
    log.sequence()
    log.tamper("UPDATE ledger_entry SET out = 'failed' WHERE id = (SELECT min(id) FROM ledger_entry WHERE tenant = %s)", log.tenant)

    run_through(check, log)

    reason = "leaf_differs_from_entry at 0: the entry's columns no longer give this leaf"
    assert checked(log)[0][3] == reason
    with tenant_transaction(log.tenant, readable=[log.tenant], read_only=True):
        found = queries.estate_of_logs(log.clock.now())
    assert [(one.tenant, one.reason) for one in found.closed] == [(log.tenant, reason)]


def test_what_lies_outside_the_scope_is_neither_seen_nor_counted(check: SelfCheck, log: LogUnderTest) -> None:
    log.record(2)
    log.sequence()
    log.record(1)
    late = log.clock.forward(seconds=61)

    with tenant_transaction(log.tenant, readable=[log.tenant], read_only=True):
        own = queries.estate_of_logs(late)
    with tenant_transaction(UUID(int=1), readable=[], read_only=True):
        foreign = queries.estate_of_logs(late)

    assert (own.logs, own.unsequenced, own.check_overdue) == (1, {log.tenant: 1}, 0)
    assert (foreign.logs, foreign.unsequenced) == (0, {})


def test_the_runtime_role_cannot_write_what_the_check_found(log: LogUnderTest) -> None:
    rights = log.rows(
        "SELECT has_table_privilege('mainstay_app', 'ledger_selfcheck', 'INSERT, UPDATE, DELETE, TRUNCATE') WHERE %s IS NOT NULL",
        log.tenant,
    )

    assert rights == [(False,)]
