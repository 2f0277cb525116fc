"""What a page tells of the server's health, before anybody is turned away."""

import pytest
from playwright.sync_api import expect


def lines(page):
    return page.get_by_role("log", name="Server log").locator("div")


def warning(page):
    return page.locator("tollgate-kit .bar")


REFRESH = "() => document.querySelector('tollgate-kit').refresh()"


def test_below_the_threshold_nothing_is_said(gate, open_page):
    gate.active = 8
    page = open_page()
    expect(lines(page)).to_have_text(["[INFO] Server capacity: 8/12 sessions (66.7% utilized)"])
    expect(warning(page)).to_be_hidden()


def test_at_eighty_percent_nothing_is_said_yet(gate, open_page):
    gate.active, gate.max = 8, 10
    page = open_page()
    expect(lines(page)).to_have_text(["[INFO] Server capacity: 8/10 sessions (80.0% utilized)"])
    expect(warning(page)).to_be_hidden()


def test_above_eighty_percent_it_warns(gate, open_page, picture):
    gate.active = 10
    page = open_page()
    expect(lines(page)).to_have_text([
        "[INFO] Server capacity: 10/12 sessions (83.3% utilized)",
        "[WARNING] Server is 83.3% full. You may experience delays.",
    ])
    status = warning(page).get_by_role("status")
    expect(status).to_have_text("Server is 83.3% full. You may experience delays.")
    expect(warning(page).get_by_role("alert")).to_be_hidden()
    picture(page, "warning")


def test_a_full_server_is_an_error(gate, open_page):
    page = open_page()
    expect(lines(page)).to_have_text([
        "[INFO] Server capacity: 12/12 sessions (100.0% utilized)",
        "[ERROR] Server at capacity: 12/12 users active",
    ])


def test_the_warning_can_be_dismissed_and_comes_back_when_it_changes(gate, open_page):
    gate.active = 10
    page = open_page()
    page.get_by_role("button", name="Dismiss the warning").click()
    expect(warning(page)).to_be_hidden()
    page.evaluate(REFRESH)
    expect(warning(page)).to_be_hidden()
    gate.active = 11
    page.evaluate(REFRESH)
    expect(warning(page)).to_be_visible()
    gate.active = 1
    page.evaluate(REFRESH)
    expect(warning(page)).to_be_hidden()


@pytest.mark.parametrize("most, fires", [(10, False), (11, True)])
def test_an_alert_fires_above_ninety_percent(gate, open_page, most, fires):
    gate.active = 0
    page = open_page("/element.html")
    page.evaluate(REFRESH)
    page.evaluate(
        """() => {
          window.alerts = [];
          document.addEventListener("tollgate-alert", (event) => alerts.push(event.detail));
        }"""
    )
    gate.active, gate.max = most - 1, most
    page.evaluate(REFRESH)
    page.evaluate(REFRESH)
    alerts = page.evaluate("alerts")
    if fires:
        # It fires when the threshold is crossed, not at every look.
        told = {"active": 10, "max": 11, "utilizationPercent": 90.9, "isFull": False}
        assert alerts == [told]
        expect(page.get_by_role("alert")).to_have_text(
            "Server is 90.9% full. You may experience delays."
        )
    else:
        assert alerts == []
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_page_that_makes_a_kit_gets_alerts_and_capacity(gate, open_page):
    gate.active = 12
    page = open_page("/plain.html")
    alerts, capacity, theirs = page.evaluate(
        """async () => {
          const { createKit } = await import("/tollgate/kit.js");
          const [alerts, theirs] = [[], window.fetch];
          const kit = createKit({ base: "", onAlert: (capacity) => alerts.push(capacity) });
          await kit.refresh();
          const capacity = await kit.refresh();
          return [alerts, capacity, window.fetch === theirs];
        }"""
    )
    full = {"active": 12, "max": 12, "utilizationPercent": 100, "isFull": True}
    assert (alerts, capacity, theirs) == ([full], full, True)


def test_the_debug_panel_is_shown_only_on_demand(open_page):
    page = open_page("/element.html")
    panel = page.get_by_role("region", name="Debug panel")
    expect(panel).to_be_hidden()
    page.evaluate("() => document.querySelector('tollgate-kit').setAttribute('debug', '')")
    expect(panel).to_be_visible()


def test_a_server_that_tells_nothing_is_an_error_in_the_panel_alone(open_page):
    page = open_page("/plain.html")
    page.evaluate(
        """async () => {
          const { createKit } = await import("/tollgate/kit.js");
          createKit({ base: "/nowhere", debug: true });
        }"""
    )
    expect(lines(page)).to_have_text([
        "[ERROR] Server capacity is not known: the answer was 404"
    ])
    expect(warning(page)).to_be_hidden()
