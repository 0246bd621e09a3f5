"""Make the pictures of the README from the running product. As root, with Chromium installed.

Starts an installation of its own, holds a ceremony, kills a watched service, waits until it is healed, and photographs what a person sees.
"""

import os
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.support.installation import Installation, Service, make_installation, remove_installation, wait_for

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIZE = {"width": 1280, "height": 800}


def main() -> int:
    if os.geteuid() != 0 or not CHROMIUM.exists():
        print("run this as root, with Chromium installed", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    installation = make_installation("mainstay-pictures")
    service = Service(installation.root / "service", "nginx-demo")
    try:
        service.start()
        installation.start()
        installation.trust_init([service])
        time.sleep(20)
        service.kill()
        incident = wait_for(lambda: healed(installation), timeout_s=120, what="a healed incident")
        photograph(installation, incident)
    finally:
        remove_installation(installation)
    return 0


def healed(installation: Installation) -> str | None:
    return next((row["id"] for row in installation.items("incidents") if row["resolution"] == "healed"), None)


def photograph(installation: Installation, incident: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_context(viewport=SIZE).new_page()
        sign_in(page, str(installation.json("link")["url"]))
        device = installation.items("devices")[0]["id"]
        audit = installation.items("audit", "list")[0]["id"]
        pages = {
            "today": "/",
            "incident": f"/help-desk/{incident}/",
            "device": f"/devices/{device}/",
            "audit": f"/audits/{audit}/",
        }
        for name, path in pages.items():
            page.goto(f"http://localhost:{installation.port}{path}")
            page.wait_for_timeout(6000)  # the charts move: give them something to show
            page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


def sign_in(page: Page, link: str) -> None:
    page.goto(link)
    page.locator("input[name=name]").fill("Tara Berg")
    page.locator("input[name=login]").fill("tara")
    page.get_by_role("button").first.click()
    page.wait_for_url("**/account/welcome/")


if __name__ == "__main__":
    sys.exit(main())
