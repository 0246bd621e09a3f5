"""A page of 10,000 devices: time in the server and bytes on the wire, beside Django admin's changelist of the same table.

Whole requests through every middleware, one after the other, without a network. Each kind of page that people open is asked
for: the first, one deep inside, a filtered one, a search. The figure's time is over all of them; its peer is asked the same.
"""

import gzip
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench.figures import figure

NAMES = ("list_10k_server_ms", "list_10k_bytes_gz")
DEVICES = 10_000
ROUNDS = 15
OURS = ("/devices/", "/devices/?sort=-seen", "/devices/?state=active&sort=-name", "/devices/?q=node-07", "/devices/?seen__lt=-1h&sort=seen")
PEER = (
    "/admin/estate/device/",
    "/admin/estate/device/?o=-3",
    "/admin/estate/device/?state__exact=active&o=-1",
    "/admin/estate/device/?q=node-07",
    "/admin/estate/device/?p=100&o=3",
)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    os.environ["MAINSTAY_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.admin_settings"
    try:
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path) -> None:
    """Print both figures."""
    import django
    from django.conf import settings

    django.setup()
    from bench.databases import migrated_postgres

    with migrated_postgres(settings.LAYOUT):
        token = fill(folder)
        ours, sizes = ask(token, OURS, deep=True)
        theirs, _ = ask(token, PEER, deep=False)
    print(figure(NAMES[0], ours, "ms", peer=theirs))
    print(figure(NAMES[1], sizes, "bytes"))


def fill(folder: Path) -> str:
    """Make the organisation and its devices; return the local token."""
    from mainstay.core.access.bootstrap import bootstrap
    from mainstay.core.tenancy.binding import tenant_transaction
    from mainstay.domains.estate.models import Device
    from mainstay.kernel.clock import SystemClock

    clock = SystemClock()
    tenant = bootstrap(clock, secrets_dir=folder / "secrets").id
    now = clock.now()
    with tenant_transaction(tenant):
        Device.objects.bulk_create(
            Device(
                tenant=tenant,
                name=f"node-{number * 7919 % DEVICES:05}.site{number % 40}.example",
                state=("active", "active", "active", "pending", "quarantined")[number % 5],
                machine_id_hash=f"{number:064x}",
                serial=f"SN{number:08}",
                os_name=("Debian GNU/Linux 12 (bookworm)", "Ubuntu 24.04.1 LTS", "Rocky Linux 9.4")[number % 3],
                agent_version="0.1.0",
                first_enrolled_at=now - timedelta(days=number % 400),
                last_seen_at=None if number % 50 == 0 else now - timedelta(seconds=number),
            )
            for number in range(DEVICES)
        )
    return (folder / "secrets" / "cli-token").read_text().strip()


def ask(token: str, addresses: tuple[str, ...], *, deep: bool) -> tuple[list[float], list[float]]:
    """Return milliseconds and compressed bytes of each answer, after one warm-up of each address."""
    from django.test import Client

    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip", "Accept": "text/html"})
    asked = [*addresses, *([deep_page(client)] if deep else [])]
    for address in asked:
        answer = client.get(address, follow=True)
        assert answer.status_code == 200, (address, answer.status_code)
    times: list[float] = []
    sizes: list[float] = []
    for milliseconds, size in one_by_one(client, asked):
        times.append(milliseconds)
        sizes.append(size)
    return times, sizes


def one_by_one(client: object, addresses: list[str]) -> Iterator[tuple[float, float]]:
    from django.test import Client

    assert isinstance(client, Client)
    for _ in range(ROUNDS):
        for address in addresses:
            started = time.perf_counter()
            answer = client.get(address)
            milliseconds = (time.perf_counter() - started) * 1000
            yield milliseconds, len(answer.content if answer.headers.get("Content-Encoding") == "gzip" else gzip.compress(answer.content))


def deep_page(client: object) -> str:
    """Return the address of the twentieth page of the list, reached as a person would."""
    from django.test import Client

    assert isinstance(client, Client)
    after = ""
    for _ in range(20):
        answer = client.get("/devices.json", {"n": "200", "after": after} if after else {"n": "200"})
        after = json.loads(gzip.decompress(answer.content))["next"]
    return f"/devices/?n=200&after={after}"


if __name__ == "__main__":
    main()
