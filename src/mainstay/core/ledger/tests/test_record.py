"""Writing evidence: in the caller's transaction, complete, or not at all."""

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from mainstay.core.ledger import queries
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.tests.conftest import LogUnderTest
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.errors import Invalid, Unavailable
from mainstay_trust.ledger_leaf import body_commitment, part_commitment

COUNT_ALL = """
SELECT (SELECT count(*) FROM ledger_entry WHERE tenant = %(t)s), (SELECT count(*) FROM ledger_pending WHERE tenant = %(t)s),
    (SELECT count(*) FROM ledger_body WHERE tenant = %(t)s)
"""


def counts(log: LogUnderTest) -> tuple[object, ...]:
    return log.rows(COUNT_ALL.replace("%(t)s", f"'{log.tenant}'"))[0]


def record_and_fail(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        ledger.record(log.actor, "desk.incident.opened", "01", clock=log.clock, body={"title": "x"})
        raise RuntimeError("the change failed")


def test_an_entry_is_written_with_its_place_in_the_queue_and_its_sealed_body(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        entry = ledger.record(log.actor, "desk.incident.opened", "01", clock=log.clock, body={"title": "disk full"})

    assert counts(log) == (1, 1, 1)
    [row] = log.rows("SELECT act, actor, obj, out, via, body FROM ledger_entry WHERE tenant = %s", log.tenant)
    assert row == ("desk.incident.opened", "s:worker", "desk.incident:01", "ok", "job", entry.commitment)
    [(salt, sealed)] = log.rows("SELECT salt, sealed FROM ledger_body WHERE tenant = %s", log.tenant)
    assert body_commitment(salt, {"title": "disk full"}) == entry.commitment
    assert b"disk" not in sealed


def test_an_entry_without_a_body_has_an_empty_commitment(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        entry = ledger.record(log.actor, "access.session.closed", "02", clock=log.clock)

    assert entry.commitment == ""
    assert counts(log) == (1, 1, 0)


def test_it_is_one_statement_that_the_server_plans_once(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant), connection.cursor() as cursor:
        for _ in range(20):
            ledger.record(log.actor, "desk.incident.opened", "01", clock=log.clock, body={"title": "x"})
        cursor.execute(
            "SELECT generic_plans + custom_plans, generic_plans > 10 FROM pg_prepared_statements WHERE statement LIKE '%%ledger_entry%%'"
        )
        plans = cursor.fetchall()

    [(used, mostly_generic)] = plans
    assert used >= 20
    assert mostly_generic


def test_a_rolled_back_change_leaves_no_evidence(log: LogUnderTest) -> None:
    with pytest.raises(RuntimeError):
        record_and_fail(log)

    assert counts(log) == (0, 0, 0)


def test_bodies_stay_readable_after_the_transaction_that_drew_the_first_key_was_rolled_back(log: LogUnderTest) -> None:
    with pytest.raises(RuntimeError):
        record_and_fail(log)

    [entry_id] = log.record(title="second")

    with tenant_transaction(log.tenant):
        assert queries.body_of(log.tenant, entry_id) == {"number": 0, "title": "second"}


@pytest.mark.parametrize(
    ("act", "object_id", "members"),
    [
        ("incident.opened", "01", {}),
        ("desk.Incident.opened", "01", {}),
        ("desk.incident.opened", "Omar Haddad", {}),
        ("desk.incident.opened", "omar@harbor.example", {}),
        ("desk.incident.opened", "01", {"body": {"price": 1.5}}),
        ("desk.incident.opened", "01", {"body": {"n": 2**53}}),
        ("desk.incident.opened", "01", {"body": {"text": "\ud800"}}),
        ("desk.incident.opened", "01", {"body": {"text": "x" * 262_145}}),
        ("desk.incident.opened", "01", {"out": "perhaps"}),
        ("desk.incident.opened", "01", {"size": 4}),
        ("ledger.checkpoint.anchored", "01", {"size": 4, "root": "abc"}),
    ],
)
def test_what_has_no_valid_leaf_is_refused_and_nothing_is_written(log: LogUnderTest, act, object_id, members) -> None:
    with pytest.raises(Invalid) as refusal, tenant_transaction(log.tenant):
        ledger.record(log.actor, act, object_id, clock=log.clock, **members)

    assert refusal.value.code == "ledger.entry_invalid"
    assert counts(log) == (0, 0, 0)


def test_a_member_that_may_be_erased_alone_is_committed_apart(log: LogUnderTest) -> None:
    with tenant_transaction(log.tenant):
        entry = ledger.record(
            log.actor, "access.session.opened", "02", clock=log.clock, body={"ip": ledger.erasable("203.0.113.9"), "method": "passkey"}
        )

    parts = dict(log.rows("SELECT part, salt FROM ledger_body WHERE tenant = %s", log.tenant))
    committed = {"ip": {"$c": part_commitment(parts["ip"], "203.0.113.9")}, "method": "passkey"}
    assert body_commitment(parts[""], committed) == entry.commitment
    with tenant_transaction(log.tenant):
        assert queries.disclosed_body(log.tenant, entry.id) == (parts[""].hex(), committed)
        assert queries.body_of(log.tenant, entry.id) == {"ip": "203.0.113.9", "method": "passkey"}


def test_without_a_bound_tenant_nothing_can_be_written(log: LogUnderTest) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
        ledger.record(log.actor, "desk.incident.opened", "01", clock=log.clock)

    assert counts(log) == (0, 0, 0)


def test_no_tenant_writes_into_the_log_of_another(log: LogUnderTest, other_log: LogUnderTest) -> None:
    with pytest.raises(DatabaseError, match="row-level security"), tenant_transaction(log.tenant):
        ledger.record(other_log.actor, "desk.incident.opened", "01", clock=log.clock)

    assert counts(other_log) == (0, 0, 0)


def test_a_tenant_reads_its_own_evidence_only(log: LogUnderTest, other_log: LogUnderTest) -> None:
    log.record(2)
    other_log.record(3)

    with tenant_transaction(log.tenant), connection.cursor() as cursor:
        for table in ("ledger_entry", "ledger_pending", "ledger_body"):
            cursor.execute(f"SELECT count(*), count(DISTINCT tenant) FROM {table}")  # noqa: S608 - the names above
            assert cursor.fetchone() == (2, 1), table


def test_a_log_whose_integrity_is_in_question_takes_no_more_entries(log: LogUnderTest) -> None:
    log.record()
    with log.sequencer() as sequencer:
        sequencer.once()
        sequencer.close_for_writing(log.tenant, "root_differs")

    with pytest.raises(Unavailable) as refusal:
        log.record()

    assert (refusal.value.code, refusal.value.retryable) == ("ledger.read_only", False)
    assert counts(log) == (1, 0, 1)


FORBIDDEN = {
    "app": [
        "UPDATE ledger_entry SET act = 'x.y.z'",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "DELETE FROM ledger_pending",
        "UPDATE ledger_body SET sealed = NULL",
        "DELETE FROM ledger_body",
        "INSERT INTO ledger_leaf (tenant, log_id, seq, entry_id, leaf, hash) VALUES ('{t}', 1, 9, 9, '', '')",
        "UPDATE ledger_leaf SET leaf = ''",
        "TRUNCATE ledger_leaf",
        "INSERT INTO ledger_checkpoint (tenant, log_id, size, root, frontier, created_at) VALUES ('{t}', 1, 99, '', '', now())",
        "UPDATE ledger_checkpoint SET note = ''",
        "INSERT INTO ledger_log (tenant, epoch, origin, vkey, state, opened_at) VALUES ('{t}', 9, 'x', 'x', 'open', now())",
        "UPDATE ledger_log SET state = 'open'",
    ],
    "ledger": [
        "SELECT * FROM ledger_body",
        "INSERT INTO ledger_entry (tenant, act, actor, at, obj, out, via, body) VALUES ('{t}', '', '', now(), '', '', '', '')",
        "UPDATE ledger_leaf SET leaf = ''",
        "DELETE FROM ledger_leaf",
        "DELETE FROM ledger_checkpoint",
        "UPDATE ledger_checkpoint SET root = ''",
        "TRUNCATE ledger_pending",
    ],
}


@pytest.mark.parametrize(("role", "statement"), [(role, statement) for role, listed in FORBIDDEN.items() for statement in listed])
def test_the_database_itself_refuses_what_a_role_may_not_do(log: LogUnderTest, role, statement) -> None:
    with psycopg.connect(log.postgres.url(role)) as session:
        session.execute("SELECT set_config('app.tenant', %s, true)", [str(log.tenant)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement.format(t=log.tenant))


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_leaf", "ledger_tile", "ledger_checkpoint", "ledger_cosignature"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET tenant = tenant", "TRUNCATE {}"])
def test_not_even_the_owner_of_the_tables_changes_evidence(log: LogUnderTest, table, change) -> None:
    log.record()
    log.sequence()

    with psycopg.connect(log.postgres.url("admin")) as admin:
        if table == "ledger_tile":
            admin.execute("INSERT INTO ledger_tile VALUES (%s, 0, 0, 0, '', '') ON CONFLICT DO NOTHING", [log.tenant])
        if table == "ledger_cosignature":
            admin.execute(
                "INSERT INTO ledger_cosignature (tenant, log_id, size, witness, line, cosigned_at) VALUES (%s, 0, 0, 'w', '', now())",
                [log.tenant],
            )
        with pytest.raises(psycopg.errors.RestrictViolation):
            admin.execute(change.format(table))
