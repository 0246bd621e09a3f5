"""Every page at the demonstration's size: milliseconds on loopback and bytes on the wire; the worst is the figure.

The addresses come from the registry of routes, so that no page is left out; those of a record take the first row of its list.
Each page is asked for once to warm up and then a few times; its time is the median. All of them stand in the error output.
"""

import gzip
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import httpx
from tests.support.installation import Installation, make_installation, remove_installation, wait_for

from bench.figures import figure
from bench.streams import sign_in

NAMES = ("page_server_ms_max", "page_bytes_gz_max", "page_server_ms_median", "demo_ready_s")
ROUNDS, READY_S = 5, 1200
# What answers reading without being a page: data, fragments, streams.
NO_PAGE = re.compile(r"^(api/|live$|search$|state$)|\.(json|csv|pdf|zip|txt|md|svg|ics)$|/(facets|bulk|views|charts)/|/(filter|views)$")
LISTS = {
    "device_id": "devices.json",
    "alert_id": "alerts.json",
    "incident_id": "help-desk.json",
    "run_id": "runs.json",
    "entry_id": "ledger.json",
    "audit_id": "audits.json",
    "other_id": "audits.json",
    "finding_id": "findings.json",
}


def main() -> int:
    installation = make_installation("mainstay-pages")
    installation.environ |= {"MAINSTAY_DEMO": "true", "MAINSTAY_LABEL": "DEMO", "MAINSTAY_AGENT": "false"}
    try:
        lasted = play(installation)
        times, sizes = measure(installation)
        print(figure("page_server_ms_max", [max(times)], "ms"))
        print(figure("page_bytes_gz_max", [max(sizes)], "bytes"))
        print(figure("page_server_ms_median", times, "ms"))
        print(figure("demo_ready_s", [lasted], "s"))
    finally:
        remove_installation(installation)
    return 0


def play(installation: Installation) -> float:
    """Start the demonstration, and return how long it took to be ready."""
    began = time.monotonic()
    with (installation.root / "up.log").open("ab") as log:
        installation.up = subprocess.Popen(
            [sys.executable, "-m", "mainstay.cli.demo"], env=installation.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    wait_for(
        lambda: True if installation.status().get("ready") else None,
        timeout_s=READY_S,
        what=f"the demo: {installation.log_tail()}",
        every_s=1,
    )
    return time.monotonic() - began


def measure(installation: Installation) -> tuple[list[float], list[float]]:
    """Return milliseconds and compressed bytes of each page, and print them by page."""
    headers = {"Cookie": sign_in(installation), "Accept": "text/html", "Accept-Encoding": "gzip"}
    times, sizes = [], []
    with httpx.Client(base_url=installation.url, headers=headers, timeout=60) as browser:
        for address in addresses(first_rows(browser)):
            answer = browser.get(address)
            if answer.status_code != 200 or "text/html" not in answer.headers.get("Content-Type", ""):
                print(f"{answer.status_code:>8} {address}", file=sys.stderr)
                continue
            took = [timed(browser, address) for _ in range(ROUNDS)]
            times.append(statistics.median(took))
            sizes.append(float(len(gzip.compress(answer.content))))
            print(f"{times[-1]:8.1f} ms {sizes[-1] / 1024:8.1f} kB  {address}", file=sys.stderr)
    return times, sizes


def timed(browser: httpx.Client, address: str) -> float:
    started = time.perf_counter()
    browser.get(address)
    return (time.perf_counter() - started) * 1000


def first_rows(browser: httpx.Client) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, path in LISTS.items():
        items = browser.get(f"/{path}").json()["items"]
        found |= {name: str(items[0]["id"])} if items else {}
    return found


def addresses(rows: Mapping[str, str]) -> Iterator[str]:
    """Fill in the registry; a page of a record that there is none of is left out."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mainstay.config.settings")
    import django

    django.setup()
    from tests.architecture.routes import WORDS, routes

    from mainstay.domains.assurance.rules.document import PARTS

    for route in sorted(routes(), key=lambda one: one.pattern):
        is_page = "GET" in route.methods and not NO_PAGE.search(route.pattern)
        if is_page and all(name in rows or name in WORDS for name in route.parameters):
            parts = [name for name, _, _ in PARTS] if "part" in route.parameters else [""]
            yield from (route.address({**WORDS, **rows, "part": part}) for part in parts)


if __name__ == "__main__":
    sys.exit(main())
