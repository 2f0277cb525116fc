"""Fixtures: a full server, and a page of a real Chromium whose time stands still.

Nothing waits here: the page's clock is moved, and what happens over the network is awaited.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from gate import Gate

ROOT = Path(__file__).resolve().parents[2]
# Pictures of what was seen, for people; nothing reads them.
PICTURES = ROOT / "target/browser"
PHONE = {"width": 320, "height": 568}
PHOTO = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8 a photo \xff\xd9"}


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("there is no chromium: install Debian's package, or name one in CHROMIUM")
    # The pages come from this machine; nobody else is looked up. Playwright itself turns off
    # the sandbox, which root may not use, and whatever else calls home.
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.end()


@pytest.fixture
def elsewhere():
    """A server of another origin."""
    gate = Gate()
    yield gate
    gate.end()


@pytest.fixture
def open_page(chromium, gate):
    """Opens pages, each as a person of its own, and finds no fault in any of them."""
    contexts, faults = [], []

    def open_page(path="/", **options):
        context = chromium.new_context(base_url=gate.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: _is_fault(said) and faults.append(said.text))
        # What is random in the kit only spreads browsers out.
        page.add_init_script("Math.random = () => 0.5")
        if options.get("java_script_enabled", True):
            page.clock.install(time="2026-11-23T12:00:00Z")
            page.clock.pause_at("2026-11-23T12:00:01Z")
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page):
    return open_page()


@pytest.fixture
def picture(request):
    """Keeps a picture of a page, named after the test."""

    def picture(page, what):
        name = re.sub(r"\W+", "-", f"{request.node.name}-{what}").strip("-")
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    return picture


def dialog(page):
    return page.get_by_role("dialog", name="Server Busy")


def upload(page):
    page.get_by_label("Photos").set_input_files(PHOTO)
    page.get_by_role("button", name="Upload").click()


def start(page, script):
    """Begins something that ends later; `finished` tells how."""
    page.evaluate(
        """() => {
          const tell = (text) => { document.title = `done: ${text}`; };
          (async () => { %s })().then(
            (value) => tell(value), (error) => tell(`${error.name}: ${error.message}`));
        }"""
        % script
    )


def finished(page, text):
    expect(page).to_have_title(f"done: {text}" if isinstance(text, str) else text)


def _is_fault(said):
    return said.type == "error" and "Content Security Policy" in said.text
