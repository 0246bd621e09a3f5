"""Every page of the address registry, in every look: nobody is kept out, nothing breaks, nothing is heavy.

Each page is opened once and then looked at in every width and theme: what a theme changes is colour alone, so the whole of axe
runs once for each width and its contrast rules for each further theme. Pictures are left as build output in the folder that
MAINSTAY_PICTURES names (default: var/pictures, untracked).
"""

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response

from mainstay.domains.assurance.rules.document import PARTS
from tests.architecture.routes import Route, routes
from tests.browser.conftest import Tab, a_tab, own_device, serious
from tests.support.installation import Installation, wait_for

PICTURES = Path(os.environ.get("MAINSTAY_PICTURES", Path(__file__).resolve().parents[2] / "var" / "pictures"))
# Width and height, and the themes: the first one of each is looked at with every rule.
SIZES = {1440: (900, ("light", "dark", "contrast")), 360: (740, ("dark", "light"))}
COLOUR_RULES = ("color-contrast", "link-in-text-block")
# What answers reading without being a page: data, fragments, streams.
NO_PAGE = re.compile(
    r"^(api/|live$|search$|state$)|\.(json|csv|pdf|zip|txt|md|svg|ics)$|/(facets|bulk|views|charts)/|/(filter|views)$|<str:reference>"
)
# Rows that a fresh installation has; an address that needs another one is left out.
LISTS = {
    "device_id": "/devices.json?state=active",
    "alert_id": "/alerts.json",
    "incident_id": "/help-desk.json",
    "run_id": "/runs.json",
    "entry_id": "/ledger.json",
    "audit_id": "/audits.json",
    "other_id": "/audits.json?sort=as_of",
    "finding_id": "/findings.json",
}
# Forms of an incident: one of them stands for all.
WORDS = {"name": "assign"}
PAGE_MAX, SCRIPT_MAX, CHARTS_MAX, STYLE_MAX = 60 * 1024, 40 * 1024, 65 * 1024, 35 * 1024
# The directives come in any order; each must be this and nothing wider.
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
}
PAGES_MIN = 45


@cache
def pages() -> tuple[Route, ...]:
    """Return every address that may be a page, read from the registry: a new page cannot slip by."""
    return tuple(route for route in routes() if "GET" in route.methods and not NO_PAGE.search(route.pattern))


@dataclass
class Visit:
    """What was found on one page."""

    address: str
    policy: str
    page_bytes: int
    loaded: list[str]
    faults: list[str] = field(default_factory=list)
    too_wide: list[int] = field(default_factory=list)


@dataclass
class Walk:
    """All pages, and what travels with them: packed sizes by address."""

    url: str
    visits: list[Visit] = field(default_factory=list)
    packed: dict[str, int] = field(default_factory=dict)

    def weight(self, visit: Visit, ending: str) -> int:
        return sum(self.packed[url] for url in visit.loaded if url.endswith(ending))


@pytest.fixture(scope="module")
def rows(mainstay: Installation, walker: Tab) -> Mapping[str, str]:
    """A row for each kind of record that there is; two audits, so that there is something to compare."""
    wait_for(lambda: own_device(mainstay), timeout_s=60, what="the agent of this machine")
    wait_for(lambda: next(iter(mainstay.items("incidents")), None), timeout_s=90, what="an incident of this machine", every_s=1)
    wait_for(lambda: next(iter(mainstay.items("do", "assurance", "audits", "list")), None), timeout_s=60, what="the first audit")
    mainstay.run("audit", "run", "--json")
    found: dict[str, str] = {}
    for name, address in LISTS.items():
        items = walker.page.request.get(walker.url + address).json()["items"]
        found |= {name: str(items[0]["id"])} if items else {}
    return found


@pytest.fixture(scope="module")
def walker(mainstay: Installation, browser: Browser, signed_in: dict[str, object]) -> Iterator[Tab]:
    """A tab for the walk, with the same end as every other: an empty console."""
    with a_tab(mainstay, browser, signed_in) as tab:
        yield tab


