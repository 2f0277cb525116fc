"""Every official client through the gateway: what the ledger says to the nano-dollar, and how
each kind of refusal is raised."""

import contextlib
import itertools

import pytest

import dialects
from dialects import DIALECTS, raises
from gateways import Gateway

every = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
USERS = itertools.count()


@pytest.fixture
def gateway(dialects_gateway):
    return dialects_gateway


@pytest.fixture(scope="module")
def deserted(tmp_path_factory):
    """The same with nobody behind it."""
    gateway = Gateway("http://127.0.0.1:1", tmp_path_factory.mktemp("deserted"))
    yield gateway
    gateway.end()


@contextlib.contextmanager
def caller(dialect, gateway, team, retries=0, key="sk-of-the-caller", user=None, **sandbox):
    """A client of a user of its own, in that team."""
    headers = {
        "X-Tollgate-User": user or f"user-{next(USERS)}",
        "X-Tollgate-Team": team,
        "x-sandbox-input-tokens": "11",
        "x-sandbox-output-tokens": "90",
        **{f"x-sandbox-{name.replace('_', '-')}": value for name, value in sandbox.items()},
    }
    with dialect.client(gateway.url, key, headers, retries) as client:
        yield client


def until_refused(dialect, client, what, most=100):
    """Asks until it is refused; how often it was answered before."""
    with raises(dialect, what) as refused:
        for answered in range(most):
            dialect.ask(client)
    return answered, refused[0]


def cost(dialect):
    """What one request costs, in nano-dollars, rounded up."""
    if dialect.seconds_price is None:
        return -(-(11 * 200_000_000 + 90 * 600_000_000) // 1_000_000)
    return -(-dialect.milliseconds * dialect.seconds_price // 1000)


@pytest.fixture(scope="module")
def books(upstream, tmp_path_factory):
    """The ledger's settlements, by user, of a gateway that has served each dialect and ended;
    and what went wrong meanwhile."""
    gateway = Gateway(upstream, tmp_path_factory.mktemp("books"))
    failed = {}
    for dialect in DIALECTS:
        try:
            with caller(dialect, gateway, "none", user=dialect.name) as client:
                dialect.ask(client)
                if dialect.streams:
                    dialect.stream(client, [])
        except Exception as error:  # It is told by the test of that dialect.
            failed[dialect.name] = error
    gateway.end()
    return gateway.rows(), failed


@every
def test_the_ledger_has_the_cost_to_the_nano_dollar(dialect, books):
    rows, failed = books
    if error := failed.get(dialect.name):
        raise error
    settled = [row for row in rows if row["user"] == dialect.name and row["kind"] == "settle"]
    assert len(settled) == 1 + dialect.streams
    for row in settled:
        assert row["provider"] == dialect.path.split("/")[0]
        assert row["model"] == dialect.model
        assert round(float(row["usd"]) * 1e9) == cost(dialect), row
        assert not row["estimated"]
        if dialect.seconds_price is None:
            assert (row["input_tokens"], row["output_tokens"]) == (11, 90)
        else:
            assert row["milliseconds"] == dialect.milliseconds


# The names that several models stand behind, where it is not the same as for most.
NAMED = {"invoke": "anthropic.named", "whisper": "heard", "deepgram": "heard"}


@every
def test_a_name_for_several_models(dialect, gateway):
    """Wherever the dialect has it: in a body, a form, a path or a query."""
    name = NAMED.get(dialect.name, "named")
    with caller(dialect, gateway, "none") as client:
        plain = dialect.ask(client, model=name)
        said = [plain, dialect.stream(client, [], model=name)] if dialect.streams else [plain]
    for answer in said:
        assert answer.text
        if dialect.seconds_price is None:
            assert (answer.input, answer.output) == (11, 90)
        else:
            assert answer.seconds == dialect.milliseconds / 1000


@every
def test_too_many_requests(dialect, gateway):
    with caller(dialect, gateway, "one-an-hour") as client:
        answered, error = until_refused(dialect, client, "limited")
        assert answered == 1
        headers = dialect.headers(error)
        assert headers["x-tollgate-limit"] == "one-an-hour"
        assert headers["x-should-retry"] == "false"
        assert 3500 < int(headers["retry-after"]) <= 3600


@pytest.mark.parametrize("dialect", dialects.CLIENTS, ids=lambda dialect: dialect.name)
def test_a_client_that_honours_the_wait_gets_through_at_its_first_retry(dialect, gateway):
    """Their own waits would be over before; Gemini's client never tries again by itself."""
    with caller(dialect, gateway, "one-in-three-seconds", retries=None) as client:
        dialect.ask(client)
        before = gateway.refused()
        if dialect.tries == 1:
            with raises(dialect, "limited"):
                dialect.ask(client)
        else:
            dialect.ask(client)
        assert gateway.refused() - before == 1


@every
def test_too_many_tokens(dialect, gateway):
    if dialect.seconds_price is not None:
        pytest.skip("it counts no tokens")
    with caller(dialect, gateway, "few-tokens") as client:
        answered, error = until_refused(dialect, client, "limited")
        assert dialect.is_bounded <= answered <= 2, "101 tokens each, of 300"
        assert dialect.headers(error)["x-tollgate-limit"] == "few-tokens"


@every
def test_a_spent_budget_is_not_tried_again(dialect, gateway):
    with caller(dialect, gateway, "little-money", retries=None) as client:
        before = gateway.refused()
        answered, error = until_refused(dialect, client, "spent")
        assert gateway.refused() - before == 1
        assert dialect.is_bounded <= answered <= 300_000 // cost(dialect)
        assert dialect.headers(error)["x-tollgate-limit"] == "little-money"


@every
def test_too_many_at_once(dialect, gateway):
    user = f"busy-{dialect.name}"
    slow = {"tokens_per_second": "1", "output_tokens": "1000"}
    chat = dialects.OpenAI()
    with caller(chat, gateway, "one-slot", user=user, **slow) as holder:
        stream = holder.chat.completions.create(
            model="priced", messages=[{"role": "user", "content": "Go on."}], stream=True
        )
        next(iter(stream))
        with caller(dialect, gateway, "one-slot", user=user) as client:
            with raises(dialect, "limited") as refused:
                dialect.ask(client)
        assert dialect.headers(refused[0])["x-tollgate-limit"] == "one-slot"
        stream.close()


@every
def test_an_unknown_key(dialect, gateway):
    with caller(dialect, gateway, "none", key="tg_nobody_has_this_key") as client:
        with raises(dialect, "unauthorized") as refused:
            dialect.ask(client)
        assert "tg_nobody_has_this_key" not in str(refused[0])


@every
def test_a_model_that_the_key_may_not_ask(dialect, gateway):
    key = gateway.make_key(models=["another"])
    with caller(dialect, gateway, "none", key=key) as client:
        with raises(dialect, "forbidden") as refused:
            dialect.ask(client)
        assert "another" in str(refused[0])


@every
def test_nobody_behind_it(dialect, deserted):
    with caller(dialect, deserted, "none") as client:
        with raises(dialect, "down"):
            dialect.ask(client)
