"""Row-level security alone: with every filter of the application removed, no row of another tenant is seen or touched.

Source: security page, section 2 rules 7 to 11; section 9, test catalogue (phase 1, at least 10,000 generated attempts).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from django.db import connection, models
from psycopg import errors, sql
from psycopg_pool import ConnectionPool

from mainstay.core.jobs.queue import Task
from mainstay.core.tenancy.binding import bind, tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.core.tenancy.wall import WITHOUT_WALL, NotIsolated, assert_isolated, findings
from mainstay.kernel.clock import FixedClock
from tests.architecture.conftest import Target, World
from tests.support.engines import LAYOUT, acting_as
from tests.support.rows import CANARY, tenant_models

ATTEMPTS_MIN = 10_000

# {t} the table, {k} its primary key, {i} the foreign row's key, {o} the foreign tenant. Each answers with rows or is refused.
READS = (
    "SELECT * FROM {t}",
    "SELECT * FROM {t} WHERE {k} = {i}",
    "SELECT * FROM {t} WHERE {k} = {i} OR true",
    "SELECT * FROM {t} WHERE tenant = {o}",
    "SELECT * FROM {t} WHERE tenant <> '00000000-0000-0000-0000-000000000001'::uuid AND tenant = {o}",
    "SELECT 1 WHERE EXISTS (SELECT FROM {t} WHERE {k} = {i})",
    "SELECT count(*) FROM {t} WHERE tenant = {o} HAVING count(*) > 0",
    "SELECT max(tenant::text) FROM {t} WHERE tenant = {o} GROUP BY tenant",
    "WITH all_rows AS MATERIALIZED (SELECT * FROM {t}) SELECT * FROM all_rows WHERE tenant = {o}",
    "SELECT a.* FROM {t} a CROSS JOIN LATERAL (SELECT * FROM {t} b WHERE b.{k} = a.{k}) b WHERE b.tenant = {o}",
    "SELECT row_number() OVER (), tenant FROM {t} WHERE tenant = {o}",
    "SELECT tenant FROM {t} WHERE tenant = {o} UNION ALL SELECT tenant FROM {t} WHERE {k} = {i}",
    "SELECT to_jsonb(x) FROM {t} x WHERE x::text LIKE '%' || {o}::text || '%'",
    "SELECT * FROM {t} TABLESAMPLE SYSTEM (100) WHERE tenant = {o}",
    "SELECT * FROM {t} WHERE {k} = {i} FOR UPDATE",
    "SELECT ctid, xmin, tableoid FROM {t} WHERE tenant = {o}",
    "SELECT query_to_xml(format('SELECT * FROM %I WHERE tenant = %L', '{n}', {o}::text), true, true, '')::text LIKE '%<row%' AS hit",
    "COPY (SELECT * FROM {t} WHERE tenant = {o}) TO STDOUT",
    "COPY {t} TO STDOUT",
)
WRITES = (
    "UPDATE {t} SET tenant = tenant WHERE {k} = {i} RETURNING *",
    "UPDATE {t} SET tenant = {m} WHERE {k} = {i} RETURNING *",
    "UPDATE {t} SET tenant = {o} WHERE tenant = {m} RETURNING *",
    "DELETE FROM {t} WHERE {k} = {i} RETURNING *",
    "DELETE FROM {t} WHERE tenant = {o} RETURNING *",
    "INSERT INTO {t} SELECT * FROM {t} WHERE {k} = {i} RETURNING *",
    "MERGE INTO {t} USING (SELECT 1) s ON {t}.{k} = {i} WHEN MATCHED THEN DELETE",
    "COPY {t} FROM STDIN",
    "TRUNCATE {t}",
)
REFUSALS = (
    errors.InsufficientPrivilege,
    errors.FeatureNotSupported,
    errors.RaiseException,
    errors.RestrictViolation,
    errors.WrongObjectType,
    errors.GeneratedAlways,
)


@contextmanager
def bound(link: psycopg.Connection, tenant: UUID | None, *, scope: str = "", read_only: bool = False) -> Iterator[psycopg.Cursor]:
    """A transaction as the runtime role makes it; rolled back at the end."""
    with link.transaction(force_rollback=True), link.cursor() as cursor:
        if read_only:
            cursor.execute("SET TRANSACTION READ ONLY")
        if tenant is not None:
            cursor.execute("SELECT set_config('app.tenant', %s, true), set_config('app.scope', %s, true)", [str(tenant), scope])
        yield cursor


def app_link() -> psycopg.Connection:
    return psycopg.connect(LAYOUT.database_url("app"), autocommit=True)


def spell(statement: str, target: Target, mine: UUID) -> sql.Composed:
    return sql.SQL(statement).format(
        t=sql.Identifier(target.table),
        n=sql.SQL(target.table),
        k=sql.Identifier(target.key),
        i=sql.Literal(target.value),
        o=sql.Literal(target.tenant),
        m=sql.Literal(mine),
    )


def reached(cursor: psycopg.Cursor, statement: sql.Composed, target: Target) -> bool:
    """Tell whether a statement touched anything of the target's tenant."""
    text = statement.as_string(cursor)
    with cursor.connection.transaction(force_rollback=True):
        try:
            if text.startswith("COPY"):
                return _copied(cursor, statement, target)
            cursor.execute(statement)
        except REFUSALS:
            return False
        if cursor.description is None:
            return (cursor.rowcount or 0) > 0
        rows = cursor.fetchall()
        if "AS hit" in text:
            return bool(rows[0][0])
        # A statement without a filter may show rows of one's own.
        return any(str(target.tenant) in map(str, row) for row in rows) or bool(rows and "count(*)" in text)


