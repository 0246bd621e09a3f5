"""What a person sees in a real browser: nothing invented, nothing broken, nothing that only a mouse can do."""

import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import DEVICES, Tab, own_device, serious
from tests.support.installation import Installation, wait_for


def test_today_shows_this_machine_and_ticks_only_what_is_so(tab: Tab) -> None:
    page = tab.open("/")

    expect(page.locator("#hero-title")).to_contain_text("you")
    expect(page.get_by_role("list", name="What this page has heard")).to_contain_text("Devices 1 of 1 heard")
    expect(page.get_by_role("heading", name="This machine")).to_be_visible()
    expect(page.get_by_text("The trust ceremony was held (open)")).to_be_visible()
    expect(page.locator("#setup").get_by_role("listitem")).to_have_count(8)
    expect(page.get_by_text("A restore was proven (open)")).to_be_visible()


def test_the_list_of_steps_can_be_put_away_and_had_back(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("button", name="Put this list away").click()
    expect(page.locator("#setup")).to_have_count(0)
    page.reload()
    expect(page.locator("#setup")).to_have_count(0)

    page.get_by_role("button", name="Show the set-up list again").click()

    expect(page.locator("#setup")).to_be_visible()


def test_the_tab_carries_the_worst_state_and_how_many_wait(tab: Tab, mainstay: Installation) -> None:
    wait_for(lambda: next(iter(mainstay.items("incidents")), None), timeout_s=90, what="an incident of this machine", every_s=2)
    page = tab.open("/settings/")
    state = page.request.get(f"{tab.url}/state").json()

    expect(page).to_have_title(f"({state['count']}) Settings · Mainstay" if state["count"] else "Settings · Mainstay")
    assert state["tone"] in ("ok", "warning", "critical")
    expect(page.locator("#ms-favicon")).to_have_attribute("href", re.compile("favicon(-warning|-critical)?.svg$"))


def test_a_page_that_hears_nothing_says_since_when_and_takes_it_back(tab: Tab) -> None:
    """No stream can be opened and no answer comes: after 30 s what is shown is called old, until something is heard again."""
    page, mark = tab.page, tab.page.locator("#ms-stream")
    page.clock.install()
    page.route("**/live?*", lambda route: route.abort())
    tab.open("/")
    page.context.set_offline(True)
    page.clock.run_for(45_000)
    expect(mark).to_be_visible()
    expect(mark.locator("time")).to_have_attribute("datetime", re.compile(r"^\d{4}-\d{2}-\d{2}T"))

    page.context.set_offline(False)
    page.clock.run_for(20_000)

    expect(mark).to_be_hidden()
    tab.problems.clear()  # the browser reports each answer that did not come


def test_the_charts_of_this_machine_move(tab: Tab, mainstay: Installation) -> None:
    page = tab.open(f"/devices/{own_device(mainstay)}/")
    chart = page.locator("ms-chart").first
    expect(chart.locator(".ms-chart-summary")).to_contain_text("now", timeout=60_000)
    before = points(page)

    wait_for(lambda: True if points(page) != before else None, timeout_s=60, what="a further point in the chart", every_s=1)

    chart.get_by_role("button", name="Show as table").click()
    expect(chart.get_by_role("table")).to_be_visible()


def points(page: Page) -> str:
    """Return the values that the first chart has drawn."""
    return str(page.evaluate("JSON.stringify(document.querySelector('ms-chart').data?.series)"))


def test_ten_thousand_devices_are_found_filtered_and_walked(tab: Tab) -> None:
    page = tab.open("/devices/?state=pending")
    expect(page.get_by_text(f"50 of {DEVICES:,}".replace(",", "\u202f"))).to_be_visible()

    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="node-00050", exact=True)).to_be_visible()

    page.get_by_role("searchbox").fill("node-0777")
    expect(page.get_by_text("10 of 10")).to_be_visible()
    assert "q=node-0777" in page.url
    assert "after=" not in page.url


def test_a_selection_survives_paging_and_the_plan_names_what_will_change(tab: Tab) -> None:
    page = tab.open("/devices/?state=pending&sort=name")
    page.get_by_label("Select node-00000").check()
    page.get_by_role("link", name="Next").click()
    page.get_by_label("Select node-00051").check()
    expect(page.get_by_text("2 devices selected")).to_be_visible()

    page.get_by_role("button", name="Approve…").click()

    plan = page.get_by_role("dialog")
    expect(plan.get_by_role("heading", name="Approve: 2 devices")).to_be_visible()
    expect(plan.get_by_text("node-00000")).to_be_visible()
    expect(plan.get_by_text("node-00051")).to_be_visible()
    plan.get_by_role("button", name="Approve 2").click()
    expect(plan.get_by_text("done")).to_be_visible()


def test_a_filter_that_cannot_be_obeyed_shows_nothing_and_says_why(tab: Tab) -> None:
    answer = tab.page.goto(f"{tab.url}/devices/?statsu=offline")

    assert answer is not None
    assert answer.status == 422
    expect(tab.page.get_by_role("alert")).to_contain_text("There is no filter “statsu” here.")
    expect(tab.page.get_by_role("table")).to_have_count(0)
    tab.problems.clear()  # the browser reports the status itself


def test_the_palette_goes_where_the_keys_say(tab: Tab) -> None:
    page = tab.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("ledg")
    expect(page.get_by_role("option", name="Ledger").first).to_be_visible()

    page.keyboard.press("Enter")

    page.wait_for_url("**/ledger/")


def test_single_keys_lead_through_the_words_and_do_nothing_in_a_field(tab: Tab) -> None:
    page = tab.open("/")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/devices/")

    page.get_by_role("searchbox").fill("")
    page.get_by_role("searchbox").press("g")
    page.get_by_role("searchbox").press("t")

    expect(page.get_by_role("searchbox")).to_have_value("gt")


def test_the_ledger_is_verified_by_one_button_and_leaves_as_a_file(tab: Tab, tmp_path: Path) -> None:
    page = tab.open("/ledger/")
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("Everything agrees.")).to_be_visible(timeout=30_000)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the evidence").click()

    file = tmp_path / "evidence.zip"
    download.value.save_as(file)
    assert zipfile.is_zipfile(file)


def test_an_incident_has_a_timeline(tab: Tab, mainstay: Installation) -> None:
    row = wait_for(lambda: next(iter(mainstay.items("incidents")), None), timeout_s=90, what="an incident of this machine", every_s=2)

    page = tab.open(f"/help-desk/{row['id']}/")

    expect(page.get_by_role("heading", level=1)).to_contain_text(row["title"])
    expect(page.get_by_text(row["reference"]).first).to_be_visible()
    expect(page.locator(".ms-timeline > li").first).to_be_visible()
    assert serious(page) == []


def test_a_token_is_made_shown_once_and_works(tab: Tab, mainstay: Installation) -> None:
    page = tab.open("/settings/tokens/create")
    page.get_by_label("What for").fill("a script")
    page.get_by_role("button", name="Make it").click()
    text = page.locator(".ms-copy code").first.inner_text()

    me = mainstay.run("whoami", "--json", env={"MAINSTAY_TOKEN": text})

    assert '"Tara Berg"' in me.stdout
    tab.open("/settings/tokens/")
    expect(page.get_by_text(text)).to_have_count(0)
