"""The whole of it: `serve --preset workshop` before a small application, and three people in
browsers of their own. Nothing stands in for anything, and time is the real one."""

import json
import os
import re
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from conftest import ROOT, dialog, upload
from web import Answer, Web

sys.path.append(str(ROOT / "tests/python"))
from process import Process  # noqa: E402

PAGES = Path(__file__).parent / "pages"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


class Tagger:
    """A web application that knows nothing of Tollgate."""

    def __init__(self):
        self.uploads = []
        self._web = Web(self._answer)
        self.url = self._web.url

    def end(self):
        self._web.end()

    def _answer(self, request):
        path = request.path.partition("?")[0]
        if path == "/api/upload":
            self.uploads.append(request)
            return Answer.json({"message": f"took {len(request.body)} bytes"})
        if path == "/api/logout":
            return Answer.json({"message": "good-bye"})
        file = PAGES / (path.lstrip("/") or "index.html")
        if not file.is_file():
            return Answer(404, b"There is no such page.", {"Content-Type": "text/plain"})
        return Answer(200, file.read_bytes(), {"Content-Type": KINDS[file.suffix]})


class Workshop:
    """The gateway before it. Started again, it serves at the same place from the same ledger."""

    def __init__(self, folder, app):
        self._folder, self._app = folder, app
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._listen = "127.0.0.1:%d" % free.getsockname()[1]
        self.start()

    def start(self):
        self._process = Process(
            "serve", "--preset", "workshop", cwd=self._folder,
            MAX_CONCURRENT_SESSIONS="2",
            TOLLGATE_SERVER_LISTEN=self._listen,
            TOLLGATE_SERVER_ADMIN_LISTEN="127.0.0.1:0",
            TOLLGATE_PROVIDERS_APP_BASE_URL=self._app.url,
        )
        self.url = self._process.address()

    def kill(self):
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self):
        self._process.end()

    def log(self):
        return "".join(self._process.lines)

    def health(self):
        with urllib.request.urlopen(f"{self.url}/api/health") as answer:
            return json.load(answer)


@pytest.fixture
def app():
    app = Tagger()
    yield app
    app.end()


@pytest.fixture
def workshop(tmp_path, app):
    workshop = Workshop(tmp_path, app)
    yield workshop
    workshop.end()


@pytest.fixture
def person(chromium, workshop):
    contexts = []

    def person():
        context = chromium.new_context(base_url=workshop.url)
        contexts.append(context)
        page = context.new_page()
        page.goto("/")
        page.evaluate("() => { window.isSamePage = true; }")
        return page

    yield person
    for context in contexts:
        context.close()


def took(page):
    return expect(page.locator("output")).to_contain_text("200: took")


def test_the_third_of_two_waits_its_turn_and_is_let_in_by_itself(workshop, app, person, picture):
    first, second, third = person(), person(), person()
    for page in (first, second):
        upload(page)
        took(page)
    upload(third)
    shown = dialog(third)
    expect(shown).to_be_visible()
    expect(shown.get_by_text("2/2 users", exact=True)).to_be_visible()
    expect(shown.locator(".place")).to_contain_text("Your place in the queue: 1")
    picture(third, "waits")
    assert len(app.uploads) == 2
    health = workshop.health()
    assert health["capacity"] == {
        "active_sessions": 2, "max_sessions": 2, "available": False, "utilization_percent": 100.0,
    }
    # One goes, and nobody touches the page of the one who waits.
    first.evaluate("() => fetch('/api/logout', { method: 'POST' })")
    took(third)
    expect(shown).to_be_hidden()
    assert third.evaluate("isSamePage")
    assert len(app.uploads) == 3
    picture(third, "is in")
    log = workshop.log()
    assert re.search(r"Session [0-9a-f]{12} registered\. Active sessions: 2/2", log), log
    assert "Server at capacity: 2/2 active sessions" in log, log


def test_after_a_kill_the_sessions_are_back_and_the_cookies_hold(workshop, app, person):
    first, second = person(), person()
    for page in (first, second):
        upload(page)
        took(page)
    workshop.kill()
    workshop.start()
    assert workshop.health()["capacity"]["active_sessions"] == 2
    third = person()
    upload(third)
    expect(dialog(third)).to_be_visible()
    # Who was in still is.
    with first.expect_response("**/api/upload") as answer:
        upload(first)
    assert answer.value.status == 200
    assert len(app.uploads) == 3
