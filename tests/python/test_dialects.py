"""What every official client is promised, before the sandbox itself and through the gateway."""

import urllib.request

import pytest

from dialects import CLIENTS, DIALECTS, raises
from process import Process

WORDS = " the sun and sea are"
WHO = {"X-Tollgate-User": "somebody"}
COUNTS = {**WHO, "x-sandbox-input-tokens": "11", "x-sandbox-output-tokens": "5"}

every = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
streaming = pytest.mark.parametrize(
    "dialect", [d for d in DIALECTS if d.streams], ids=lambda dialect: dialect.name
)


@pytest.fixture(params=["sandbox", "gateway", "built-in"])
def door(request, upstream):
    """The sandbox itself, a gateway before it, or the one that is built into the gateway."""
    if request.param == "sandbox":
        return upstream
    gateway = request.getfixturevalue("dialects_gateway").url
    return gateway if request.param == "gateway" else f"{gateway}/sandbox"


class Tries:
    """How many requests a sandbox has had since this was asked last."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self._seen = None
        self()

    def __call__(self):
        request = urllib.request.Request(f"{self._sandbox}/v1/models", headers=WHO)
        with urllib.request.urlopen(request) as answer:
            number = int(answer.headers["x-request-id"][-16:], 16)
        # This one counts as well.
        tries, self._seen = number - 1 - (self._seen or 0), number
        return tries


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A sandbox that takes twenty requests a minute, and so one in three seconds."""
    limits = ["--requests-per-minute", "20"]
    folder = tmp_path_factory.mktemp("strict")
    process = Process("sandbox", "--listen", "127.0.0.1:0", *limits, cwd=folder)
    yield process.address()
    process.end()


def expect(dialect, said):
    """The text as it was made, and the use as it was told."""
    assert said.text.strip() == WORDS.strip()
    if said.seconds is None:
        assert (said.input, said.output) == (11, 5)
    else:
        assert said.seconds == dialect.milliseconds / 1000


@every
def test_a_plain_answer(dialect, door):
    with dialect.client(door, "sk-of-the-caller", COUNTS) as client:
        expect(dialect, dialect.ask(client))


@streaming
def test_a_streamed_answer(dialect, door):
    with dialect.client(door, "sk-of-the-caller", COUNTS) as client:
        heard = []
        expect(dialect, dialect.stream(client, heard))
        assert len(heard) == 5


@every
@pytest.mark.parametrize(
    ("fault", "what"), [("error", "broken"), ("unavailable", "overloaded"), ("rate-limit", "limited")]
)
def test_an_error_of_the_provider_is_the_clients_own(dialect, door, fault, what):
    headers = {**WHO, "x-sandbox-fault": fault}
    with dialect.client(door, "sk-of-the-caller", headers, retries=0) as client:
        with raises(dialect, what):
            dialect.ask(client)
        if dialect.streams:
            with raises(dialect, what):
                dialect.stream(client, [])


@streaming
def test_a_stream_that_breaks_raises(dialect, door):
    headers = {**WHO, "x-sandbox-fault": "stream-error", "x-sandbox-output-tokens": "40"}
    with dialect.client(door, "sk-of-the-caller", headers, retries=0) as client:
        heard = []
        with pytest.raises(dialect.cut_raises):
            dialect.stream(client, heard)
        assert 10 < len(heard) < 40


@pytest.mark.parametrize("dialect", CLIENTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(("fault", "what"), [("error", "broken"), ("rate-limit", "limited")])
def test_a_client_tries_again_as_often_as_it_always_does(dialect, door, upstream, fault, what):
    with dialect.client(door, "sk-of-the-caller", {**WHO, "x-sandbox-fault": fault}) as client:
        tries = Tries(door if door.endswith("/sandbox") else upstream)
        with raises(dialect, what):
            dialect.ask(client)
        assert tries() == dialect.tries


@pytest.mark.parametrize("dialect", CLIENTS, ids=lambda dialect: dialect.name)
def test_a_client_comes_back_when_the_providers_own_limit_says(dialect, strict):
    """Their own waits would be over before; Gemini's client never tries again by itself."""
    with dialect.client(strict, "sk-of-the-caller", {}) as client:
        tries, taken = Tries(strict), 1
        if dialect.tries == 1:
            with raises(dialect, "limited") as refused:
                for _ in range(100):
                    dialect.ask(client, f"strict-{dialect.name}")
            assert "'retryDelay': '3s'" in str(refused[0].details)
            return
        for _ in range(100):
            dialect.ask(client, f"strict-{dialect.name}")
            if (taken := tries()) > 1:
                break
        assert taken == 2
