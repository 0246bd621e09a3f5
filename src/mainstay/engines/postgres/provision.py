"""Making the database of an installation on a PostgreSQL server of the owner's: roles with passwords, database, grants.

Owns: what `mainstay db provision` does. Does not own: the server, its network, its TLS. Invariant: the administrator's address is
used once and kept nowhere; the passwords are drawn here and returned, and nobody else ever had them.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from mainstay.engines.layout import ROLES, DatabaseAddress, Role
from mainstay.engines.postgres.roles import make_database, make_grants, make_roles
from mainstay.kernel.errors import Unavailable

_OURS: tuple[Role, ...] = ("app", "owner", "ledger", "backup")


def provision(admin_url: str, name: str) -> Mapping[Role, str]:
    """Make or repair roles and database on a server; return the URL of each role, with a freshly drawn password.

    Errors: Unavailable("engines.provision_failed") with the server's words; what was made until then is repaired by repeating it.
    """
    passwords = {role: secrets.token_urlsafe(24) for role in _OURS}
    try:
        with psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as connection:
            make_roles(connection)
            for role, password in passwords.items():
                _set_password(connection, ROLES[role], password)
            make_database(connection, name)
        with psycopg.connect(psycopg.conninfo.make_conninfo(admin_url, dbname=name), autocommit=True) as connection:
            make_grants(connection)
    except psycopg.Error as problem:
        cause = " ".join(str(problem).split())
        raise Unavailable("engines.provision_failed", f"the server refused: {cause}", retryable=False) from problem
    address = DatabaseAddress.parse(admin_url)
    return {role: _url(address, name, ROLES[role], password) for role, password in passwords.items()}


def _set_password(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    # The server is told the verifier, not the password: it stays out of the server's log.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _url(address: DatabaseAddress, name: str, user: str, password: str) -> str:
    options = f"?{urlencode(dict(address.options))}" if address.options else ""
    return f"postgresql://{user}:{quote(password, safe='')}@{address.host}:{address.port}/{name}{options}"
