"""The System Audit: seconds and memory for one machine and for sixty, the PDF of 500 findings, and the list of 10,000 findings.

The facts are those of the machine that measures, as its agent collects them (without the sweeps, which take minutes and are judged
in microseconds); the sixty share them under names of their own. Each audit is the whole service: read, judged, written, proven.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from bench.figures import figure

NAMES = (
    "audit_machine_s",
    "audit_machine_rss_mb",
    "audit_60_s",
    "audit_pdf_500_s",
    "audit_pdf_bytes",
    "findings_10k_server_ms",
    "findings_10k_bytes_gz",
)
ROUNDS, MACHINES, FINDINGS, ROWS = 5, 60, 500, 10_000
LISTS = (
    "/findings/",
    "/findings/?sort=-due",
    "/findings/?severity=1&state=open",
    "/findings/?q=node-07",
    "/findings/?owner__empty=true",
)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    os.environ["MAINSTAY_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
    try:
        draw()
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def draw() -> None:
    """Print seconds and bytes of the PDF of a report with 500 findings; the process that draws it is started each time."""
    from mainstay.domains.assurance.rules.document import compose
    from mainstay.domains.assurance.tests.sample import report
    from mainstay.ui import documents

    document = compose(report(FINDINGS), sha256="ab" * 32)  # type: ignore[no-untyped-call]  # a sample of the tests
    times, sizes = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        sizes.append(float(len(documents.render_pdf(document))))
        times.append(time.perf_counter() - started)
    print(figure("audit_pdf_500_s", times, "s"))
    print(figure("audit_pdf_bytes", sizes, "bytes"))


def measure(folder: Path) -> None:
    """Print the figures of audits and of the list."""
    import django
    from django.conf import settings

    django.setup()
    from bench.databases import migrated_postgres

    facts = facts_of_this_machine()
    with migrated_postgres(settings.LAYOUT):
        from mainstay.core.access.bootstrap import bootstrap
        from mainstay.kernel.clock import SystemClock

        tenant = bootstrap(SystemClock(), secrets_dir=folder / "secrets").id
        devices = [enrol(tenant, number, facts) for number in range(MACHINES)]
        forget_peak()
        audit(tenant, "device", devices[0])
        whole = peak_mb()
        one = [seconds(lambda: audit(tenant, "device", devices[0])) for _ in range(ROUNDS)]
        sixty = [seconds(lambda: audit(tenant, "client", None)) for _ in range(ROUNDS)]
        print(figure("audit_machine_s", one, "s"))
        print(figure("audit_machine_rss_mb", [whole], "MB"))
        print(figure("audit_60_s", sixty, "s"))
        list_findings(folder, tenant)


def facts_of_this_machine() -> dict[str, dict[str, object] | str]:
    """Return every quick group of this machine, or the reason why it is not known."""
    from mainstay_agent.facts.catalogue import GROUPS
    from mainstay_agent.facts.groups import collect
    from mainstay_agent.host.machine import Machine

    found = {name: collect(name, Machine()) for name, group in GROUPS.items() if not group.is_sweep}
    return {name: dict(one.value) if one.value is not None else str(one.unknown) for name, one in found.items()}


def enrol(tenant: UUID, number: int, facts: dict[str, dict[str, object] | str]) -> UUID:
    """Make a device whose facts have come in."""
    from mainstay.core.tenancy.binding import tenant_transaction
    from mainstay.domains.estate.models import Device
    from mainstay.domains.estate.rules.freshness import group_hash
    from mainstay.domains.estate.services.facts import GroupReport, store_facts
    from mainstay.kernel import actors
    from mainstay.kernel.clock import SystemClock

    clock, name = SystemClock(), f"node-{number:02}"
    now = clock.now()
    own = {**facts, "os": {**facts["os"], "hostname": name}} if isinstance(facts["os"], dict) else facts
    with tenant_transaction(tenant):
        device = Device.objects.create(
            tenant=tenant, name=name, state="active", machine_id_hash=f"{number:064x}", agent_version="0.1.0", first_enrolled_at=now,
            last_seen_at=now, facts_confirmed_at=now,
        )  # fmt: skip
        reports = [
            GroupReport(group, group_hash(None, body), int(now.timestamp()), None, body)
            if isinstance(body, str)
            else GroupReport(group, group_hash(body, ""), int(now.timestamp()), body)  # type: ignore[arg-type]  # JSON, as collected
            for group, body in own.items()
        ]
        for at in range(0, len(reports), 40):
            store_facts(actor=actors.device(device.id, tenant), device_id=device.id, reports=reports[at : at + 40], clock=clock)
    return UUID(str(device.id))


def audit(tenant: UUID, kind: str, scope: UUID | None) -> None:
    from mainstay.core.tenancy.binding import tenant_transaction
    from mainstay.domains.assurance.services.audits import start_audit
    from mainstay.kernel import actors
    from mainstay.kernel.clock import SystemClock

    with tenant_transaction(tenant):
        start_audit(actor=actors.system("worker", tenant), kind=kind, scope_id=scope, clock=SystemClock(), trigger="scheduled")


def list_findings(folder: Path, tenant: UUID) -> None:
    """Print how long a page of 10,000 findings takes in the server, and what it weighs."""
    from bench.list_10k import ask

    fill(tenant)
    times, sizes = ask((folder / "secrets" / "cli-token").read_text().strip(), LISTS, deep=False)
    print(figure("findings_10k_server_ms", times, "ms"))
    print(figure("findings_10k_bytes_gz", sizes, "bytes"))


def fill(tenant: UUID) -> None:
    from mainstay.core.tenancy.binding import tenant_transaction
    from mainstay.core.tenancy.ids import new_id
    from mainstay.domains.assurance.models import Finding
    from mainstay.domains.assurance.rules.catalogue import CATALOGUE
    from mainstay.kernel.clock import SystemClock

    now, checks = SystemClock().now(), list(CATALOGUE.values())
    run = new_id()
    with tenant_transaction(tenant):
        Finding.objects.bulk_create(
            Finding(
                tenant=tenant,
                key=f"f:{hashlib.sha256(str(number).encode()).hexdigest()}",
                check_id=checks[number % len(checks)].id,
                version=1,
                area=checks[number % len(checks)].area,
                kind="device",
                scope_id=new_id(),
                scope_name=f"node-{number * 7919 % ROWS:05}",
                severity=number % 5 + 1,
                title=checks[number % len(checks)].title,
                seen="What was seen, in one plain sentence.",
                subjects=number % 9 + 1,
                failing=[],
                effort_min=15,
                state=("open", "open", "accepted", "fixed")[number % 4],
                change="known",
                due=(now + timedelta(days=number % 180)).date(),
                first_seen=now - timedelta(days=number % 90),
                last_seen=now,
                last_run=run,
            )
            for number in range(ROWS)
        )


def seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def forget_peak() -> None:
    """Let the kernel count the peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Return the most that this whole process held since: what a worker that audits needs."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
