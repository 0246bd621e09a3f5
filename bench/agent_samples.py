"""How many samples per second and core go from agent batches to durable storage.

Work: bodies of polls as agents send them (70 series, 6 times each), read from JSON, checked, turned into columns, written to the
spool and synchronised. One thread decodes; the group commit is the spool's own. Divided by the greater of wall time and
processor time of the whole process, so that neither a second core nor a fast disk can flatter the figure. Signatures are not
in it (one for each request, not for each sample), nor is the engine: rows are acknowledged before it has them.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench.figures import figure
from mainstay_trust import canonical

NAMES = ("agent_samples_per_s_core",)
SERIES, TIMES, BATCHES, RUNS = 70, 6, 1500, 5
IN_FLIGHT = 64


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    os.environ["MAINSTAY_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
    try:
        store = intake()
        print(figure(NAMES[0], [rate(store, folder / str(number)) for number in range(RUNS)], "samples/s"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rate(store: Callable[[Path, list[bytes], datetime], None], folder: Path) -> float:
    """Store all batches once and return samples per second."""
    at = datetime.now(UTC)
    bodies = [body(number, int(at.timestamp() * 1000)) for number in range(BATCHES)]
    wall, used = time.perf_counter(), time.process_time()
    store(folder, bodies, at)
    seconds = max(time.process_time() - used, time.perf_counter() - wall)
    return SERIES * TIMES * BATCHES / seconds


def intake() -> Callable[[Path, list[bytes], datetime], None]:
    """Return the way of a batch through the intake, up to the disk."""
    import django

    django.setup()

    # Models exist only from here on.
    from mainstay.connectors.agent.intake.limits import parse
    from mainstay.domains.telemetry import services
    from mainstay.domains.telemetry.services.spool import Spool

    numbers = np.arange(SERIES, dtype="<u8")

    def store(folder: Path, bodies: list[bytes], at: datetime) -> None:
        spool, waiting = Spool(folder), []
        spool.start()
        for raw in bodies:
            record, _ = services.encode_samples(1, numbers, services.parse_batch(parse(raw)["samples"]), at=at)
            waiting.append(spool.submit([record]))
            if len(waiting) >= IN_FLIGHT:
                waiting.pop(0).result(30)
        for future in waiting:
            future.result(30)
        spool.close()

    return store


def body(number: int, now_ms: int) -> bytes:
    """Return the body of one poll."""
    listed = [[f"metric_{index}", {"mount": f"/m{index}"}] for index in range(SERIES)]
    batch = {
        "dict": sha256(canonical.encode(listed)).hexdigest(),
        "series": None,
        "t": [now_ms - moment * 10_000 for moment in range(TIMES)],
        "v": [[round((number * 7 + index * 13 + moment) % 1000 / 7, 3) for moment in range(TIMES)] for index in range(SERIES)],
    }
    return json.dumps({"seq": number, "wait_s": 60, "boot": "b", "samples": batch, "states": [], "hb": None}).encode()


if __name__ == "__main__":
    main()
