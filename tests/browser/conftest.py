"""A running installation, ten thousand devices in it, and a browser that is signed in.

Skipped, with the reason printed, where there is no Chromium.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # what axe answers

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.support.installation import Installation, make_installation, remove_installation, wait_for

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).resolve().parents[2] / "src" / "mainstay" / "ui" / "static" / "vendor" / "axe.min.js"
DEVICES = 10_000
WIDE: ViewportSize = {"width": 1280, "height": 900}
SEED = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "mainstay.config.settings"
import django
django.setup()
from mainstay.core.access import queries
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.estate.models import Device
from mainstay.kernel.clock import SystemClock
tenant, now = queries.organisation().id, SystemClock().now()
with tenant_transaction(tenant):
    Device.objects.bulk_create(
        Device(tenant=tenant, name=f"node-{{n:05}}", state="pending", machine_id_hash=f"{{n:064x}}", first_enrolled_at=now)
        for n in range({DEVICES})
    )
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def missing() -> str:
    """Return what keeps these tests from running, or nothing."""
    if not CHROMIUM.exists():
        return f"no browser ({CHROMIUM} is missing: apt-get install chromium)"
    if not AXE.exists():
        return "no front-end files (run `make up` once while online)"
    return ""


@pytest.fixture(scope="session")
def mainstay() -> Iterator[Installation]:
    """The whole product, with a crowd of devices beside its own machine."""
    installation = make_installation("mainstay-browser")
    installation.start()
    subprocess.run(
        [sys.executable, "-c", SEED], env={**installation.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True, timeout=120
    )
    wait_for(lambda: own_device(installation), timeout_s=60, what="the agent of this machine")
    yield installation
    remove_installation(installation)


def own_device(installation: Installation) -> str | None:
    rows = installation.items("devices", "--where", "state=active")
    return str(rows[0]["id"]) if rows else None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@dataclass
class Tab:
    """A page with what went wrong on it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status == 200, path
        return self.page

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)


@pytest.fixture(scope="session")
def signed_in(mainstay: Installation, browser: Browser) -> dict[str, object]:
    """Sign in once, by the link that a person would open, and return the session."""
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(str(mainstay.json("link")["url"]))
    assert answer is not None
    assert answer.status == 200, f"{page.inner_text('body')[:500]}\n{mainstay.process_log('web')}"
    page.locator("input[name=name]").fill("Tara Berg")
    page.locator("input[name=login]").fill("tara")
    page.get_by_role("button").first.click()
    page.wait_for_url("**/account/welcome/")
    state = context.storage_state()
    context.close()
    return dict(state)


@contextmanager
def a_tab(
    mainstay: Installation, browser: Browser, signed_in: dict[str, object], viewport: ViewportSize | None = None, theme: str = "light"
) -> Iterator[Tab]:
    """A signed-in tab that ends with an empty console, or fails."""
    context = browser.new_context(storage_state=signed_in, viewport=viewport or WIDE, reduced_motion="reduce")  # type: ignore[arg-type]  # a state that playwright itself returned
    base = str(mainstay.json("status")["url"])
    context.add_cookies([{"name": "ms_theme", "value": theme, "url": base}])
    opened = Tab(context.new_page(), base)
    opened.page.on("console", opened.heard)
    opened.page.on("pageerror", lambda error: opened.problems.append(str(error)))
    yield opened
    context.close()
    assert opened.problems == []


@pytest.fixture
def tab(mainstay: Installation, browser: Browser, signed_in: dict[str, object], request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A signed-in tab for one test."""
    wanted = getattr(request, "param", {})
    with a_tab(mainstay, browser, signed_in, **wanted) as opened:
        yield opened


def serious(page: Page, rules: Sequence[str] | None = None) -> list[str]:
    """Return what axe finds serious or critical on a page; some of its rules only, when they are named."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    only = f", runOnly: {json.dumps(list(rules))}" if rules else ""
    found: dict[str, Any] = page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{only}}})")
    return [
        f"{one['id']}: {node['target']}: {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]
