"""The database roles and what each may do before any table exists.

Owns: roles, database, default privileges. Does not own: rights on single tables (the migrations that make them).
Invariant: the runtime role is neither owner, superuser nor BYPASSRLS; only the backup role reads past row-level security.
Source: security page, section 1 rule 14 and section 2 rule 10.
"""

import psycopg
from psycopg import sql

from mainstay.engines.layout import DATABASE, ROLES, Layout, Role

_BARE = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
_FLAGS: dict[Role, str] = {
    "owner": f"{_BARE} NOBYPASSRLS",
    "app": f"{_BARE} NOBYPASSRLS",
    "ledger": f"{_BARE} NOBYPASSRLS",
    "backup": f"{_BARE} BYPASSRLS",
}


def make_roles_and_database(layout: Layout, name: str = DATABASE) -> None:
    """Make the roles and a database with its grants on the bundled server; repeating it repairs what is missing."""
    with psycopg.connect(_admin_url(layout, "postgres"), autocommit=True) as connection:
        make_roles(connection)
        make_database(connection, name)
    with psycopg.connect(_admin_url(layout, name), autocommit=True) as connection:
        make_grants(connection)


def _admin_url(layout: Layout, name: str) -> str:
    return f"host={layout.socket_dir} user={ROLES['admin']} dbname={name}"


def make_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the missing roles and set the flags of all: a flag that somebody raised goes back."""
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role, flags in _FLAGS.items():
        verb = "ALTER" if ROLES[role] in present else "CREATE"
        connection.execute(sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(ROLES[role]), sql.SQL(flags)))
    connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(ROLES["backup"])))


def make_database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Make the database where it is missing, closed to everybody but our roles."""
    database, owner = sql.Identifier(name), sql.Identifier(ROLES["owner"])
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    users = sql.SQL(", ").join(sql.Identifier(ROLES[role]) for role in ("app", "ledger", "backup"))
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, users))


def make_grants(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Give the schema to the owner, and what it will make in it to the runtime role."""
    owner, app, ledger = (sql.Identifier(ROLES[role]) for role in ("owner", "app", "ledger"))
    connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}, {}").format(app, ledger))
    future = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public GRANT {} TO {}")
    connection.execute(future.format(owner, sql.SQL("SELECT, INSERT, UPDATE, DELETE ON TABLES"), app))
    connection.execute(future.format(owner, sql.SQL("USAGE, SELECT ON SEQUENCES"), app))
