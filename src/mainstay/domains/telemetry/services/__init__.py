"""Every write of telemetry."""

from mainstay.domains.telemetry.services.intake import (
    GAPS_MAX,
    LOG_LINES_MAX,
    Stored,
    encode_logs,
    encode_samples,
    record_gaps,
    store_batch,
    store_logs,
)
from mainstay.domains.telemetry.services.marks import Mark, advance_mark, judge_mark
from mainstay.domains.telemetry.services.process import Recorder, recorder, start_recorder, stop_recorder
from mainstay.domains.telemetry.services.registration import Batch, known_numbers, parse_batch, register_series
from mainstay.domains.telemetry.services.retention import Partition, drop_partition, expired, note_expired, partitions
from mainstay.domains.telemetry.services.rollups import mark_late, roll_up
from mainstay.domains.telemetry.services.schema import apply_schema

__all__ = [
    "GAPS_MAX",
    "LOG_LINES_MAX",
    "Batch",
    "Mark",
    "Partition",
    "Recorder",
    "Stored",
    "advance_mark",
    "apply_schema",
    "drop_partition",
    "encode_logs",
    "encode_samples",
    "expired",
    "judge_mark",
    "known_numbers",
    "mark_late",
    "note_expired",
    "parse_batch",
    "partitions",
    "record_gaps",
    "recorder",
    "register_series",
    "roll_up",
    "start_recorder",
    "stop_recorder",
    "store_batch",
    "store_logs",
]