def _copied(cursor: psycopg.Cursor, statement: sql.Composed, target: Target) -> bool:
    with cursor.copy(statement) as copy:
        if "FROM STDIN" in statement.as_string(cursor):
            copy.write_row([str(target.value)])
            return False
        return any(str(target.tenant).encode() in bytes(line) for line in copy)


def attack(world: World, mine: UUID | None) -> tuple[int, list[str]]:
    """Try every statement against every row of other tenants; returns how many were tried and which one reached a row."""
    tried, hits = 0, []
    with app_link() as link:
        for target in world.targets:
            if target.tenant == mine:
                continue
            with bound(link, mine) as cursor:
                for statement in (*READS, *WRITES):
                    tried += 1
                    if reached(cursor, spell(statement, target, mine or target.tenant), target):
                        hits.append(f"{statement} on {target.table}")
    return tried, hits


def test_ten_thousand_attempts_reach_no_row_of_another_tenant(world):
    attackers = [world.cast.southgate.id, world.cast.harbor.id, world.cast.quay.id, new_id()]

    results = [attack(world, mine) for mine in attackers]

    assert [hit for _, hits in results for hit in hits] == []
    assert sum(tried for tried, _ in results) >= ATTEMPTS_MIN


def test_without_a_bound_tenant_every_table_is_empty_and_refuses_rows(world):
    tried, hits = attack(world, None)

    assert hits == []
    assert tried == len(world.targets) * (len(READS) + len(WRITES))


def test_the_same_statements_do_reach_ones_own_rows(world):
    """Otherwise the attempts above would prove nothing."""
    seen = set()
    with app_link() as link:
        for target in world.targets:
            with bound(link, target.tenant) as cursor:
                if reached(cursor, spell(READS[1], target, target.tenant), target):
                    seen.add(target.table)

    assert {target.table for target in world.targets} - seen == set()


def test_a_scope_opens_other_tenants_to_reading_only(world):
    mine, other = world.cast.northwind.id, world.cast.harbor.id
    targets = [target for target in world.targets if target.tenant == other]
    with app_link() as link:
        for target in targets:
            with bound(link, mine, scope=str(other), read_only=True) as cursor:
                assert reached(cursor, spell(READS[1], target, mine), target), target.table
            with bound(link, mine, scope=str(other)) as cursor:
                assert not any(reached(cursor, spell(one, target, mine), target) for one in (*READS, *WRITES)), target.table
            with bound(link, mine, scope=str(other), read_only=True) as cursor, pytest.raises(errors.ActiveSqlTransaction):
                cursor.execute("SET TRANSACTION READ WRITE")


def test_a_malformed_binding_shows_nothing(world):
    target = world.targets[0]
    with app_link() as link:
        for value in ("nonsense", "{}", "' OR true --", "*"):
            with bound(link, None) as cursor:
                cursor.execute("SELECT set_config('app.tenant', %s, true)", [value])
                with pytest.raises(errors.InvalidTextRepresentation):
                    cursor.execute(spell(READS[0], target, target.tenant))


