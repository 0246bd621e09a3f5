"""The System Audit in a browser: every part in light and dark, wide and on a phone, without anything serious for axe."""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import AXE, Tab, own_device
from tests.support.installation import Installation, wait_for

PARTS = ("answer", "map", "areas", "findings", "matrix", "exposure", "automation", "roadmap", "health", "method", "proofs")
PHONE = {"width": 360, "height": 740}
# Where pictures of the pages are kept, for the eyes of a person.
PICTURES = os.environ.get("MAINSTAY_PICTURES", "")


@pytest.fixture(scope="module")
def audit(mainstay: Installation) -> str:
    """The newest audit of the installation's own machine, which follows by itself."""

    def newest() -> str | None:
        own = own_device(mainstay)
        rows = [row for row in mainstay.items("do", "assurance", "audits", "list") if row["scope_id"] == own]
        return str(rows[0]["id"]) if rows else None

    return wait_for(newest, timeout_s=60, what="the first audit of this machine")


def serious(tab: Tab) -> list[str]:
    tab.page.evaluate(AXE.read_text("utf-8") + "; undefined")
    found = tab.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found["violations"] if one["impact"] in ("serious", "critical")]


def keep_picture(tab: Tab, name: str) -> None:
    if PICTURES:
        tab.page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(
    "tab",
    [{"theme": "light"}, {"theme": "dark"}, {"theme": "light", "viewport": PHONE}],
    indirect=True,
    ids=["light", "dark", "phone"],
)
def test_every_page_of_the_audit_is_readable_for_everybody(tab: Tab, audit: str, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.id
    pages = {"overview": "/audit/", "runs": "/audits/", "findings": "/findings/", "systems": "/systems-without-agent/"}
    pages |= {part: f"/audits/{audit}/part/{part}/" for part in PARTS}
    wrong: dict[str, list[str]] = {}
    for name, address in pages.items():
        page = tab.open(address)
        keep_picture(tab, f"audit-{name}-{kind}")
        wrong[name] = serious(tab)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} scrolls sideways"
    first = tab.open("/findings/").locator("table tbody a").first.get_attribute("href")
    tab.open(str(first))
    keep_picture(tab, f"audit-finding-{kind}")
    wrong["finding"] = serious(tab)

    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_pdf_is_made_with_the_keyboard_alone(tab: Tab, audit: str) -> None:
    page = tab.open(f"/audits/{audit}/")
    page.get_by_role("button", name="PDF").focus()
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")

    assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF-1.7")
