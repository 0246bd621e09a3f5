"""A real PostgreSQL and a real telemetry engine for the tests, started when the first test asks and ended with the run.

Owns: the data folder of the test run, the database between tests. Invariant: no test touches an installation of this machine,
and every test speaks to the database as the runtime role, because row-level security proves nothing to an owner.
"""

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.testcases import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, ensure_system_users
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.layout import DATABASE, Layout, Role
from mainstay.engines.postgres.server import PostgresServer

_KEPT = {"MAINSTAY_CONFORMANCE"}
_PRISTINE = "pristine"
# Durability is not what these tests ask for; tests of the engines themselves start servers of their own.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_senders": "0", "wal_level": "minimal"}


def _isolate() -> Layout:
    """Point the settings at a folder of this run before Django reads them."""
    for name in [name for name in os.environ if name.startswith("MAINSTAY_") and name not in _KEPT]:
        del os.environ[name]
    data = Path(tempfile.mkdtemp(prefix="mainstay-test-"))
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    os.environ["MAINSTAY_DATA"] = str(data)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")
    # Now, and not when pytest configures itself: the conftest files below may already import models.
    django.setup()
    return Layout.from_environment()


LAYOUT = _isolate()


def engine_accounts() -> Accounts:
    """As root the engines get users of their own, as in production; otherwise everything is ours."""
    accounts = Accounts({"postgres": "mainstay-db", "telemetry": "mainstay-telemetry"}) if os.geteuid() == 0 else Accounts()
    ensure_system_users(accounts)
    return accounts


@dataclass(frozen=True)
class RunningPostgres:
    """The server of this test run."""

    layout: Layout
    child: Child

    def url(self, role: Role = "app") -> str:
        return self.layout.database_url(role)

    def remember(self) -> None:
        """Keep the database as it is now, so that `restore` can bring it back."""
        with self._admin() as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(_PRISTINE)))
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(_PRISTINE), sql.Identifier(DATABASE)))

    def restore(self) -> None:
        """Bring back the remembered database: rows that are written once cannot be deleted, not even by a test."""
        with self._admin() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER mainstay_owner").format(sql.Identifier(DATABASE), sql.Identifier(_PRISTINE))
            )
            admin.execute(
                sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO mainstay_app, mainstay_ledger, mainstay_backup").format(
                    sql.Identifier(DATABASE)
                )
            )

    def _admin(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url("admin").replace(f"/{DATABASE}?", "/postgres?"), autocommit=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[RunningPostgres]:
    """PostgreSQL with the roles of production and an empty database."""
    accounts = engine_accounts()
    ground.prepare(LAYOUT, accounts)
    server = PostgresServer(LAYOUT, accounts, _FAST)
    server.prepare()
    child = Child("postgres", server.argv(), log=LAYOUT.log_file("postgres"), environment=os.environ)
    try:
        wait_ready(child, server.is_ready, timeout_s=30)
        server.make_roles_and_database()
        yield RunningPostgres(LAYOUT, child)
    finally:
        child.stop(number=signal.SIGINT, timeout_s=20)


@pytest.fixture(scope="session")
def django_db_setup(postgres_server: RunningPostgres, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Migrate as the owner; the tests then run as `mainstay_app`."""

    def restore(_case: object) -> None:
        connections.close_all()
        postgres_server.restore()

    with django_db_blocker.unblock():
        with acting_as("owner"):
            call_command("migrate", verbosity=0)
        postgres_server.remember()
    before, TransactionTestCase._fixture_teardown = TransactionTestCase._fixture_teardown, restore
    yield
    TransactionTestCase._fixture_teardown = before
    with django_db_blocker.unblock():
        connections.close_all()


@contextlib.contextmanager
def acting_as(role: Role) -> Iterator[None]:
    """Let Django's connection speak as another role for a while (migrations, grants)."""
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(LAYOUT.database(role))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