def test_a_pooled_connection_carries_no_tenant_over(world):
    mine = world.cast.harbor.id
    own = [target for target in world.targets if target.tenant == mine]
    left = []
    with ConnectionPool(LAYOUT.database_url("app"), min_size=1, max_size=1, kwargs={"autocommit": True}, open=True) as pool:
        for target in own:
            with pool.connection() as link, bound(link, mine) as cursor:
                cursor.execute(spell(READS[0], target, mine))
            with pool.connection() as link:
                # No transaction, and a setting that is now empty, not missing: zero rows, no error.
                left += link.execute(spell(READS[0], target, mine)).fetchall()

    assert left == []


def test_a_prepared_plan_of_one_tenant_is_not_used_for_another(world):
    tables = {target.table for target in world.targets}
    with app_link() as link:
        link.prepare_threshold = 0
        for table in sorted(tables):
            query = sql.SQL("SELECT tenant FROM {}").format(sql.Identifier(table))
            for tenant in (world.cast.harbor.id, world.cast.elm.id, world.cast.southgate.id) * 2:
                with bound(link, tenant) as cursor:
                    found = {row[0] for row in cursor.execute(query, prepare=True).fetchall()}
                assert found == {tenant}, table


def test_threads_do_not_see_each_others_tenant(world):
    tenants = [world.cast.harbor.id, world.cast.elm.id, world.cast.southgate.id]
    table = next(target.table for target in world.targets if target.table == "estate_device")

    def look(number: int) -> set[UUID]:
        try:
            with tenant_transaction(tenants[number % 3]), connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT tenant FROM {}").format(sql.Identifier(table)))
                return {row[0] for row in cursor.fetchall()}
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(look, range(60)))

    assert answers == [{tenants[number % 3]} for number in range(60)]


def test_a_job_sees_its_own_tenant_only(world, django_db_blocker):
    seen: list[UUID] = []

    def look(*, actor, clock) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenant FROM estate_device")
            seen.extend(row[0] for row in cursor.fetchall())

    task = Task("test.look", look, queue="test", transaction=True)
    with django_db_blocker.unblock():
        for tenant in (world.cast.harbor.id, world.cast.elm.id):
            task.perform({"tenant": str(tenant)}, FixedClock())

    assert seen == [world.cast.harbor.id, world.cast.elm.id]


def test_a_view_shows_its_readers_rows_only(world, django_db_blocker):
    with django_db_blocker.unblock(), acting_as("owner"), connection.cursor() as cursor:
        cursor.execute("CREATE VIEW devices_of_all WITH (security_invoker = true) AS SELECT * FROM estate_device")
    try:
        with app_link() as link, bound(link, world.cast.southgate.id) as cursor:
            assert {row[0] for row in cursor.execute("SELECT tenant FROM devices_of_all").fetchall()} == {world.cast.southgate.id}
    finally:
        with django_db_blocker.unblock(), acting_as("owner"), connection.cursor() as cursor:
            cursor.execute("DROP VIEW devices_of_all")


def test_every_foreign_key_between_tenant_tables_includes_the_tenant(world, django_db_blocker):
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
            WHERE c.contype = 'f'
              AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.confrelid AND a.attname = 'tenant' AND NOT a.attisdropped)
              AND NOT EXISTS (SELECT FROM pg_attribute a
                              WHERE a.attrelid = c.conrelid AND a.attname = 'tenant' AND a.attnum = ANY (c.conkey))
            """
        )
        assert cursor.fetchall() == []


def test_a_foreign_key_does_not_tell_a_foreign_row_from_none(world, django_db_blocker):
    """Probe each reference with the id of another tenant's row and with a fresh id: the answers must be alike."""
    told, probed = [], 0
    with django_db_blocker.unblock():
        for model in tenant_models():
            for field in model._meta.concrete_fields:
                if not isinstance(field, models.ForeignKey) or not any(one.column == "tenant" for one in field.related_model._meta.fields):
                    continue
                probed += 1
                foreign = next(t for t in world.targets if t.table == field.related_model._meta.db_table and t.tenant == world.cast.elm.id)
                answers = {_probe(model, field, value, world.cast.harbor.id) for value in (foreign.value, new_id())}
                if len(answers) != 1 or "ok" in answers:
                    told.append(f"{model._meta.db_table}.{field.column}: {answers}")

    assert told == []
    assert probed >= 20


