"""The `fetch` that waits: which requests it can send again, and what it leaves alone."""

import re

import pytest
from playwright.sync_api import expect

from conftest import dialog, finished, start

BODIES = {
    "text": ("'some text'", b"some text"),
    "blob": ("new Blob(['a ', 'blob'])", b"a blob"),
    "bytes": ("(window.bytes = new Uint8Array([1, 2, 3, 4]).subarray(1))", b"\x02\x03\x04"),
    "buffer": ("(window.bytes = new Uint8Array([5, 6])).buffer", b"\x05\x06"),
    "query": ("(window.query = new URLSearchParams({ a: '1' }))", b"a=1"),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_sent_again_as_it_was(gate, page, body):
    made, sent = BODIES[body]
    headers = "{ 'x-of-the-page': 'kept' }"
    start(page, f"""
      const options = {{ method: "PUT", headers: {headers}, body: {made} }};
      const answer = fetch("/api/upload", options);
      options.headers["x-of-the-page"] = "changed";
      window.bytes?.fill(9);
      window.query?.append("b", "2");
      return (await answer).status;
    """)
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    finished(page, "200")
    again = gate.uploads()[1]
    assert (again.method, again.body) == ("PUT", sent)
    assert again.headers["x-of-the-page"] == "kept"


def test_a_form_is_sent_again_as_it_was(gate, page):
    start(page, """
      const form = new FormData();
      form.append("photo", new Blob(["bytes"]), "a.jpg");
      const answer = fetch("/api/upload", { method: "POST", body: form });
      form.append("late", "too late");
      return (await answer).status;
    """)
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    finished(page, "200")
    for sent in gate.uploads():
        assert b'filename="a.jpg"' in sent.body and b"too late" not in sent.body


def test_a_request_is_sent_again_whole(gate, page):
    start(page, """
      const form = new FormData();
      form.append("photo", new Blob(["bytes"]), "a.jpg");
      const options = { method: "POST", body: form, headers: { "x-of-the-page": "kept" } };
      return (await fetch(new Request("/api/upload", options))).status;
    """)
    expect(dialog(page)).to_be_visible()
    dialog(page).get_by_role("button", name="Retry Now").click()
    gate.wait_until(lambda: len(gate.uploads()) == 2)
    expect(dialog(page).locator(".place")).to_be_visible()
    gate.admit("ticket-1")
    finished(page, "200")
    assert len(gate.uploads()) == 3
    for sent in gate.uploads():
        assert b'filename="a.jpg"' in sent.body and sent.headers["x-of-the-page"] == "kept"


def test_options_of_another_prototype_are_sent_again(gate, page):
    start(page, """
      const options = new Request("/nowhere", { headers: { "x-of-the-page": "kept" } });
      return (await fetch("/api/upload", options)).status;
    """)
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    finished(page, "200")
    assert [sent.headers["x-of-the-page"] for sent in gate.uploads()] == ["kept", "kept"]


def test_a_stream_cannot_be_sent_again_and_says_so(gate, open_page):
    page = open_page("/plain.html")
    # Browsers send streams over HTTP/2 alone; what is below the kit makes bytes of them.
    start(page, """
      const native = window.fetch;
      window.fetch = async (input, init) => {
        const isStream = init?.body instanceof ReadableStream;
        if (!isStream) return native(input, init);
        return native(input, { ...init, body: await new Response(init.body).blob() });
      };
      const { createKit } = await import("/tollgate/kit.js");
      const body = new Blob(["streamed"]).stream();
      await createKit().fetch("/api/upload", { method: "POST", body, duplex: "half" });
    """)
    expect(dialog(page)).to_be_visible()
    gate.admit("ticket-1")
    finished(page, re.compile("TypeError: You have been admitted, .* was a stream"))
    expect(dialog(page)).to_be_hidden()
    assert [sent.body for sent in gate.uploads()] == [b"streamed"]


def test_what_the_page_aborts_waits_no_longer(gate, page):
    start(page, """
      window.aborting = new AbortController();
      await fetch("/api/upload", { method: "POST", body: "x", signal: aborting.signal });
    """)
    expect(dialog(page)).to_be_visible()
    page.evaluate("() => aborting.abort(new DOMException('enough', 'AbortError'))")
    finished(page, "AbortError: enough")
    expect(dialog(page)).to_be_hidden()
    gate.wait_until(lambda: gate.asked("DELETE", "/tollgate/tickets/ticket-1"))
    assert len(gate.uploads()) == 1


def test_other_answers_are_left_alone(gate, page):
    start(page, """
      const answer = await fetch("/nowhere");
      return `${answer.status} ${await answer.text()}`;
    """)
    finished(page, "404 There is no such page.")
    expect(dialog(page)).to_be_hidden()


def test_the_answer_of_who_left_can_still_be_read(gate, page):
    start(page, "return (await (await fetch('/api/upload')).json()).retry_after")
    expect(dialog(page)).to_be_visible()
    page.keyboard.press("Escape")
    finished(page, "120")


def test_a_kit_that_is_taken_out_gives_the_fetch_back(gate, open_page):
    page = open_page("/plain.html")
    start(page, """
      const { createKit } = await import("/tollgate/kit.js");
      const before = window.fetch;
      const kit = createKit({ patchFetch: true });
      const second = createKit({ patchFetch: true });
      const isPatched = window.fetch !== before;
      second.remove();
      const answer = window.fetch("/api/upload");
      await new Promise((resolve) => { window.remove = resolve; });
      kit.remove();
      const isRestored = window.fetch === before;
      const after = await kit.fetch("/api/upload");
      return `${isPatched} ${isRestored} ${(await answer).status} ${after.status}`;
    """)
    expect(dialog(page)).to_be_visible()
    page.evaluate("() => window.remove()")
    finished(page, "true true 503 503")
