"""Samples on their way: a column per series, a row per moment (the BATCH of the protocol).

Owns: the dictionary of series, its hash, the shape of a batch.
Does not own: which rows go into it (`net.spool`, `net.poll`).
Invariant: the same series in the same order have the same hash on every device, so that a server learns each list once.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mainstay_agent.net.spool import SampleRow, Spool
from mainstay_agent.samples.readings import Readings
from mainstay_trust import canonical


@dataclass(frozen=True, slots=True)
class Encoded:
    """One reading as the spool keeps it."""

    dict_id: str
    series: str
    values: str


def encode(readings: Readings) -> Encoded:
    """Split a reading into its series, in order, and their values."""
    names = sorted(readings)
    listed = canonical.encode([[metric, dict(labels)] for metric, labels in names])
    values = json.dumps([readings[name] for name in names], separators=(",", ":"))
    return Encoded(hashlib.sha256(listed).hexdigest(), listed.decode(), values)


def batch(spool: Spool, rows: Sequence[SampleRow], *, with_series: bool) -> dict[str, object]:
    """Join rows of one dictionary to a batch. Unit of `t`: Unix milliseconds."""
    dict_id = rows[0].dict_id
    table = [json.loads(row.body) for row in rows]
    return {
        "dict": dict_id,
        "series": json.loads(spool.series(dict_id)) if with_series else None,
        "t": [row.at_ms for row in rows],
        "v": [list(column) for column in zip(*table, strict=True)],
    }
