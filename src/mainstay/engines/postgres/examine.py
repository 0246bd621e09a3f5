"""What we ask of any PostgreSQL before we trust it with tenants, and the SQL that puts right what is wrong.

Owns: version, flags of the runtime role, LISTEN. Does not own: policies of single tables (core.tenancy refuses those).
"""

from dataclasses import dataclass

import psycopg

from mainstay.kernel.errors import Unavailable

VERSION_MIN = 150000
_CHANNEL = "mainstay_examined"
_FLAGS = """
SELECT rolname, rolsuper, rolbypassrls, EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')
FROM pg_roles r WHERE rolname = current_user
"""


@dataclass(frozen=True)
class DatabaseFacts:
    """What a server says of itself and of the role that asks. `version` is its number, for example 180004."""

    version: int
    role: str
    is_superuser: bool
    bypasses_rls: bool
    owns_tables: bool
    can_listen: bool

    def problem(self) -> str:
        """Return cause and remedy of the first thing that is wrong, or nothing."""
        if self.version < VERSION_MIN:
            return f"PostgreSQL {self.version // 10000} is too old; use 15 or newer"
        if self.is_superuser:
            return f"the role {self.role} is a superuser; run: ALTER ROLE {self.role} NOSUPERUSER"
        if self.bypasses_rls:
            return f"the role {self.role} passes by row-level security; run: ALTER ROLE {self.role} NOBYPASSRLS"
        if self.owns_tables:
            return f"the role {self.role} owns tables; run: REASSIGN OWNED BY {self.role} TO mainstay_owner"
        if not self.can_listen:
            return "LISTEN does not work on this connection (a pooler in transaction mode?); use the direct address of the server"
        return ""


def examine(url: str) -> DatabaseFacts:
    """Ask the server. Errors: Unavailable("engines.database_unreachable") with libpq's words."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            flags = connection.execute(_FLAGS).fetchone()
            if flags is None:
                raise Unavailable("engines.database_unreachable", "the server does not know the role that is connected", retryable=False)
            role, is_superuser, bypasses, owns = flags
            version = connection.info.server_version
            return DatabaseFacts(version, str(role), bool(is_superuser), bool(bypasses), bool(owns), _can_listen(connection))
    except psycopg.Error as problem:
        cause = " ".join(str(problem).split())
        raise Unavailable("engines.database_unreachable", f"the database does not answer: {cause}") from problem


def require_usable(url: str) -> DatabaseFacts:
    """Refuse a server or role that would not keep tenants apart. Errors: Unavailable("engines.database_unfit")."""
    facts = examine(url)
    if problem := facts.problem():
        raise Unavailable("engines.database_unfit", problem, retryable=False)
    return facts


def _can_listen(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    connection.execute(f"LISTEN {_CHANNEL}")
    connection.execute(f"NOTIFY {_CHANNEL}")
    heard = any(True for _notice in connection.notifies(timeout=2, stop_after=1))
    connection.execute(f"UNLISTEN {_CHANNEL}")
    return heard
