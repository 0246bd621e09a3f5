"""Binding a database transaction to a tenant.

Owns: `app.tenant` and `app.scope`. Invariant: both end with the transaction, so a pooled connection carries nothing over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction


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
    scope = ",".join(str(one) for one in readable) if read_only else ""
    with connection.cursor() as cursor:
        if read_only:
            cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("SELECT set_config('app.tenant', %s, true), set_config('app.scope', %s, true)", [str(tenant), scope])


def bound_tenant() -> UUID | None:
    """Return the tenant of the running transaction, or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT NULLIF(current_setting('app.tenant', true), '')")
        (value,) = cursor.fetchone()
    return UUID(value) if value else None
