"""Series become known: a batch names them by the hash of a list, and only a new list is looked at label by label.

Source: control page, sections 2.3, 3.2 rule 14 (limits) and 8 (fast path).
Invariant: two label sets never share an id; a limit refuses new series and never known ones.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db import transaction

from mainstay.core.access import queries as access_queries
from mainstay.core.access.services import require
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.telemetry.models import Series, SeriesDict
from mainstay.domains.telemetry.models.columns import SHAPES, Table
from mainstay.domains.telemetry.rules import series as identity
from mainstay.domains.telemetry.rules.windows import month_of
from mainstay.domains.telemetry.services.spool import Record
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay_trust import canonical

SERIES_PER_TARGET_MAX = 10_000
SERIES_PER_TENANT_MAX = 200_000
SERIES_PER_BATCH_MAX = 5_000
TIMES_PER_BATCH_MAX = 10_000
_DICTS_HELD_MAX = 20_000

Numbers: TypeAlias = npt.NDArray[np.uint64]
_Key: TypeAlias = tuple[UUID, UUID, str]

_held: "OrderedDict[_Key, tuple[int, Numbers]]" = OrderedDict()
_held_lock = Lock()


@dataclass(frozen=True)
class Batch:
    """A batch of samples of one sender: a value per series and time, or null."""

    sha256: str
    series: Sequence[tuple[str, Mapping[str, str]]] | None
    times_ms: Sequence[int]
    values: Sequence[Sequence[float | None]]


def parse_batch(value: object) -> Batch:
    """Read BATCH of the agent protocol. Errors: Invalid with a pointer. Values are judged as columns, later."""
    if not isinstance(value, Mapping):
        raise Invalid("telemetry.batch_invalid", "A batch is an object.", pointer="/")
    sha256, times, values = value.get("dict"), value.get("t"), value.get("v")
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise Invalid("telemetry.batch_invalid", "dict is the SHA-256 of the list of series.", pointer="/dict")
    if not isinstance(times, list) or len(times) > TIMES_PER_BATCH_MAX:
        raise Invalid("telemetry.batch_invalid", f"t is a list of at most {TIMES_PER_BATCH_MAX} times.", pointer="/t")
    if not isinstance(values, list) or len(values) > SERIES_PER_BATCH_MAX:
        raise Invalid("telemetry.batch_invalid", f"v is a list of at most {SERIES_PER_BATCH_MAX} series.", pointer="/v")
    return Batch(sha256, _parse_series(value.get("series"), sha256), times, values)


def known_numbers(tenant: UUID, sender: UUID, sha256: str, *, at: datetime) -> Numbers | None:
    """Return the ids of a list of series, from memory or the database; None when it must be sent (again)."""
    month, key = month_of(at), (tenant, sender, sha256)
    with _held_lock:
        held = _held.get(key)
        if held is not None and held[0] == month:
            _held.move_to_end(key)
            return held[1]
    row = SeriesDict.objects.filter(tenant=tenant, sender=sender, sha256=sha256, month=month).first()
    return _hold(key, month, np.frombuffer(bytes(row.numbers), dtype="<u8")) if row is not None else None


@transaction.atomic
def register_series(*, actor: Actor, sender: UUID, batch: Batch, clock: Clock) -> tuple[Numbers, list[Record]]:
    """Give each series of a new list its id; return the ids and the rows that the engine must learn.

    The list counts as known only after `hold_numbers`, which the caller runs when the rows are in the spool.
    Errors: Invalid("telemetry.series_limit") when new series would pass a limit; known ones are never refused.
    """
    require(actor, "telemetry.batch.store")
    number, now = access_queries.tenant_number(actor.tenant), clock.now()
    labelled = [{identity.METRIC: metric, **labels} for metric, labels in batch.series or ()]
    ids = _assign(actor.tenant, number, sender, labelled, now)
    numbers = np.array(ids, dtype="<u8")
    values = {"numbers": numbers.tobytes(), "month": month_of(now), "used_at": now}
    SeriesDict.objects.update_or_create(tenant=actor.tenant, sender=sender, sha256=batch.sha256, defaults=values)
    return numbers, _records(number, sender, labelled, ids, now)


def hold_numbers(tenant: UUID, sender: UUID, sha256: str, numbers: Numbers, *, at: datetime) -> None:
    """Remember a list in memory."""
    _hold((tenant, sender, sha256), month_of(at), numbers)


def _hold(key: _Key, month: int, numbers: Numbers) -> Numbers:
    with _held_lock:
        _held[key] = (month, numbers)
        while len(_held) > _DICTS_HELD_MAX:
            _held.popitem(last=False)
    return numbers


def _parse_series(value: object, sha256: str) -> Sequence[tuple[str, Mapping[str, str]]] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > SERIES_PER_BATCH_MAX:
        raise Invalid("telemetry.batch_invalid", "series is a list.", pointer="/series")
    if hashlib.sha256(canonical.encode(value)).hexdigest() != sha256:
        raise Invalid("telemetry.batch_dict", "dict is not the hash of series.", pointer="/dict")
    return [_parse_one(item, at) for at, item in enumerate(value)]


def _parse_one(item: object, at: int) -> tuple[str, Mapping[str, str]]:
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict):
        metric, labels = item
        if metric and all(isinstance(text, str) for text in labels.values()) and identity.METRIC not in labels:
            return metric, labels
    raise Invalid("telemetry.batch_invalid", "A series is [metric, {label: text}].", pointer=f"/series/{at}")


def _assign(tenant: UUID, number: int, target: UUID, labelled: Sequence[Mapping[str, str]], now: datetime) -> list[int]:
    # The device is a label of every series it sends, given by us: two devices never share a series.
    full = [{**labels, "device": target.hex} for labels in labelled]
    hashed = [identity.label_bytes(labels) for labels in full]
    ids = [identity.hash_id(number, encoded) for encoded in hashed]
    taken = _taken(tenant, ids)
    new: dict[int, Series] = {}
    for index, labels in enumerate(full):
        ids[index], salt = _free(number, hashed[index], ids[index], labels, taken)
        if ids[index] not in taken:
            taken[ids[index]] = labels
            new[ids[index]] = Series(
                id=new_id(), tenant=tenant, number=identity.signed(ids[index]), salt=salt, metric=labels[identity.METRIC],
                labels=labels, target=target, first_seen_at=now,
            )  # fmt: skip
    _check_limits(tenant, target, len(new))
    Series.objects.bulk_create(new.values(), ignore_conflicts=True)
    return ids


def _taken(tenant: UUID, ids: Sequence[int]) -> dict[int, Mapping[str, str]]:
    rows = Series.objects.filter(tenant=tenant, number__in=[identity.signed(one) for one in ids]).values_list("number", "labels")
    return {identity.unsigned(stored): labels for stored, labels in rows}


def _free(number: int, encoded: bytes, series: int, labels: Mapping[str, str], taken: Mapping[int, Mapping[str, str]]) -> tuple[int, int]:
    salt = 0
    while series in taken and dict(taken[series]) != dict(labels):
        salt += 1
        series = identity.hash_id(number, encoded, salt=salt)
    return series, salt


def _check_limits(tenant: UUID, target: UUID, new: int) -> None:
    if not new:
        return
    known = Series.objects.filter(tenant=tenant)
    if known.filter(target=target).count() + new > SERIES_PER_TARGET_MAX or known.count() + new > SERIES_PER_TENANT_MAX:
        text = "This device would pass the limit of series; known series go on, new ones are refused."
        raise Invalid("telemetry.series_limit", text, new=new)


def _records(number: int, target: UUID, labelled: Sequence[Mapping[str, str]], ids: Sequence[int], now: datetime) -> list[Record]:
    full = [{**labels, "device": target.hex} for labels in labelled]
    month, count = month_of(now), len(ids)
    metrics = sorted({labels[identity.METRIC] for labels in full})
    by_label = [(name, text, one) for labels, one in zip(full, ids, strict=True) for name, text in labels.items() if text]
    columns: list[tuple[Table, dict[str, object]]] = [
        (
            Table.SERIES,
            {
                "tenant": [number] * count, "series": ids, "metric": [labels[identity.METRIC] for labels in full],
                "labels": [list(labels.items()) for labels in full], "month": [month] * count, "first_seen": [now] * count,
                "target": [str(target)] * count,
            },
        ),
        (
            Table.SERIES_BY_LABEL,
            {
                "tenant": [number] * len(by_label), "month": [month] * len(by_label), "name": [row[0] for row in by_label],
                "value": [row[1] for row in by_label], "series": [row[2] for row in by_label],
            },
        ),
        (
            Table.METRIC_META,
            {
                "tenant": [number] * len(metrics), "metric": metrics, "type": ["gauge"] * len(metrics),
                "unit": [unit_of(metric) for metric in metrics], "help": [""] * len(metrics), "seen": [now] * len(metrics),
            },
        ),
    ]  # fmt: skip
    return [record_of(table, values) for table, values in columns]


def record_of(table: Table, columns: Mapping[str, object]) -> Record:
    """Serialise columns into a spool record."""
    batch = pa.RecordBatch.from_pydict(dict(columns), schema=SHAPES[table].schema)
    return Record(table, batch.num_rows, batch.serialize().to_pybytes())


def unit_of(metric: str) -> str:
    """Return the unit that a metric's name ends in; empty for a plain count."""
    for ending, unit in (("_bytes_per_s", "bytes/s"), ("_per_s", "1/s"), ("_bytes", "bytes"), ("_pct", "%"), ("_ms", "ms"), ("_s", "s")):
        if metric.endswith(ending):
            return unit
    return ""