def _probe(model: type[models.Model], field: models.ForeignKey, value: object, mine: UUID) -> str:
    """Point a row of one's own at a value, and return the class of the answer."""
    with app_link() as link, bound(link, mine) as cursor:
        statement = sql.SQL("UPDATE {} SET {} = %s").format(sql.Identifier(model._meta.db_table), sql.Identifier(field.column))
        try:
            cursor.execute(statement, [value])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except (errors.ForeignKeyViolation, errors.UniqueViolation, *REFUSALS) as error:
            return type(error).__name__
        return "ok" if cursor.rowcount else "no row"


def test_no_error_message_repeats_a_foreign_value(world):
    """Unique constraints look past row-level security; what they say must not hold what they found."""
    spoken = []
    with app_link() as link:
        for target in world.targets:
            with bound(link, world.cast.quay.id) as cursor:
                try:
                    cursor.execute(spell("INSERT INTO {t} ({k}, tenant) VALUES ({i}, {m})", target, world.cast.quay.id))
                except psycopg.Error as error:
                    spoken.append(f"{error} {error.diag.message_detail}")

    assert [text for text in spoken if CANARY in text or str(world.cast.harbor.id) in text] == []
    assert len(spoken) == len(world.targets)


def test_the_wall_stands(world, django_db_blocker):
    with django_db_blocker.unblock():
        assert findings() == []
        assert_isolated()


def test_the_reviewed_list_holds_no_table_that_is_gone(world, django_db_blocker):
    with django_db_blocker.unblock():
        assert set(WITHOUT_WALL) - set(connection.introspection.table_names()) == set()


@pytest.mark.parametrize(
    ("hole", "mend", "words"),
    [
        ("ALTER TABLE estate_device NO FORCE ROW LEVEL SECURITY", "ALTER TABLE estate_device FORCE ROW LEVEL SECURITY", "estate_device"),
        ("CREATE TABLE stray (id int, tenant uuid)", "DROP TABLE stray", "Table stray has a tenant column"),
        ("CREATE TABLE stray (id int)", "DROP TABLE stray", "Table stray has no tenant column"),
        ("CREATE VIEW peep AS SELECT * FROM estate_device", "DROP VIEW peep", "View peep"),
        ("CREATE MATERIALIZED VIEW peep AS SELECT 1 AS one", "DROP MATERIALIZED VIEW peep", "Materialised view peep"),
        (
            "CREATE FUNCTION peep() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "DROP FUNCTION peep",
            "Function peep is SECURITY DEFINER",
        ),
        ("GRANT TRUNCATE ON estate_device TO mainstay_app", "REVOKE TRUNCATE ON estate_device FROM mainstay_app", "may TRUNCATE"),
    ],
)
def test_a_hole_in_the_wall_stops_the_start(world, django_db_blocker, hole, mend, words):
    with django_db_blocker.unblock():
        with acting_as("owner"), connection.cursor() as cursor:
            cursor.execute(hole)
        try:
            with pytest.raises(NotIsolated) as caught:
                assert_isolated()
        finally:
            with acting_as("owner"), connection.cursor() as cursor:
                cursor.execute(mend)

    assert len(caught.value.faults) == 1
    assert words in caught.value.faults[0]


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_a_process_that_connects_with_too_many_rights_does_not_start(world, django_db_blocker, role):
    with django_db_blocker.unblock(), acting_as(role), pytest.raises(NotIsolated):
        assert_isolated()


def test_a_runtime_role_that_may_become_another_does_not_start(world, django_db_blocker):
    with django_db_blocker.unblock():
        with acting_as("admin"), connection.cursor() as cursor:
            cursor.execute("GRANT mainstay_owner TO mainstay_app WITH SET TRUE, INHERIT FALSE")
        try:
            with pytest.raises(NotIsolated) as caught:
                assert_isolated()
        finally:
            with acting_as("admin"), connection.cursor() as cursor:
                cursor.execute("REVOKE mainstay_owner FROM mainstay_app")

    assert "owns tables" in caught.value.faults[0]


def test_a_tenant_can_be_bound_only_inside_a_transaction(world, django_db_blocker):
    with django_db_blocker.unblock(), pytest.raises(RuntimeError):
        bind(world.cast.harbor.id)
