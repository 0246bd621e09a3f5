"""The three configuration files of the bundled server. Written anew at each start, so a release can change them.

Owns: durability, memory and the map from system users to database roles. Operators add to `postgresql.local.conf`.
Invariant: the server listens on its socket alone, and the kernel (peer credentials) says who is calling; no password exists.
"""

from collections.abc import Mapping
from pathlib import Path

from mainstay.engines.accounts import Accounts
from mainstay.engines.layout import ROLES, Role

# Sized for the idle budget of the whole installation (600 MB), not for throughput of a large one; never at the cost of durability.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0777",
    "max_connections": "60",
    "superuser_reserved_connections": "3",
    "shared_buffers": "32MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "effective_cache_size": "256MB",
    "huge_pages": "off",
    "jit": "off",
    "io_method": "sync",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "60s",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_wal_size": "512MB",
    "min_wal_size": "48MB",
    "checkpoint_timeout": "15min",
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "lc_messages": "'C'",
    "log_min_messages": "warning",
    "log_line_prefix": "'%m [%p] %q%u '",
    "log_checkpoints": "off",
}
# Which process may speak as which role. The superuser is left to the server's own user and to root.
_ROLES_OF: Mapping[str, tuple[Role, ...]] = {
    "web": ("app",),
    "worker": ("app", "ledger"),
    "postgres": ("admin", "owner", "app", "ledger", "backup"),
}


def write_configuration(data: Path, socket_dir: Path, accounts: Accounts, extra: Mapping[str, str]) -> None:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf into the server's folder, with the folder's owner."""
    settings = {**_SETTINGS, "unix_socket_directories": _quoted(str(socket_dir)), **extra}
    lines = ["# Written by Mainstay at each start; your own settings belong into postgresql.local.conf."]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    _write(data / "postgresql.conf", [*lines, "include_if_exists = 'postgresql.local.conf'"])
    _write(data / "pg_hba.conf", ["local all all peer map=mainstay"])
    _write(data / "pg_ident.conf", identity_map(accounts))


def identity_map(accounts: Accounts) -> list[str]:
    """Return the lines of pg_ident.conf: each system user with the roles it may take."""
    if not accounts.is_separate:
        return [f'mainstay "{accounts.name_of("postgres")}" {ROLES[role]}' for role in _ROLES_OF["postgres"]]
    lines = [f"mainstay root {ROLES[role]}" for role in _ROLES_OF["postgres"]]
    users = {accounts.user_of(process): roles for process, roles in _ROLES_OF.items() if accounts.user_of(process)}
    return lines + [f'mainstay "{user}" {ROLES[role]}' for user, roles in users.items() for role in roles]


def _write(path: Path, lines: list[str]) -> None:
    # Readable by the server's user: the folder itself is closed to everybody else.
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o644)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
