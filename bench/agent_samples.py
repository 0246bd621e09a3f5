"""How many samples per second and core go from signed agent batches to durable storage.

Work: bodies of polls as agents send them (70 series, 6 times each), read from JSON, checked, turned into columns, written to the
spool and synchronised. One thread decodes; the group commit is the spool's own. Divided by the greater of wall time and processor time of the whole
process, so that a second core cannot flatter the figure. The engine's share is not in it: rows are acknowledged before that.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")

import django

django.setup()

# These need the loaded applications.
import numpy as np

from mainstay.connectors.agent.intake.limits import parse
from mainstay.domains.telemetry import services
from mainstay.domains.telemetry.services.spool import Spool
from mainstay_trust import canonical

SERIES, TIMES, BATCHES, RUNS = 70, 6, 1500, 5
IN_FLIGHT = 64


def body(number: int, now_ms: int) -> bytes:
    """Return the body of one poll."""
    listed = [[f"metric_{index}", {"mount": f"/m{index}"}] for index in range(SERIES)]
    values = [[round((number * 7 + index * 13 + moment) % 1000 / 7, 3) for moment in range(TIMES)] for index in range(SERIES)]
    batch = {
        "dict": sha256(canonical.encode(listed)).hexdigest(),
        "series": None,
        "t": [now_ms - moment * 10_000 for moment in range(TIMES)],
        "v": values,
    }
    return json.dumps({"seq": number, "wait_s": 60, "boot": "b", "samples": batch, "states": [], "hb": None}).encode()


def run(folder: Path) -> float:
    """Store all batches once and return samples per second (by the greater of wall and processor time)."""
    spool, at = Spool(folder), datetime.now(UTC)
    spool.start()
    bodies = [body(number, int(at.timestamp() * 1000)) for number in range(BATCHES)]
    numbers = np.arange(SERIES, dtype="<u8")
    wall, used, waiting = time.perf_counter(), time.process_time(), []
    for raw in bodies:
        batch = services.parse_batch(parse(raw)["samples"])
        record, _ = services.encode_samples(1, numbers, batch, at=at)
        waiting.append(spool.submit([record]))
        if len(waiting) >= IN_FLIGHT:
            waiting.pop(0).result(30)
    for future in waiting:
        future.result(30)
    seconds = max(time.process_time() - used, time.perf_counter() - wall)
    spool.close()
    return SERIES * TIMES * BATCHES / seconds


def main() -> int:
    """Print one JSON line: the median of five runs."""
    figures = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as folder:
            figures.append(run(Path(folder) / "spool"))
    line = {
        "name": "agent_samples_per_s_core",
        "value": round(statistics.median(figures)),
        "unit": "samples/s",
        "n": RUNS,
        "min": round(min(figures)),
        "max": round(max(figures)),
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
