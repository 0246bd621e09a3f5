"""The System Audit in a browser: what a person does with it. How its pages look is seen by the walk over every page."""

from pathlib import Path

import pytest

from tests.browser.conftest import Tab, own_device
from tests.support.installation import Installation, wait_for


@pytest.fixture(scope="module")
def audit(mainstay: Installation) -> str:
    """The newest audit of the installation's own machine, which follows by itself."""

    def newest() -> str | None:
        own = own_device(mainstay)
        rows = [row for row in mainstay.items("do", "assurance", "audits", "list") if row["scope_id"] == own]
        return str(rows[0]["id"]) if rows else None

    return wait_for(newest, timeout_s=180, what="the first audit of this machine")


def test_the_pdf_is_made_with_the_keyboard_alone(tab: Tab, audit: str) -> None:
    page = tab.open(f"/audits/{audit}/")
    page.get_by_role("button", name="PDF").focus()
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")

    assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF-1.7")
