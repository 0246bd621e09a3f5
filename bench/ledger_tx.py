"""Audited transactions per second: a change and its evidence, committed durably, while the sequencer keeps up behind.

Several clients write, each transaction one row of business and one entry with a sealed body. The clock stops when the last
entry is under a signed checkpoint, so the sequencer's work is in the figure. Real settings of PostgreSQL: fsync is on.
The peer is the same clients writing the same rows without evidence; `ratio` is ours through its, so 0.77 means 1.3 times as long.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import UUID

from bench.figures import figure

NAMES = ("ledger_tx_per_s",)
CLIENTS = 4
TRANSACTIONS = 1500
ROUNDS = 3


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    os.environ["MAINSTAY_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
    try:
        audited, bare = measure(folder)
        print(figure(NAMES[0], audited, "1/s", peer=bare))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Start a database of its own; return the rates with evidence and without, a round of the one after a round of the other."""
    import django
    from django.conf import settings

    django.setup()
    from bench.databases import migrated_postgres

    with migrated_postgres(settings.LAYOUT):
        sequencer, stop = sequencing(settings.LAYOUT.database_url("ledger"), folder)
        rates = [(one_round(audited=True), one_round(audited=False)) for _ in range(ROUNDS)]
        stop.set()
        sequencer.join()
    return [audited for audited, _ in rates], [bare for _, bare in rates]


def sequencing(conninfo: str, folder: Path) -> tuple[threading.Thread, threading.Event]:
    from mainstay.core.ledger.sequencer import Sequencer

    stop = threading.Event()
    thread = threading.Thread(target=Sequencer(conninfo, bytes(range(32)), folder / "heads.json").run, args=[stop])
    thread.start()
    return thread, stop


def one_round(*, audited: bool) -> float:
    """Let all clients write for one tenant; return transactions per second until everything is committed and its evidence signed."""
    from mainstay.core.tenancy.ids import new_id

    tenant = new_id()
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(CLIENTS + 1), context.Event()
    clients = [context.Process(target=client, args=(tenant, audited, ready, go)) for _ in range(CLIENTS)]
    for process in clients:
        process.start()
    ready.wait()
    began = time.perf_counter()
    go.set()
    for process in clients:
        process.join()
    if any(process.exitcode for process in clients):
        sys.exit("a client failed")
    if audited:
        wait_signed(tenant, CLIENTS * TRANSACTIONS)
    return CLIENTS * TRANSACTIONS / (time.perf_counter() - began)


def client(tenant: UUID, audited: bool, ready: "multiprocessing.synchronize.Barrier", go: "multiprocessing.synchronize.Event") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import django

    django.setup()
    from mainstay.core.jobs.models import Event
    from mainstay.core.ledger import services as ledger
    from mainstay.core.tenancy.binding import tenant_transaction
    from mainstay.core.tenancy.ids import new_id
    from mainstay.kernel import actors
    from mainstay.kernel.clock import SystemClock

    actor, clock = actors.system("bench", tenant), SystemClock()
    with tenant_transaction(tenant):
        Event.objects.exists()
    ready.wait()
    go.wait()
    for number in range(TRANSACTIONS):
        with tenant_transaction(tenant):
            row = Event.objects.create(
                tenant=tenant,
                name="bench.done",
                subject_id=new_id(),
                payload={},
                at=clock.now(),
                actor_ref=actor.ref,
                delivered_at=clock.now(),
            )
            if audited:
                ledger.record(actor, "bench.change.done", row.id, clock=clock, body={"number": number, "title": "a change of usual size"})


def wait_signed(tenant: UUID, size: int) -> None:
    from mainstay.core.ledger import queries
    from mainstay.core.tenancy.binding import tenant_transaction

    until = time.monotonic() + 60
    while time.monotonic() < until:
        with tenant_transaction(tenant):
            head = queries.checkpoint(tenant)
        if head is not None and head.size >= size:
            return
        time.sleep(0.02)
    sys.exit("the sequencer did not keep up")


if __name__ == "__main__":
    main()
