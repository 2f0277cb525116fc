"""How it looks and sounds: keyboard, names, contrast, small windows, quiet motion."""

import pytest
from playwright.sync_api import expect

from conftest import PHONE, dialog

# The contrast of each text that is seen, by the formula of WCAG 2.
CONTRAST = """(root) => {
  const colour = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    const [lr, lg, lb] = [r, g, b].map((c) => c / 255).map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return { a, l: 0.2126 * lr + 0.7152 * lg + 0.0722 * lb };
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found.a === 1) return found.l;
    }
    throw new Error(`nothing is behind ${element.outerHTML}`);
  };
  const seen = [...root.querySelectorAll("*")].filter((element) => element.checkVisibility()
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return seen.map((element) => {
    const own = colour(getComputedStyle(element).color).l;
    const [a, b] = [own, behind(element)].sort((x, y) => y - x);
    return [element.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)];
  });
}"""
LEAST_CONTRAST = 4.5
NO_SCROLL = "() => document.documentElement.scrollWidth <= window.innerWidth"


def busy(page):
    page.get_by_role("button", name="Upload").click()
    expect(dialog(page)).to_be_visible()
    expect(dialog(page).locator(".place")).to_have_text("Your place in the queue: 1 of 3")


def readable(page, root):
    measured = page.evaluate(f"() => ({CONTRAST})({root})")
    assert len(measured) >= 5
    assert [it for it in measured if it[1] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(open_page, picture, scheme):
    page = open_page(color_scheme=scheme)
    busy(page)
    readable(page, "document.querySelector('tollgate-kit').shadowRoot")
    picture(page, "dialog")
    page.keyboard.press("Escape")
    picture(page, "notices")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_busy_page_can_be_read(open_page, picture, scheme):
    page = open_page("/workshop", color_scheme=scheme)
    expect(page.locator(".place")).to_have_text("Your place in the queue: 1 of 3")
    readable(page, "document.body")
    picture(page, "page")


def test_a_phone_scrolls_only_downwards(open_page, picture):
    page = open_page(viewport=PHONE)
    busy(page)
    box = dialog(page).bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= PHONE["width"]
    assert 0 <= box["y"] and box["y"] + box["height"] <= PHONE["height"]
    for name in ("Retry Now", "Stop Waiting"):
        # Large enough for a thumb.
        assert dialog(page).get_by_role("button", name=name).bounding_box()["height"] >= 44
    assert page.evaluate(NO_SCROLL)
    assert dialog(page).evaluate("(it) => it.scrollWidth <= it.clientWidth")
    picture(page, "dialog")


def test_the_busy_page_fits_a_phone(open_page, picture):
    page = open_page("/workshop", viewport=PHONE)
    expect(page.get_by_role("button", name="Stop Waiting")).to_be_visible()
    assert page.evaluate(NO_SCROLL)
    picture(page, "page")


def test_the_keyboard_stays_in_the_dialog_and_is_seen(page):
    busy(page)
    retry = dialog(page).get_by_role("button", name="Retry Now")
    leave = dialog(page).get_by_role("button", name="Stop Waiting")
    expect(retry).to_be_focused()
    page.keyboard.press("Tab")
    expect(leave).to_be_focused()
    assert leave.evaluate("(it) => getComputedStyle(it).outline").endswith("solid 3px")
    # Beyond the last one is the browser itself, never the page behind.
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.localName") in ("body", "tollgate-kit")


def test_the_dialog_tells_a_screen_reader_what_it_is(page):
    busy(page)
    shown = dialog(page)
    expect(shown).to_have_accessible_description(
        "Server is currently at capacity (12/12 users). Please wait 2-3 minutes and try again."
    )
    expect(shown).to_match_aria_snapshot("""
      - dialog "Server Busy":
        - heading "Server Busy" [level=2]
        - paragraph: 12/12 users
        - paragraph: /Server is currently at capacity/
        - paragraph: "Your place in the queue: 1 of 3"
        - paragraph: "Estimated wait: 40 seconds"
        - status: "Your place in the queue: 1 of 3"
        - button "Retry Now"
        - button "Stop Waiting"
    """)
    assert shown.evaluate("(it) => it.matches(':modal')")
    assert shown.get_by_role("status").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("motion, name", [("reduce", "none"), ("no-preference", "appear")])
def test_nothing_moves_for_those_who_do_not_want_it(open_page, motion, name):
    page = open_page(reduced_motion=motion)
    busy(page)
    assert dialog(page).evaluate("(it) => getComputedStyle(it).animationName") == name


def test_the_style_of_the_page_does_not_reach_in(gate, page):
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync("* { color: red !important; font-size: 99px !important; }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    page.evaluate("() => { fetch('/api/upload'); }")
    message = dialog(page).locator("#message")
    expect(message).to_be_visible()
    assert message.evaluate("(it) => getComputedStyle(it).color") == "rgb(27, 31, 36)"
