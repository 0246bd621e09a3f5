"""Signals of a device on their way to the disk: columns in, one spool record out, no object per sample.

Source: control page, sections 3.1 (one path in) and 8 (fast path). Invariant: nothing here inserts into the engine.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pyarrow as pa
from django.db import transaction

from mainstay.core.access import queries as access_queries
from mainstay.core.access.services import require
from mainstay.domains.telemetry.models import Loss
from mainstay.domains.telemetry.models.columns import SHAPES, Table
from mainstay.domains.telemetry.rules import windows
from mainstay.domains.telemetry.services.registration import (
    Batch,
    Numbers,
    hold_numbers,
    known_numbers,
    record_of,
    register_series,
)
from mainstay.domains.telemetry.services.spool import Record, Spool
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid

LOG_LINES_MAX = 5_000
BODY_CHARS_MAX = 16_384
GAPS_MAX = 200


@dataclass(frozen=True)
class Stored:
    """What became of a batch. `need_dict`: the list of series must be sent, nothing was stored."""

    durable: "Future[int] | None"
    rows: int = 0
    refused: int = 0
    need_dict: bool = False


def store_batch(*, actor: Actor, sender: UUID, batch: Batch, spool: Spool, clock: Clock) -> Stored:
    """Put a batch of samples into the spool. The batch is stored when `durable` has resolved.

    Errors: Invalid for shapes that do not fit. Samples outside the time window are refused and counted.
    """
    require(actor, "telemetry.batch.store")
    now = clock.now()
    numbers = known_numbers(actor.tenant, sender, batch.sha256, at=now)
    records: list[Record] = []
    if numbers is None:
        if batch.series is None:
            return Stored(None, need_dict=True)
        numbers, records = register_series(actor=actor, sender=sender, batch=batch, clock=clock)
        hold_numbers(actor.tenant, sender, batch.sha256, numbers, at=now)
    samples, refused = encode_samples(access_queries.tenant_number(actor.tenant), numbers, batch, at=now)
    if samples is not None:
        records.append(samples)
    durable = spool.submit(records) if records else None
    return Stored(durable, samples.rows if samples else 0, refused)


def encode_samples(tenant: int, numbers: Numbers, batch: Batch, *, at: datetime) -> tuple[Record | None, int]:
    """Return the rows of a batch as one record, and how many samples were refused for their time."""
    times, values = _columns(numbers, batch)
    oldest, newest = windows.accepted_ms(at)
    present = ~np.isnan(values)
    believed = present & ((times >= oldest) & (times <= newest))[np.newaxis, :]
    refused = int(present.sum() - believed.sum())
    rows = int(believed.sum())
    if not rows:
        return None, refused
    series = np.broadcast_to(numbers[:, np.newaxis], values.shape)[believed]
    stamps = np.broadcast_to(times[np.newaxis, :], values.shape)[believed]
    columns = [
        pa.array(np.full(rows, tenant, dtype=np.uint32)),
        pa.array(series),
        pa.array(stamps.view("M8[ms]")).cast(SHAPES[Table.SAMPLES].schema.field("ts").type),
        pa.array(values[believed]),
        pa.array(np.full(rows, windows.KEEP_SAMPLES_D, dtype=np.uint16)),
    ]
    record_batch = pa.RecordBatch.from_arrays(columns, schema=SHAPES[Table.SAMPLES].schema)
    return Record(Table.SAMPLES, rows, record_batch.serialize().to_pybytes()), refused


def store_logs(*, actor: Actor, sender: UUID, host: str, lines: Sequence[Mapping[str, object]], spool: Spool, clock: Clock) -> Stored:
    """Put log lines into the spool. Errors: Invalid for more than 5,000 lines or a line without a time and a text."""
    require(actor, "telemetry.batch.store")
    if len(lines) > LOG_LINES_MAX:
        raise Invalid("telemetry.logs_too_many", f"At most {LOG_LINES_MAX} lines are taken at once.", pointer="/data")
    if not lines:
        return Stored(None)
    record = encode_logs(access_queries.tenant_number(actor.tenant), sender, host, lines, at=clock.now())
    return Stored(spool.submit([record]), record.rows)


def encode_logs(tenant: int, source: UUID, host: str, lines: Sequence[Mapping[str, object]], *, at: datetime) -> Record:
    """Return log lines as one record."""
    count = len(lines)
    return record_of(
        Table.LOGS,
        {
            "tenant": [tenant] * count,
            "ts": [_clamped_ns(line, at) for line in lines],
            "seen": [at] * count,
            "source": [str(source)] * count,
            "origin": [_text(line, "origin", 100) for line in lines],
            "severity": [_small(line, "severity", 7, 6) for line in lines],
            "facility": [_small(line, "facility", 23, 1) for line in lines],
            "host": [host] * count,
            "app": [_text(line, "app", 100) for line in lines],
            "pid": [_small(line, "pid", 2**32 - 1, 0) for line in lines],
            "msgid": [""] * count,
            "body": [_text(line, "body", BODY_CHARS_MAX) for line in lines],
            "attrs": [[] for _ in lines],
            "trace_id": [""] * count,
            "raw": [""] * count,
            "keep": [windows.KEEP_LOGS_D] * count,
        },
    )


@transaction.atomic
def record_gaps(*, actor: Actor, sender: UUID, gaps: Sequence[Mapping[str, object]]) -> int:
    """Keep what a sender says it had to drop, so that the loss is drawn and not guessed."""
    require(actor, "telemetry.batch.store")
    rows = [
        Loss(
            tenant=actor.tenant,
            sender=sender,
            stream=_text(gap, "stream", 20),
            from_at=_instant(gap, "from_ms"),
            to_at=_instant(gap, "to_ms"),
            rows=_small(gap, "count", 2**53, 0),
            reason=_text(gap, "reason", 40),
        )
        for gap in gaps[:GAPS_MAX]
    ]
    Loss.objects.bulk_create(rows)
    return len(rows)


def _columns(
    numbers: Numbers, batch: Batch
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", "np.ndarray[tuple[int, int], np.dtype[np.float64]]"]:
    try:
        times = np.array(batch.times_ms, dtype=np.int64)
        values = np.array(batch.values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(
            "telemetry.batch_invalid", "t holds whole numbers, v one number or null for each series and time.", pointer="/v"
        ) from error
    if values.shape != (len(numbers), len(times)):
        raise Invalid("telemetry.batch_invalid", "v has one row for each series and one value for each time.", pointer="/v")
    return times, values


def _clamped_ns(line: Mapping[str, object], at: datetime) -> int:
    value, now_ns = line.get("ts"), windows.to_ms(at) * 1_000_000
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("telemetry.log_invalid", "A log line has a time in nanoseconds (ts).", pointer="/data")
    oldest, newest = windows.accepted_ms(at)
    # A line with an impossible time is worth more than none: it is stored under the time of receipt.
    return value if oldest * 1_000_000 <= value <= newest * 1_000_000 else now_ns


def _text(line: Mapping[str, object], field: str, length_max: int) -> str:
    value = line.get(field)
    return value[:length_max] if isinstance(value, str) else ""


def _small(line: Mapping[str, object], field: str, value_max: int, default: int) -> int:
    value = line.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= value_max else default


def _instant(gap: Mapping[str, object], field: str) -> datetime:
    return datetime.fromtimestamp(_small(gap, field, 4_102_444_800_000, 0) / 1000, UTC)
