"""Every page of the address registry, in every look: nobody is kept out, nothing breaks, nothing is heavy.

Pictures of all of them are left as build output in the folder that MAINSTAY_PICTURES names (default: var/pictures, untracked).
"""

import gzip
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Request, Response

from tests.architecture.routes import Route, routes
from tests.browser.conftest import Tab, own_device
from tests.browser.test_console import serious
from tests.support.installation import Installation, wait_for

PICTURES = Path(os.environ.get("MAINSTAY_PICTURES", Path(__file__).resolve().parents[2] / "var" / "pictures"))
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
LOOKS = [
    {"theme": "dark", "viewport": WIDE},
    {"theme": "light", "viewport": WIDE},
    {"theme": "contrast", "viewport": WIDE},
    {"theme": "dark", "viewport": PHONE},
    {"theme": "light", "viewport": PHONE},
]
# What answers reading without being a page: data, fragments, streams.
NO_PAGE = re.compile(
    r"^(api/|live$|search$|state$)|\.(json|csv|pdf|zip|txt|md|svg|ics)$|/(facets|bulk|views|charts)/|/(filter|views)$|<str:reference>"
)
# Rows that a fresh installation may not have yet; each is walked as soon as there is one.
LISTS = {
    "device_id": "/devices.json?state=active",
    "alert_id": "/alerts.json",
    "incident_id": "/help-desk.json",
    "run_id": "/runs.json",
    "entry_id": "/ledger.json",
}
# Other pages with rows of parts that a fresh installation has none of.
WORDS = {"name": "assign"}
PAGE_MAX, SCRIPT_MAX, CHARTS_MAX, STYLE_MAX = 60 * 1024, 40 * 1024, 65 * 1024, 35 * 1024
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'"


@cache
def pages() -> tuple[Route, ...]:
    """Return every address that may be a page, read from the registry: a new page cannot slip by."""
    return tuple(route for route in routes() if "GET" in route.methods and not NO_PAGE.search(route.pattern))


@pytest.fixture
def rows(tab: Tab, mainstay: Installation) -> Mapping[str, str]:
    """A row for each kind of record that there is."""
    wait_for(lambda: own_device(mainstay), timeout_s=60, what="the agent of this machine")
    wait_for(lambda: next(iter(mainstay.items("incidents")), None), timeout_s=90, what="an incident of this machine", every_s=2)
    found: dict[str, str] = {}
    for name, address in LISTS.items():
        items = tab.page.request.get(tab.url + address).json()["items"]
        found |= {name: str(items[0]["id"])} if items else {}
    return found


def addresses(rows: Mapping[str, str]) -> Iterator[str]:
    """Fill in the registry with the rows that there are; an address that needs another one is left out."""
    for route in pages():
        if all(name in rows or name in WORDS for name in route.parameters):
            yield route.address({**WORDS, **rows})


def name_of(address: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "id", address.strip("/")).replace("/", "-") or "today"


@pytest.mark.parametrize("tab", LOOKS, indirect=True, ids=lambda look: f"{look['theme']}-{look['viewport']['width']}")
def test_every_page_in_every_look(tab: Tab, rows: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    """No serious fault of access, no sideways scroll, no error in the console; and a picture to look at."""
    look = request.node.callspec.params["tab"]
    folder = PICTURES / f"{look['theme']}-{look['viewport']['width']}"
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    seen = 0
    for address in addresses(rows):
        if not _is_reading_page(tab, address):
            continue
        seen += 1
        tab.open(address)
        tab.page.wait_for_load_state("load")
        faults += [f"{address}: {fault}" for fault in serious(tab.page)]
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        faults += [f"{address}: {width} px wide"] if width > look["viewport"]["width"] else []
        tab.page.screenshot(path=folder / f"{name_of(address)}.png", full_page=True)

    assert faults == []
    assert seen >= 25


def _is_reading_page(tab: Tab, address: str) -> bool:
    """Ask without the page first: an address that only takes posts is none."""
    answer = tab.page.request.get(tab.url + address, max_redirects=0)
    return answer.status == 200 and "text/html" in answer.headers.get("content-type", "")


def test_every_page_is_light_and_strict(tab: Tab, rows: Mapping[str, str]) -> None:
    """Bytes of the page itself, of scripts and styles as they travel, and the policy that forbids everything inline."""
    faults: list[str] = []
    for address in addresses(rows):
        if not _is_reading_page(tab, address):
            continue
        loaded: list[Request] = []
        tab.page.on("requestfinished", loaded.append)
        answer = tab.page.goto(tab.url + address)
        tab.page.wait_for_load_state("load")
        tab.page.remove_listener("requestfinished", loaded.append)
        assert answer is not None
        faults += [f"{address}: {fault}" for fault in _weight(answer, loaded)]
        policy = str(answer.header_value("content-security-policy"))
        faults += [f"{address}: {policy}"] if not policy.startswith(POLICY) or "unsafe" in policy else []
        faults += [f"{address}: asks {one.url}" for one in loaded if not one.url.startswith(tab.url)]

    assert faults == []


def _weight(answer: Response, loaded: list[Request]) -> Iterator[str]:
    page = len(gzip.compress(answer.body()))
    scripts = _packed(loaded, "script")
    limit = CHARTS_MAX if any("uPlot" in one.url for one in loaded) else SCRIPT_MAX
    if page > PAGE_MAX:
        yield f"the page has {page} bytes"
    if scripts > limit:
        yield f"its scripts have {scripts} bytes"
    if _packed(loaded, "stylesheet") > STYLE_MAX:
        yield f"its styles have {_packed(loaded, 'stylesheet')} bytes"


def _packed(loaded: list[Request], kind: str) -> int:
    answers = [one.response() for one in loaded if one.resource_type == kind]
    return sum(len(gzip.compress(answer.body())) for answer in answers if answer is not None)


def test_forced_colours_keep_every_word(tab: Tab, rows: Mapping[str, str]) -> None:
    """Where the system takes over the colours, nothing is said by colour alone."""
    tab.page.emulate_media(forced_colors="active")
    for address in ("/", "/devices/", "/alerts/", f"/devices/{rows['device_id']}/"):
        assert (address, serious(tab.open(address))) == (address, [])


def test_paper_has_no_chrome(tab: Tab) -> None:
    page = tab.open("/devices/")
    page.emulate_media(media="print")

    assert not page.locator(".ms-side").is_visible()
    assert not page.locator(".ms-top").is_visible()
    assert not page.locator(".ms-list-bar").is_visible()
    assert page.get_by_role("table").is_visible()


def test_from_right_to_left_nothing_leaves_the_page(tab: Tab, rows: Mapping[str, str]) -> None:
    """Logical properties only: turned around, the column stands on the other side and nothing scrolls sideways."""
    for address in ("/", "/devices/", f"/devices/{rows['device_id']}/", "/ledger/", "/settings/"):
        page = tab.open(address)
        page.evaluate("document.documentElement.dir = 'rtl'")
        side = page.locator(".ms-side").bounding_box()
        assert side is not None
        assert side["x"] + side["width"] == page.viewport_size["width"] if page.viewport_size else False
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
