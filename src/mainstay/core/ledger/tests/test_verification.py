"""The self-check finds what was changed behind the ledger's back, and names the first index."""

import pytest

from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.tests.conftest import LogUnderTest
from mainstay.core.ledger.verification import Fault, Report, verify_log
from mainstay.core.tenancy.binding import tenant_transaction


def verified(log: LogUnderTest, last: int | None = None) -> Report:
    with tenant_transaction(log.tenant):
        return verify_log(log.tenant, last=last)


def test_an_untouched_log_is_found_whole(log: LogUnderTest) -> None:
    log.record(300)
    log.sequence()

    report = verified(log)

    assert (report.ok, report.size, report.checked_leaves, report.checked_bodies) == (True, 300, 300, 300)


def test_the_last_leaves_alone_can_be_checked_from_a_tile_on(log: LogUnderTest) -> None:
    log.record(600)
    log.sequence()

    report = verified(log, last=10)

    assert (report.ok, report.checked_leaves, report.root_hex) == (True, 88, verified(log).root_hex)


def test_entries_with_further_members_are_checked_like_others(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        ledger.record(log.actor, "ledger.entry.expired", "1", clock=log.clock, range=(0, 4), ref=3)
    log.sequence()

    report = verified(log)

    assert (report.ok, report.checked_leaves) == (True, 1)


def test_an_empty_log_has_nothing_to_find(log: LogUnderTest) -> None:
    assert verified(log).ok


LEAF_2 = "(SELECT entry_id FROM ledger_leaf WHERE tenant = %s AND seq = 2)"


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE ledger_entry SET out = 'failed' WHERE THE_ENTRY", [(Fault.LEAF_DIFFERS_FROM_ENTRY, 2)]),
        ("UPDATE ledger_entry SET out = 'nonsense' WHERE THE_ENTRY", [(Fault.LEAF_DIFFERS_FROM_ENTRY, 2)]),
        ("DELETE FROM ledger_entry WHERE THE_ENTRY", [(Fault.ENTRY_MISSING, 2)]),
        ("DELETE FROM ledger_body WHERE OF_THE_ENTRY", [(Fault.BODY_MISSING, 2)]),
        ("UPDATE ledger_body SET state = 'erased', sealed = NULL WHERE OF_THE_ENTRY", [(Fault.BODY_MISSING, 2)]),
        ("UPDATE ledger_body SET salt = decode(repeat('00', 32), 'hex') WHERE OF_THE_ENTRY", [(Fault.BODY_DIFFERS, 2)]),
        ("UPDATE ledger_body SET sealed = sealed || '\\x00' WHERE OF_THE_ENTRY", [(Fault.BODY_DIFFERS, 2)]),
        ("UPDATE ledger_leaf SET hash = decode(repeat('00', 32), 'hex') WHERE tenant = %s AND seq = 2", [(Fault.LEAF_HASH, 2)]),
        ("DELETE FROM ledger_leaf WHERE tenant = %s AND seq = 2", [(Fault.LEAF_MISSING, 2), (Fault.LEAF_MISSING, 2)]),
        ("UPDATE ledger_tile SET hashes = '\\x00' WHERE tenant = %s", [(Fault.TILE_DIFFERS, 0)]),
        ("DELETE FROM ledger_tile WHERE tenant = %s", [(Fault.TILE_DIFFERS, 0)]),
        (
            "UPDATE ledger_checkpoint SET root = decode(repeat('00', 32), 'hex') WHERE tenant = %s",
            [(Fault.ROOT_DIFFERS, 257), (Fault.SIGNATURE, 257)],
        ),
        ("UPDATE ledger_checkpoint SET note = replace(note, E'257\\n', E'256\\n') WHERE tenant = %s", [(Fault.SIGNATURE, 257)]),
    ],
)
def test_a_change_behind_its_back_is_found(log: LogUnderTest, statement, found) -> None:
    log.record(257)
    log.sequence()
    log.tamper(statement.replace("OF_THE_ENTRY", f"entry_id = {LEAF_2}").replace("THE_ENTRY", f"id = {LEAF_2}"), log.tenant)

    report = verified(log)

    assert [(finding.fault, finding.index) for finding in report.findings] == found


def test_a_leaf_changed_together_with_its_entry_and_hash_still_gives_another_root(log: LogUnderTest) -> None:
    log.record(5)
    log.sequence()
    log.tamper("UPDATE ledger_entry SET out = 'failed' WHERE id = (SELECT min(id) FROM ledger_entry WHERE tenant = %s)", log.tenant)
    log.tamper(
        "UPDATE ledger_leaf SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '\"out\":\"ok\"', '\"out\":\"failed\"'), 'UTF8')"
        " WHERE tenant = %s AND seq = 0",
        log.tenant,
    )
    log.tamper("UPDATE ledger_leaf SET hash = sha256('\\x00'::bytea || leaf) WHERE tenant = %s AND seq = 0", log.tenant)

    report = verified(log)

    assert [(finding.fault, finding.index) for finding in report.findings] == [(Fault.ROOT_DIFFERS, 5)]
