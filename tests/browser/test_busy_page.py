"""The page that stands in for a page, as the gateway renders it: its snapshot is shown."""

import pytest
from playwright.sync_api import expect

WELCOME = "Nothing but the page"
EVENTS = "/tollgate/tickets/example-ticket/events"


def test_it_shows_the_place_and_loads_the_page_when_it_is_ones_turn(gate, open_page):
    page = open_page("/workshop?group=3")
    expect(page.get_by_role("heading", name="Server Busy")).to_be_visible()
    expect(page.get_by_text("12/12 users", exact=True)).to_be_visible()
    expect(page.locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    expect(page.locator(".time")).to_have_text("Estimated wait: 40 seconds")
    page.clock.run_for(2_000)
    expect(page.locator(".time")).to_have_text("Estimated wait: 38 seconds")
    gate.move("example-ticket", place=1, waiting=1, estimate=3)
    expect(page.get_by_role("status")).to_have_text("Your place in the queue: 1 of 1")
    gate.admit("example-ticket")
    expect(page.get_by_role("heading", name=WELCOME)).to_be_visible()
    assert page.url.endswith("/workshop?group=3")


def test_it_begins_with_what_the_server_wrote(gate, open_page):
    gate.events = "silent"
    page = open_page("/workshop")
    gate.wait_until(lambda: gate.asked("GET", EVENTS))
    expect(page.locator(".place")).to_have_text("Your place in the queue: 1")
    expect(page.locator(".time")).to_have_text("Estimated wait: 40 seconds")


def test_without_a_script_it_says_the_same_and_loads_itself(gate, open_page, picture):
    page = open_page("/workshop", java_script_enabled=False)
    expect(page.get_by_text("12/12 users", exact=True)).to_be_visible()
    expect(page.get_by_text("Your place in the queue: 1")).to_be_visible()
    expect(page.get_by_text("Estimated wait: 40 seconds")).to_be_visible()
    expect(page.locator("meta[http-equiv=refresh]")).to_have_attribute("content", "15")
    picture(page, "page")
    gate.free()
    page.get_by_role("link", name="Retry Now").click()
    expect(page.get_by_role("heading", name=WELCOME)).to_be_visible()


def test_whoever_stops_waiting_gives_the_place_up(gate, open_page):
    page = open_page("/workshop")
    page.get_by_role("button", name="Stop Waiting").click()
    expect(page.locator(".time")).to_have_text("You have given up your place in the queue.")
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/example-ticket"))
    expect(page.get_by_role("button", name="Stop Waiting")).to_be_hidden()


def test_a_lost_place_is_told(gate, open_page):
    page = open_page("/workshop")
    expect(page.locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    gate.lose("example-ticket")
    expect(page.get_by_role("status")).to_have_text("Your turn was not taken in time.")
    expect(page.get_by_role("link", name="Retry Now")).to_be_visible()


def test_without_a_queue_it_loads_the_page_when_it_may(gate, open_page):
    gate.page = "unqueued"
    page = open_page("/workshop")
    expect(page.locator(".time")).to_have_text("Trying again in 2 min 0 s")
    gate.free()
    page.clock.run_for(119_000)
    expect(page.locator(".time")).to_have_text("Trying again in 1 second")
    page.clock.run_for(1_000)
    expect(page.get_by_role("heading", name=WELCOME)).to_be_visible()


@pytest.mark.parametrize("is_admitted", [True, False])
def test_a_form_is_never_sent_again_by_itself(gate, open_page, is_admitted):
    gate.page = "form"
    page = open_page("/workshop")
    expect(page.get_by_text("What you sent was not taken: go back")).to_be_visible()
    expect(page.get_by_role("link")).to_have_count(0)
    expect(page.locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    if is_admitted:
        gate.admit("example-ticket")
        expect(page.get_by_role("status")).to_contain_text("It is your turn: go back")
        expect(page).to_have_title("Your Turn")
    page.clock.run_for(300_000)
    assert len(gate.asked("GET", "/workshop")) == 1
