"""The demonstration as a newcomer meets it: played through the intake, provable, and blind for the intruder."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.support.installation import Installation, make_installation, remove_installation, wait_for

pytestmark = pytest.mark.journey
# A bound for the slowest machine; what it takes is measured elsewhere.
PLAYED_S_MAX = 600


@pytest.fixture(scope="module")
def demo() -> Iterator[Installation]:
    installation = make_installation("mainstay-demo")
    installation.environ |= {"MAINSTAY_DEMO": "true", "MAINSTAY_LABEL": "DEMO", "MAINSTAY_AGENT": "false"}
    try:
        with (installation.root / "up.log").open("ab") as log:
            installation.up = subprocess.Popen(
                [sys.executable, "-m", "mainstay.cli.demo"], env=installation.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_for(
            lambda: True if installation.status().get("ready") else None,
            timeout_s=PLAYED_S_MAX,
            what="the demonstration to be played",
            every_s=1,
        )
        yield installation
    finally:
        remove_installation(installation)


def test_sixty_machines_speak_and_one_laptop_does_not(demo: Installation) -> None:
    names = {row["name"] for row in demo.items("devices", "--limit", "200")}

    assert len(names) == 60
    assert "har-lt-07" in names


def test_incidents_arose_from_causes_and_tell_how_they_ended(demo: Installation) -> None:
    rows = demo.items("incidents", "--limit", "200")
    how = Counter((row["rule"], row["resolution"]) for row in rows)

    assert how["service.down", "healed"] == 3
    assert how["service.down", "fixed"] == 2
    assert [row["rule"] for row in rows if row["title"].startswith("tradedesk")] == ["service.down"], "one waits for an approval"
    assert how["unit.failed", "fixed"] == 1
    assert how["certificate.expiring", ""] == 1
    assert [row["status"] for row in rows if row["rule"] == "agent.silent" and not row["resolution"]] == ["open"], "the laptop that is away"


def test_each_repair_ended_as_its_device_signed(demo: Installation) -> None:
    runs = demo.items("runs", "--limit", "200")

    assert Counter(row["state"] for row in runs) == {"succeeded": 3, "failed": 1}


@pytest.mark.parametrize(("client", "results"), [("harbor", 4), ("elm", 4), ("quay", 0)])
def test_the_evidence_of_a_client_verifies_without_the_server(demo: Installation, client: str, results: int) -> None:
    log = demo.root / f"{client}.zip"
    token = (demo.data / "secrets" / "cli-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"evidence-of-{client}"}
    log.write_bytes(httpx.post(f"{demo.url}/c/{client}/api/v1/ledger/pack", headers=headers, timeout=60).raise_for_status().content)

    done = subprocess.run([sys.executable, "-m", "mainstay_verify", "pack", str(log)], capture_output=True, text=True, check=False)

    assert done.returncode == 3, done.stdout + done.stderr  # verified; the keys are the pack's own
    assert done.stdout.startswith("verified")
    told = re.search(r'"automation\.result\.recorded": (\d+)', done.stdout)
    assert int(told[1] if told else 0) == results, "the device signed each restart, and what it saw of the service afterwards"


def test_each_client_and_one_of_its_machines_was_audited(demo: Installation) -> None:
    rows = demo.items("audit", "list", "--limit", "200")

    assert Counter(row["kind"] for row in rows if row["trigger"] == "asked") == {"client": 3, "device": 3}
    assert {row["scope_name"] for row in rows if row["kind"] == "client"} == {"Harbor Law LLP", "Elm Street Clinic", "Quay Street Wealth"}


def test_the_intruder_sees_nothing_and_every_page_says_demo(demo: Installation) -> None:
    link = next(line.split()[-1] for line in demo.log_tail(20_000).splitlines() if "Iris" in line)
    with httpx.Client(base_url=demo.url, follow_redirects=True, headers={"Host": f"localhost:{demo.port}"}) as browser:
        greeting = browser.get(link.replace("localhost", "127.0.0.1"))
        token = browser.cookies[next(name for name in browser.cookies if name.startswith("mainstay_csrf"))]
        browser.post(str(greeting.url), data={"csrfmiddlewaretoken": token}, headers={"Referer": str(greeting.url)})
        page = browser.get("/")
        listed = browser.get("/devices.json")

    assert "DEMO" in page.text
    assert listed.json()["items"] == []
