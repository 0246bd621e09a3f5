"""The bundled PostgreSQL through first start, restart, kills and wrong versions; real servers, each in a folder of its own."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, accounts_of_this_machine, ensure_system_users
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.layout import Layout, Role
from mainstay.engines.postgres.examine import DatabaseFacts, examine, require_usable
from mainstay.engines.postgres.files import identity_map
from mainstay.engines.postgres.roles import make_roles_and_database
from mainstay.engines.postgres.server import PostgresServer
from mainstay.kernel.errors import Unavailable
from tests.support.engines import RunningPostgres


@pytest.fixture
def server(layout: Layout) -> PostgresServer:
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    return PostgresServer(layout, accounts)


@contextmanager
def running(server: PostgresServer) -> Iterator[Child]:
    server.prepare()
    child = Child("postgres", server.argv(), log=server.layout.log_file("postgres"), environment=os.environ)
    try:
        wait_ready(child, server.is_ready, timeout_s=30)
        make_roles_and_database(server.layout)
        yield child
    finally:
        child.stop(number=signal.SIGINT, timeout_s=30)


def ask(layout: Layout, role: Role, sql: str) -> object:
    with psycopg.connect(layout.database_url(role), autocommit=True) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def test_the_runtime_role_may_use_tables_and_neither_make_nor_empty_them(server: PostgresServer) -> None:
    layout = server.layout
    with running(server), psycopg.connect(layout.database_url("owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE kept (id int)")

        with psycopg.connect(layout.database_url("app"), autocommit=True) as app:
            app.execute("INSERT INTO kept VALUES (1)")
            for forbidden in (
                "TRUNCATE kept",
                "DROP TABLE kept",
                "CREATE TABLE other (id int)",
                "SET ROLE mainstay_owner",
                "CREATE ROLE x",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute(forbidden)  # type: ignore[call-overload]

        assert ask(layout, "backup", "SELECT count(*) FROM kept") == 1
        flags = "SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'mainstay%%' AND "
        assert ask(layout, "app", flags + "(rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)") is None
        assert ask(layout, "app", flags + "rolbypassrls") == ["mainstay_backup"]


def test_a_raised_flag_goes_back_at_the_next_start(server: PostgresServer) -> None:
    with running(server), psycopg.connect(server.layout.database_url("admin"), autocommit=True) as admin:
        admin.execute("ALTER ROLE mainstay_app BYPASSRLS")
        assert "ALTER ROLE mainstay_app NOBYPASSRLS" in examine(server.layout.database_url("app")).problem()
        with pytest.raises(Unavailable, match="row-level security"):
            require_usable(server.layout.database_url("app"))

    with running(server):
        assert require_usable(server.layout.database_url("app")).role == "mainstay_app"


def test_committed_rows_survive_kill_9_and_the_stale_lock_does_not_stop_the_next_start(server: PostgresServer) -> None:
    layout = server.layout
    with running(server) as child:
        with psycopg.connect(layout.database_url("owner"), autocommit=True) as owner:
            owner.execute("CREATE TABLE kept (id int)")
            owner.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        child.stop(number=signal.SIGKILL)
    assert (server.cluster / "postmaster.pid").exists()

    with running(server):
        assert ask(layout, "app", "SELECT count(*) FROM kept") == 1000


def test_a_server_that_a_killed_supervisor_left_is_ended_before_the_next(server: PostgresServer) -> None:
    with running(server) as left:
        postmaster = psutil.Process(left.pid)
        helpers = postmaster.children()

        with running(server) as second:
            assert second.pid != left.pid
            assert left.exit_code() == 0
            assert not any(one.is_running() for one in helpers)


def test_a_lock_file_whose_number_now_belongs_to_somebody_else_is_cleared(server: PostgresServer) -> None:
    with running(server):
        lock = (server.cluster / "postmaster.pid").read_text().splitlines()
    lock[0] = str(os.getppid())
    (server.cluster / "postmaster.pid").write_text("\n".join(lock) + "\n")

    with running(server) as child:
        assert child.exit_code() is None


def test_another_major_version_is_refused_with_the_way_out_and_untouched(server: PostgresServer) -> None:
    server.prepare()
    (server.cluster / "PG_VERSION").write_text("16\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in server.cluster.rglob("*"))

    with pytest.raises(Unavailable) as refused:
        server.prepare()

    assert refused.value.code == "engines.postgres_version"
    assert "was written by PostgreSQL 16, this release brings PostgreSQL 18" in refused.value.message
    assert "pg_dump" in refused.value.message
    assert sorted((path, path.stat().st_mtime_ns) for path in server.cluster.rglob("*")) == before


def test_an_interrupted_first_start_begins_anew(server: PostgresServer) -> None:
    draft = server.layout.postgres / "draft"
    draft.mkdir()
    (draft / "half").write_text("a database that never was")

    with running(server):
        assert ask(server.layout, "app", "SELECT current_database()::text") == "mainstay"
    assert not draft.exists()


def test_a_folder_without_a_complete_database_is_named_and_kept(server: PostgresServer) -> None:
    server.cluster.mkdir()
    (server.cluster / "base").mkdir()

    with pytest.raises(Unavailable, match="PG_VERSION is missing"):
        server.prepare()
    assert (server.cluster / "base").is_dir()


def test_no_network_port_is_opened_and_durability_is_on(server: PostgresServer) -> None:
    with running(server) as child:
        listening = [one for one in psutil.Process(child.pid).net_connections("inet") if one.status == psutil.CONN_LISTEN]
        settings = [ask(server.layout, "app", f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]

    assert (listening, settings) == ([], ["on", "on", "on"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the server a user of its own")
def test_as_root_the_server_runs_as_its_own_user_without_new_privileges(server: PostgresServer) -> None:
    with running(server) as child:
        assert psutil.Process(child.pid).username() == "mainstay-db"


def test_each_system_user_may_take_its_own_roles_only() -> None:
    lines = identity_map(
        Accounts({"web": "mainstay-web", "worker": "mainstay-worker", "postgres": "mainstay-db", "agent": "mainstay-agent"})
    )

    assert [line for line in lines if "mainstay-web" in line] == ['mainstay "mainstay-web" mainstay_app']
    assert [line for line in lines if "mainstay-worker" in line] == [
        'mainstay "mainstay-worker" mainstay_app',
        'mainstay "mainstay-worker" mainstay_ledger',
    ]
    assert not [line for line in lines if "mainstay-agent" in line]


def test_a_server_that_is_away_is_said_in_words_with_its_cause() -> None:
    with pytest.raises(Unavailable) as refused:
        examine("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")

    assert refused.value.code == "engines.database_unreachable"
    assert "127.0.0.1" in refused.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 140012}, "PostgreSQL 14 is too old; use 15 or newer"),
        ({"is_superuser": True}, "ALTER ROLE app NOSUPERUSER"),
        ({"owns_tables": True}, "REASSIGN OWNED BY app TO mainstay_owner"),
        ({"can_listen": False}, "use the direct address of the server"),
        ({}, ""),
    ],
)
def test_an_unfit_database_is_named_with_the_remedy(change: dict[str, int], words: str) -> None:
    sound = {"version": 150000, "role": "app", "is_superuser": False, "bypasses_rls": False, "owns_tables": False, "can_listen": True}

    problem = DatabaseFacts(**{**sound, **change}).problem()  # type: ignore[arg-type]

    assert problem.endswith(words)
    assert bool(problem) == bool(words)


def test_the_server_of_the_tests_speaks_as_the_roles_of_production(postgres_server: RunningPostgres) -> None:
    facts = require_usable(postgres_server.url("app"))

    assert (facts.role, facts.can_listen) == ("mainstay_app", True)
