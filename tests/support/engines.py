"""A real PostgreSQL and a real telemetry engine for the tests, started when the first test asks and ended with the run.

Owns: the data folder of the test run, the database between tests. Invariant: no test touches an installation of this machine,
and every test speaks to the database as the runtime role, because row-level security proves nothing to an owner.
"""

import atexit
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
import django
import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from django.core.management import call_command
from django.db import connection, connections
from django.test.testcases import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, ensure_system_users
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.clickhouse.process import TelemetryProcess
from mainstay.engines.layout import DATABASE, Layout, Role
from mainstay.engines.postgres.roles import make_roles_and_database
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
        make_roles_and_database(LAYOUT)
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


@dataclass
class RunningTelemetry:
    """A telemetry process that can be killed and started again."""

    process: TelemetryProcess
    layout: Layout
    url: str
    child: Child

    def kill(self) -> None:
        self.child.stop(number=signal.SIGKILL)

    def start(self) -> None:
        self.child = Child("telemetry", self.process.argv(), log=self.layout.log_file("telemetry"), environment=environment(self.layout))
        wait_ready(self.child, self.process.is_ready, timeout_s=30)

    def client(self, **options: object) -> Client:
        return clickhouse_connect.get_client(dsn=self.url, **options)


@pytest.fixture(scope="session")
def telemetry_server() -> Iterator[RunningTelemetry]:
    """The embedded ClickHouse of this run; its address is in MAINSTAY_TELEMETRY_URL's place, the layout."""
    accounts = engine_accounts()
    ground.prepare(LAYOUT, accounts)
    process = TelemetryProcess(LAYOUT, accounts)
    running = start_telemetry(process, LAYOUT)
    try:
        yield running
    finally:
        running.child.stop()


def start_telemetry(process: TelemetryProcess, layout: Layout) -> RunningTelemetry:
    """Start an embedded engine on the folder of a layout, and wait until it answers."""
    url = process.prepare()
    child = Child("telemetry", process.argv(), log=layout.log_file("telemetry"), environment=environment(layout))
    wait_ready(child, process.is_ready, timeout_s=30)
    return RunningTelemetry(process, layout, url, child)


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    """A temporary folder that the engines' users may pass through (pytest's own is closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="mainstay-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(layout: Layout) -> dict[str, str]:
    """The environment of a process of ours on another data folder."""
    path = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "MAINSTAY_DATA": str(layout.data), "MAINSTAY_TELEMETRY_MEMORY_MB": "400", "PYTHONPATH": path}
