"""A PostgreSQL server of the owner's own: reached over TCP with passwords, provisioned by one command."""

import os
import signal
from collections.abc import Iterator

import psycopg
import pytest

from mainstay.engines import ground
from mainstay.engines.accounts import accounts_of_this_machine, ensure_system_users
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.layout import Layout
from mainstay.engines.postgres.examine import require_usable
from mainstay.engines.postgres.provision import provision
from mainstay.engines.postgres.server import PostgresServer
from mainstay.kernel.errors import Unavailable

# An address of loopback that no installation uses: the port is PostgreSQL's own.
ADDRESS = "127.0.0.77"
ADMIN = "postgresql://postgres:the-administrator@127.0.0.77:5432/postgres"


@pytest.fixture
def external(layout: Layout) -> Iterator[Layout]:
    """A server that is none of ours: it listens on TCP and wants passwords."""
    accounts = accounts_of_this_machine()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    hba = layout.data / "pg_hba.conf"
    hba.write_text("local all all peer map=mainstay\nhost all all 127.0.0.0/8 scram-sha-256\n")
    hba.chmod(0o644)
    server = PostgresServer(layout, accounts, {"listen_addresses": f"'{ADDRESS}'", "hba_file": f"'{hba}'"})
    server.prepare()
    child = Child("postgres", server.argv(), log=layout.log_file("postgres"), environment=os.environ)
    try:
        wait_ready(child, server.is_ready, timeout_s=30)
        with psycopg.connect(f"host={layout.socket_dir} user=postgres dbname=postgres", autocommit=True) as admin:
            admin.execute("ALTER ROLE postgres PASSWORD 'the-administrator'")
        yield layout
    finally:
        child.stop(number=signal.SIGINT, timeout_s=30)


def test_one_command_makes_roles_that_are_fit_for_tenants_and_repeating_it_draws_new_passwords(external: Layout) -> None:
    first = provision(ADMIN, "it_of_harbor")

    facts = require_usable(first["app"])
    assert (facts.role, facts.is_superuser, facts.bypasses_rls) == ("mainstay_app", False, False)
    with psycopg.connect(first["owner"], autocommit=True) as owner:
        owner.execute("CREATE TABLE kept (id int)")
        owner.execute("INSERT INTO kept VALUES (1)")
    for role in ("app", "backup"):
        with psycopg.connect(first[role]) as connection:
            assert connection.execute("SELECT id FROM kept").fetchone() == (1,)

    again = provision(ADMIN, "it_of_harbor")

    assert again["app"] != first["app"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first["app"], connect_timeout=5)
    require_usable(again["app"])


def test_a_wrong_password_of_the_administrator_is_said_and_nothing_is_made(external: Layout) -> None:
    with pytest.raises(Unavailable, match="password authentication failed"):
        provision(ADMIN.replace("the-administrator", "not-it"), "mainstay")
    with psycopg.connect(ADMIN) as admin:
        made = admin.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mainstay%'").fetchone()
    assert made == (0,)
