"""Old rows go by whole partitions, each with its entry in the ledger.

Owns: which partitions are dropped, and the evidence of it. Does not own: how long what is kept (rules.tiers, settings).
Invariant: the entry is committed before the drop; a failure in between leaves the partition, and the next run notes and
drops it. Never by the engine's own TTL, which nobody could stop and nobody would see.
Source: control page, section 3.1 rule 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.telemetry.models.engine import Engine, Statement
from mainstay.domains.telemetry.rules import tiers
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

TABLES = ("samples", "samples_5m", "samples_1h", "logs", "events", "results")
AT_ONCE = 50

_PARTITIONS = Statement("""
SELECT table, partition, partition_id, sum(rows) FROM system.parts
WHERE database = 'mainstay' AND active AND table IN {tables:Array(String)}
GROUP BY table, partition, partition_id ORDER BY table, partition_id
""")


@dataclass(frozen=True)
class Partition:
    """A partition of the engine: `name` as it reads, `id` as it is addressed."""

    table: str
    name: str
    id: str
    rows: int


def expired(engine: Engine, clock: Clock) -> list[Partition]:
    """Return the partitions whose last row was kept long enough. Errors: Unavailable."""
    ended = ((one, tiers.expires_at(one.name)) for one in partitions(engine))
    return [one for one, at in ended if at is not None and at <= clock.now()][:AT_ONCE]


@transaction.atomic
def note_expired(*, actor: Actor, partition: Partition, clock: Clock) -> None:
    """Write that a partition is dropped now: the intent is on record before the effect."""
    require(actor, "telemetry.partition.drop")
    body: dict[str, Json] = {"table": partition.table, "partition": partition.name, "rows": partition.rows}
    ledger.record(actor, "telemetry.partition.dropped", new_id(), clock=clock, body=body)


def drop_partition(engine: Engine, partition: Partition) -> None:
    """Drop a partition that was noted. A crash before leaves it; the next run notes and drops it. Errors: Unavailable."""
    # The id is the engine's own word of digits and dashes, for a table of the list above; nothing here was typed by anybody.
    engine.define(f"ALTER TABLE mainstay.{partition.table} DROP PARTITION ID '{partition.id}'")


def partitions(engine: Engine) -> Iterator[Partition]:
    """Yield the partitions that are kept by time."""
    for table, name, identity, rows in engine.look(_PARTITIONS, {"tables": list(TABLES)}):
        yield Partition(str(table), str(name), str(identity), int(str(rows)))
