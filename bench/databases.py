"""A PostgreSQL of its own for a figure, with the roles and settings of an installation."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection

from mainstay.engines import ground
from mainstay.engines.accounts import Accounts, ensure_system_users
from mainstay.engines.children import Child, wait_ready
from mainstay.engines.layout import Layout
from mainstay.engines.postgres.roles import make_roles_and_database
from mainstay.engines.postgres.server import PostgresServer


@contextmanager
def migrated_postgres(layout: Layout) -> Iterator[None]:
    """Start the bundled server in the layout's data folder, migrate, and stop it at the end."""
    accounts = Accounts({"postgres": "mainstay-db"}) if os.geteuid() == 0 else Accounts()
    ensure_system_users(accounts)
    ground.prepare(layout, accounts)
    server = PostgresServer(layout, accounts)
    server.prepare()
    child = Child("postgres", server.argv(), log=layout.log_file("postgres"), environment=os.environ)
    try:
        wait_ready(child, server.is_ready, timeout_s=30)
        make_roles_and_database(layout)
        _migrate(layout)
        yield
    finally:
        child.stop(number=signal.SIGINT, timeout_s=20)


def _migrate(layout: Layout) -> None:
    runtime = dict(connection.settings_dict)
    connection.settings_dict.update(layout.database("owner"))
    call_command("migrate", verbosity=0)
    connection.close()
    connection.settings_dict.update(runtime)
