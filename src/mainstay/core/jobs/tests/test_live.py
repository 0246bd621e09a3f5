"""Notices for open pages leave when the change is committed, and only then."""

import asyncio
from uuid import UUID

from django.db import connection
from tests.support.engines import RunningPostgres

from mainstay.core.jobs import live
from mainstay.core.tenancy.binding import tenant_transaction


def change(tenant: UUID, topic: str, *, fails: bool = False) -> None:
    with tenant_transaction(tenant):
        live.changed(tenant, topic, "7")
        connection.set_rollback(fails)
    connection.close()


async def test_a_page_hears_of_a_committed_change_and_not_of_one_rolled_back(tenant: UUID, postgres_server: RunningPostgres) -> None:
    changes = live.listen(postgres_server.url("app"))
    heard = asyncio.ensure_future(anext(changes))
    while not heard.done():
        await asyncio.to_thread(change, tenant, "ghosts", fails=True)
        await asyncio.to_thread(change, tenant, "incidents")
        await asyncio.wait([heard], timeout=0.2)

    assert heard.result() == live.Change(tenant, "incidents", "7")
    await changes.aclose()
