"""Notices for open pages: something under a topic has changed, look again.

Owns: the channel and the form of a notice. Does not own: what a page shows, or who may see it (the page asks again).
Invariant: a notice carries a tenant, a topic and an id, never content; it leaves when the transaction commits.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
from django.db import connection

CHANNEL = "mainstay_live"


@dataclass(frozen=True)
class Change:
    tenant: UUID
    topic: str
    id: str


def changed(tenant: UUID, topic: str, subject_id: UUID | str = "") -> None:
    """Tell open pages, at commit, that `topic` (such as `incidents`) of a tenant has changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{tenant}/{topic}/{subject_id}"])


def parse(payload: str) -> Change:
    """Read a notice. Errors: ValueError for anything that `changed` did not write."""
    tenant, topic, subject_id = payload.split("/", 2)
    return Change(UUID(tenant), topic, subject_id)


async def listen(conninfo: str) -> AsyncIterator[Change]:
    """Yield changes of all tenants as they are committed, over a connection of its own; the caller filters by scope."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        async for notice in listener.notifies():
            yield parse(notice.payload)
