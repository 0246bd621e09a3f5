"""Binding a database transaction to a tenant.

Owns: `app.tenant` and `app.scope`. Invariant: both end with the transaction, so a pooled connection carries nothing over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg
from django.db import connection, transaction
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus


@contextmanager
def tenant_transaction(tenant: UUID, *, readable: Sequence[UUID] = (), read_only: bool = False) -> Iterator[None]:
    """Open a transaction in which rows of `tenant` may be written and those of `readable` be read.

    Several tenants can be read only in a read-only transaction; PostgreSQL does not let a transaction leave that state.
    """
    with transaction.atomic():
        bind(tenant, readable=readable, read_only=read_only)
        yield


def bind(tenant: UUID, *, readable: Sequence[UUID] = (), read_only: bool = False) -> None:
    """Bind the running transaction. Errors: RuntimeError outside a transaction, where the binding would have no effect."""
    if not connection.in_atomic_block:
        raise RuntimeError("a tenant can be bound only inside a transaction")
    raw: psycopg.Connection[tuple[object, ...]] = connection.connection
    scope = ",".join(_spelt(one) for one in readable) if read_only else ""
    # Every transaction begins here. Sent as one message, past the cursors, BEGIN and binding cost one round trip and a
    # third of the time. The text holds UUIDs that were spelt here, and nothing else from outside.
    _send(
        raw,
        _opening(raw, read_only=read_only)
        + f"SELECT set_config('app.tenant', '{_spelt(tenant)}', true), set_config('app.scope', '{scope}', true)",
    )


def _spelt(tenant: UUID) -> str:
    return str(UUID(bytes=tenant.bytes))


def _opening(raw: "psycopg.Connection[tuple[object, ...]]", *, read_only: bool) -> str:
    """Return what must stand before the binding: BEGIN, where the driver has not sent its own yet."""
    if raw.info.transaction_status == TransactionStatus.IDLE:
        return "BEGIN READ ONLY; " if read_only else "BEGIN; "
    return "SET TRANSACTION READ ONLY; " if read_only else ""


def _send(raw: "psycopg.Connection[tuple[object, ...]]", statements: str) -> None:
    with connection.wrap_database_errors:
        result = raw.pgconn.exec_(statements.encode())
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)


def bound_tenant() -> UUID | None:
    """Return the tenant of the running transaction, or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT NULLIF(current_setting('app.tenant', true), '')")
        (value,) = cursor.fetchone()
    return UUID(value) if value else None
