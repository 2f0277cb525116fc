"""Somebody is turned away, waits for a turn, and the upload goes through by itself."""

import re

import pytest
from playwright.sync_api import expect

from conftest import PHOTO, dialog, finished, start, upload

SEND = """(body) => {
  fetch("/api/upload", { method: "POST", body })
    .then(({ status }) => { document.title += ` ${body}:${status}`; });
}"""


def two_places(gate, page):
    """Two ask without a place and get one each; their answers are held, as `c`'s will be."""
    gate.hold(b"a", b"b", b"c")
    for count, body in enumerate("ab", start=1):
        page.evaluate(SEND, body)
        gate.wait_until(lambda: len(gate.uploads()) == count)


def test_a_full_server_shows_the_dialog(page, picture):
    upload(page)
    shown = dialog(page)
    expect(shown).to_be_visible()
    expect(shown.get_by_text("12/12 users", exact=True)).to_be_visible()
    expect(shown.get_by_text("Please wait 2-3 minutes and try again.")).to_be_visible()
    expect(shown.get_by_role("button", name="Retry Now")).to_be_focused()
    picture(page, "dialog")


def test_the_estimate_runs_down_each_second_and_only_the_place_is_spoken(gate, page):
    upload(page)
    time, voice = dialog(page).locator(".time"), dialog(page).get_by_role("status")
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    expect(time).to_have_text("Estimated wait: 40 seconds")
    page.evaluate(
        """() => {
          const voice = document.querySelector("tollgate-kit").shadowRoot.querySelector(".voice");
          window.spoken = [];
          new MutationObserver(() => spoken.push(voice.textContent))
            .observe(voice, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.clock.run_for(1_000)
    expect(time).to_have_text("Estimated wait: 39 seconds")
    page.clock.run_for(38_000)
    expect(time).to_have_text("Estimated wait: 1 second")
    page.clock.run_for(5_000)
    expect(time).to_have_text("Estimated wait: any moment now")
    assert page.evaluate("spoken") == []
    gate.move("ticket-1", place=2, waiting=5, estimate=None)
    expect(voice).to_have_text("Your place in the queue: 2 of 5")
    expect(time).to_have_text("Estimated wait: not known yet")
    gate.move("ticket-1", place=2, waiting=5, estimate=180)
    expect(time).to_have_text("Estimated wait: 3 min 0 s")
    assert page.evaluate("spoken") == ["Your place in the queue: 2 of 5"]


def test_when_it_is_ones_turn_the_upload_is_sent_again_without_a_reload(gate, page):
    page.evaluate("() => { window.isSamePage = true; }")
    upload(page)
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    expect(page.get_by_role("status").filter(has_text="200: took")).to_be_visible()
    expect(dialog(page)).to_be_hidden()
    first, second = gate.uploads()
    for sent in (first, second):
        assert PHOTO["buffer"] in sent.body and b'filename="photo.jpg"' in sent.body
    assert page.evaluate("isSamePage")
    # The place was taken, not given up.
    assert gate.asked("DELETE", "/tollgate/tickets/ticket-1") == []


def test_several_uploads_wait_together(gate, page):
    page.evaluate(
        """() => {
          const send = (text) => fetch("/api/upload", { method: "POST", body: text });
          Promise.all(["a", "b", "c"].map(send)).then((all) => {
            document.title = `done: ${all.map((it) => it.status)}`;
          });
        }"""
    )
    expect(dialog(page)).to_have_count(1)
    gate.wait_until(lambda: len(gate.uploads()) == 3)
    gate.admit_all()
    expect(page).to_have_title("done: 200,200,200")
    assert sorted(sent.body for sent in gate.uploads()[3:]) == [b"a", b"b", b"c"]


def test_a_second_ticket_replaces_the_first_and_gives_its_place_up(gate, page):
    send = """() => {
      fetch("/api/upload").then(({ status }) => { document.title += ` ${status}`; });
    }"""
    page.evaluate(send)
    expect(dialog(page)).to_be_visible()
    page.context.clear_cookies()
    page.evaluate(send)
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/ticket-1"))
    gate.wait_until(lambda: gate.asked("GET", "/tollgate/tickets/ticket-2/events"))
    gate.admit("ticket-2")
    expect(page).to_have_title("Photo tagger 200 200")
    assert gate.asked("DELETE", "/tollgate/tickets/ticket-2") == []


def test_a_place_that_an_answer_on_its_way_still_names_is_kept(gate, page):
    two_places(gate, page)
    gate.release(b"a")
    expect(dialog(page)).to_be_visible()
    # It asks with the first place, before the browser has heard of the second one.
    page.evaluate(SEND, "c")
    gate.wait_until(lambda: len(gate.uploads()) == 3)
    gate.release(b"b")
    gate.wait_until(lambda: gate.asked("GET", "/tollgate/tickets/ticket-2/events"))
    gate.release(b"c")
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/ticket-2"))
    gate.wait_until(lambda: len(gate.asked("GET", "/tollgate/tickets/ticket-1/events")) == 2)
    gate.admit("ticket-1")
    for body in "abc":
        expect(page).to_have_title(re.compile(f" {body}:200"))
    assert gate.asked("DELETE", "/tollgate/tickets/ticket-1") == []


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_another_origins_answer_takes_no_place(gate, open_page, mode):
    page, routes = open_page(bypass_csp=True), []
    page.route("http://elsewhere.test/", lambda route: routes.append(route))
    with page.expect_request("http://elsewhere.test/"):
        page.evaluate("(mode) => { fetch('http://elsewhere.test/', { mode }); }", mode)
    two_places(gate, page)
    gate.release(b"a")
    expect(dialog(page)).to_be_visible()
    gate.release(b"b")
    gate.wait_until(lambda: gate.asked("GET", "/tollgate/tickets/ticket-2/events"))
    routes[0].fulfill(headers={"Access-Control-Allow-Origin": "*"})
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/ticket-1"))


def test_who_is_sent_on_to_another_origin_was_let_in(gate, elsewhere, open_page):
    page = open_page(bypass_csp=True)
    gate.sends_to = f"{elsewhere.url}/plain.html"
    options = "{ method: 'POST', body: 'a', mode: 'no-cors' }"
    start(page, f"return (await fetch('/api/upload', {options})).type")
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    finished(page, "opaque")
    expect(dialog(page)).to_be_hidden()
    assert gate.asked("DELETE", "/tollgate/tickets/ticket-1") == []


def test_a_place_that_is_taken_while_one_leaves_is_not_given_up(gate, page):
    page.evaluate(SEND, "a")
    expect(dialog(page)).to_be_visible()
    gate.hold(b"a")
    gate.admit("ticket-1")
    gate.wait_until(lambda: len(gate.uploads()) == 2)
    page.keyboard.press("Escape")
    expect(dialog(page)).to_be_hidden()
    gate.release(b"a")
    expect(page).to_have_title("Photo tagger a:200")
    assert gate.asked("DELETE", "/tollgate/tickets/ticket-1") == []


def test_retry_now_asks_at_once(gate, page):
    upload(page)
    retry = dialog(page).get_by_role("button", name="Retry Now")
    retry.click()
    gate.wait_until(lambda: len(gate.uploads()) == 2)
    # Still full: the place is kept, and the dialog stays.
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    assert list(gate.tickets) == ["ticket-1"]
    gate.free()
    retry.click()
    expect(dialog(page)).to_be_hidden()
    expect(page.locator("output")).to_contain_text("200: took")


@pytest.mark.parametrize("how", ["Escape", "Stop Waiting"])
def test_whoever_leaves_gives_the_place_up_and_the_page_gets_the_503(gate, page, how):
    upload(page)
    expect(dialog(page)).to_be_visible()
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog(page).get_by_role("button", name=how).click()
    expect(dialog(page)).to_be_hidden()
    expect(page.locator("output")).to_contain_text("503: Server is currently at capacity")
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/ticket-1"))
    expect(page.get_by_role("button", name="Upload")).to_be_focused()
    # Later is another matter.
    upload(page)
    expect(dialog(page)).to_be_visible()


def test_a_lost_place_is_told_and_a_new_one_can_be_had(gate, page):
    upload(page)
    expect(dialog(page)).to_be_visible()
    gate.lose("ticket-1")
    expect(dialog(page).locator(".time")).to_have_text("Your turn was not taken in time.")
    expect(dialog(page).get_by_role("status")).to_have_text("Your turn was not taken in time.")
    dialog(page).get_by_role("button", name="Retry Now").click()
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    gate.admit("ticket-2")
    expect(page.locator("output")).to_contain_text("200: took")


@pytest.mark.parametrize("events", ["refused", "cut", "silent"])
def test_without_events_the_ticket_is_asked_again_and_again(gate, page, events):
    gate.events = events
    upload(page)
    asked = "/tollgate/tickets/ticket-1"
    expect(dialog(page)).to_be_visible()
    if events == "silent":
        gate.wait_until(lambda: gate.asked("GET", f"{asked}/events"))
        page.clock.run_for(10_000)
    gate.wait_until(lambda: len(gate.asked("GET", asked)) == 1)
    gate.move("ticket-1", place=2, waiting=4, estimate=90)
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    page.clock.run_for(2_000)
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 2 of 4")
    gate.admit("ticket-1")
    page.clock.run_for(2_000)
    expect(page.locator("output")).to_contain_text("200: took")


def test_who_asks_again_and_again_asks_ever_more_slowly(gate, page):
    gate.events = "refused"
    upload(page)
    asked = "/tollgate/tickets/ticket-1"
    gate.wait_until(lambda: len(gate.asked("GET", asked)) == 1)
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    for count, pause in enumerate([2_000, 3_000, 4_500, 6_750, 10_125, 15_000, 15_000], start=1):
        page.clock.run_for(pause - 1)
        assert len(gate.asked("GET", asked)) == count
        gate.move("ticket-1", waiting=10 + count)
        page.clock.run_for(1)
        gate.wait_until(lambda: len(gate.asked("GET", asked)) == count + 1)
        # What the answer says is shown just before the next pause begins.
        shown = f"Your place in the queue: 1 of {10 + count}"
        expect(dialog(page).locator(".place")).to_have_text(shown)


def test_without_a_queue_it_counts_down_and_tries_by_itself(gate, page):
    gate.has_queue = False
    upload(page)
    time = dialog(page).locator(".time")
    # The two minutes that it was told, and the spread.
    expect(time).to_have_text("Trying again in 2 min 5 s")
    expect(dialog(page).locator(".place")).to_be_hidden()
    page.clock.run_for(6_000)
    expect(time).to_have_text("Trying again in 119 seconds")
    assert len(gate.uploads()) == 1
    gate.free()
    page.clock.run_for(119_000)
    expect(page.locator("output")).to_contain_text("200: took")
    expect(dialog(page)).to_be_hidden()