@pytest.fixture(scope="module")
def walk(walker: Tab, rows: Mapping[str, str]) -> Walk:
    """Open every page once and look at it in every size and theme."""
    made = Walk(walker.url)
    for address in addresses(rows):
        if _is_reading_page(walker, address):
            made.visits.append(_visit(walker, address))
    for url in sorted({url for visit in made.visits for url in visit.loaded if url.endswith((".js", ".css"))}):
        made.packed[url] = len(gzip.compress(walker.page.request.get(url).body()))
    return made


def addresses(rows: Mapping[str, str]) -> Iterator[str]:
    """Fill in the registry with the rows that there are."""
    for route in pages():
        if all(name in rows or name in WORDS or name == "part" for name in route.parameters):
            parts = [name for name, _, _ in PARTS] if "part" in route.parameters else [""]
            yield from (route.address({**WORDS, **rows, "part": part}) for part in parts)


def _is_reading_page(tab: Tab, address: str) -> bool:
    """Ask without the page first: an address that only takes posts is none."""
    answer = tab.page.request.get(tab.url + address, max_redirects=0)
    return answer.status == 200 and "text/html" in answer.headers.get("content-type", "")


def _visit(tab: Tab, address: str) -> Visit:
    page, heard = tab.page, len(tab.problems)
    answer = page.goto(tab.url + address)
    assert answer is not None
    page.wait_for_load_state("load")
    visit = Visit(address, _policy(answer), len(gzip.compress(answer.body())), page.evaluate(LOADED))
    for width, (height, themes) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        visit.too_wide += [] if _fits(page) else [width]
        for theme in themes:
            page.evaluate(f"document.documentElement.dataset.theme = {json.dumps(theme)}")
            rules = None if theme == themes[0] else COLOUR_RULES
            visit.faults += [f"{theme} {width}: {fault}" for fault in serious(page, rules)]
            _keep_picture(page, f"{theme}-{width}", address)
    visit.faults += [f"console: {problem}" for problem in tab.problems[heard:]]
    return visit


def _fits(page: Page) -> bool:
    """Tell whether the page comes to fit its window: charts take a moment to follow a change of size."""
    for _ in range(30):
        if page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            return True
        page.wait_for_timeout(100)
    return False


LOADED = "performance.getEntriesByType('resource').map((one) => one.name)"


def _policy(answer: Response) -> str:
    return str(answer.header_value("content-security-policy"))


def _keep_picture(page: Page, look: str, address: str) -> None:
    name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "id", address.strip("/")).replace("/", "-") or "today"
    folder = PICTURES / look
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def test_no_page_keeps_anybody_out(walk: Walk) -> None:
    """No serious fault of access in any size and theme, and no error in the console."""
    assert {visit.address: visit.faults for visit in walk.visits if visit.faults} == {}
    assert len(walk.visits) >= PAGES_MIN


def test_no_page_scrolls_sideways(walk: Walk) -> None:
    assert {visit.address: visit.too_wide for visit in walk.visits if visit.too_wide} == {}


def test_every_page_travels_light(walk: Walk) -> None:
    """Bytes as they travel: the page itself, its scripts (more where there are charts), its styles."""
    heavy: dict[str, tuple[int, int, int]] = {}
    for visit in walk.visits:
        sizes = (visit.page_bytes, walk.weight(visit, ".js"), walk.weight(visit, ".css"))
        scripts = CHARTS_MAX if any("uPlot" in url for url in visit.loaded) else SCRIPT_MAX
        if any(size > limit for size, limit in zip(sizes, (PAGE_MAX, scripts, STYLE_MAX), strict=True)):
            heavy[visit.address] = sizes

    assert heavy == {}


def test_every_page_forbids_what_is_inline_and_asks_no_other_host(walk: Walk) -> None:
    assert {
        visit.address: visit.policy for visit in walk.visits if not set(visit.policy.split("; ")) >= POLICY or "unsafe" in visit.policy
    } == {}
    assert [url for visit in walk.visits for url in visit.loaded if not url.startswith(walk.url)] == []
    assert all(visit.loaded for visit in walk.visits)


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
