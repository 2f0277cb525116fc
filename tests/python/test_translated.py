"""OpenAI's client served by a model of Anthropic's dialect, and the other way round."""

import contextlib
import itertools
import json

import pytest

import dialects
from dialects import raises
from gateways import Gateway
from scripted import CALLED, Scripted

WORDS = " the sun and sea are"
USERS = itertools.count()
NAMES = {"openai": "by-messages", "anthropic": "by-completions"}
OTHERS = {"openai": "anthropic", "anthropic": "openai"}

both = pytest.mark.parametrize(
    "dialect", [dialects.OpenAI(), dialects.Anthropic()], ids=lambda dialect: dialect.name
)


@pytest.fixture
def gateway(dialects_gateway):
    return dialects_gateway


@contextlib.contextmanager
def caller(dialect, gateway, team="none", user=None, **sandbox):
    """A client whose requests for its dialect's name are translated."""
    headers = {
        "X-Tollgate-User": user or f"translated-{next(USERS)}",
        "X-Tollgate-Team": team,
        "x-sandbox-input-tokens": "11",
        "x-sandbox-output-tokens": "5",
        **{f"x-sandbox-{name.replace('_', '-')}": value for name, value in sandbox.items()},
    }
    with dialect.client(gateway.url, "sk-of-the-caller", headers, retries=0) as client:
        yield client


def expect(said):
    assert said.text.strip() == WORDS.strip()
    assert (said.input, said.output) == (11, 5)


@both
def test_a_plain_answer(dialect, gateway):
    with caller(dialect, gateway) as client:
        expect(dialect.ask(client, NAMES[dialect.name]))


@both
def test_a_streamed_answer(dialect, gateway):
    with caller(dialect, gateway) as client:
        heard = []
        expect(dialect.stream(client, heard, NAMES[dialect.name]))
        assert len(heard) == 5


@pytest.fixture(scope="module")
def books(upstream, tmp_path_factory):
    """The ledger of a gateway that has served both and ended."""
    gateway = Gateway(upstream, tmp_path_factory.mktemp("translated"))
    for dialect in (dialects.OpenAI(), dialects.Anthropic()):
        with caller(dialect, gateway, user=dialect.name) as client:
            dialect.ask(client, NAMES[dialect.name])
            dialect.stream(client, [], NAMES[dialect.name])
    gateway.end()
    return gateway.rows()


@both
def test_the_ledger_has_the_cost_of_the_model_that_served(dialect, books):
    settled = [row for row in books if row["user"] == dialect.name and row["kind"] == "settle"]
    assert len(settled) == 2
    for row in settled:
        assert (row["provider"], row["model"]) == (OTHERS[dialect.name], "dearer")
        assert (row["input_tokens"], row["output_tokens"]) == (11, 5)
        assert round(float(row["usd"]) * 1e9) == 11 * 2_000 + 5 * 6_000
        assert not row["estimated"]


@both
@pytest.mark.parametrize(
    ("fault", "what"), [("error", "broken"), ("unavailable", "overloaded"), ("rate-limit", "limited")]
)
def test_an_error_of_the_provider_is_the_clients_own(dialect, gateway, fault, what):
    with caller(dialect, gateway, fault=fault) as client:
        with raises(dialect, what):
            dialect.ask(client, NAMES[dialect.name])
        with raises(dialect, what):
            dialect.stream(client, [], NAMES[dialect.name])


@both
@pytest.mark.parametrize("fault", ["stream-error", "cut", "end"])
def test_a_stream_that_breaks_raises(dialect, gateway, fault):
    pace = {"output_tokens": "40", "tokens_per_second": "200"}
    with caller(dialect, gateway, fault=fault, **pace) as client:
        heard = []
        with pytest.raises(dialect.cut_raises):
            dialect.stream(client, heard, NAMES[dialect.name])
        assert 0 < len(heard) < 40


@both
def test_a_stream_that_meets_its_budget_raises(dialect, gateway):
    with caller(dialect, gateway, "little-money", output_tokens="100") as client:
        heard = []
        with pytest.raises(dialect.cut_raises, match="Budget exhausted"):
            dialect.stream(client, heard, NAMES[dialect.name])
        assert 0 < len(heard) < 50, "$0.0003 are fifty tokens"


@both
def test_what_cannot_be_translated_is_told(dialect, gateway):
    with caller(dialect, gateway) as client:
        with raises(dialect, "invalid") as refused:
            if dialect.name == "openai":
                dialect.ask(client, NAMES[dialect.name], logprobs=True)
            else:
                client.messages.create(
                    model=NAMES[dialect.name], max_tokens=100, extra_body={"top_k": 3},
                    messages=[{"role": "user", "content": dialects.PROMPT}],
                )
        member = "logprobs" if dialect.name == "openai" else "top_k"
        assert f"`{member}` cannot be translated" in str(refused[0])


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A provider that calls a tool, and a gateway before it."""
    provider = Scripted()
    gateway = Gateway(provider.url, tmp_path_factory.mktemp("tools"))
    yield provider, gateway
    gateway.end()
    provider.end()


SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
QUESTION = {"role": "user", "content": "The weather?"}


@pytest.mark.parametrize("streamed", [False, True])
def test_openais_client_calls_a_tool_of_a_message(tools, streamed):
    provider, gateway = tools
    dialect = dialects.OpenAI()
    function = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
    more = {"tools": [{"type": "function", "function": function}], "max_completion_tokens": 100}
    with caller(dialect, gateway) as client:
        create = client.chat.completions.create
        if streamed:
            with client.chat.completions.stream(
                model="by-messages", messages=[QUESTION], **more
            ) as stream:
                message = stream.get_final_completion().choices[0].message
        else:
            message = create(model="by-messages", messages=[QUESTION], **more).choices[0].message
        call = message.tool_calls[0]
        assert (call.id, call.function.name) == ("toolu_1", "weather")
        assert json.loads(call.function.arguments) == CALLED
        assert provider.asked[-1]["tools"][0]["input_schema"] == SCHEMA
        told = {"role": "assistant", "tool_calls": [{
            "id": call.id, "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }]}
        outcome = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
        create(model="by-messages", messages=[QUESTION, told, outcome], **more)
        sent = provider.asked[-1]["messages"]
        assert sent[1]["content"][0]["input"] == CALLED
        assert sent[2]["content"][0]["tool_use_id"] == "toolu_1"


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropics_client_calls_a_tool_of_a_completion(tools, streamed):
    provider, gateway = tools
    tool = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
    asked = {"model": "by-completions", "max_tokens": 100, "tools": [tool]}
    with caller(dialects.Anthropic(), gateway) as client:
        if streamed:
            with client.messages.stream(messages=[QUESTION], **asked) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(messages=[QUESTION], **asked)
        call = message.content[0]
        assert (call.type, call.id, call.name, call.input) == ("tool_use", "call_1", "weather", CALLED)
        assert message.stop_reason == "tool_use"
        assert provider.asked[-1]["tools"][0]["function"]["parameters"] == SCHEMA
        used = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
        outcome = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
        turns = [
            QUESTION, {"role": "assistant", "content": [used]}, {"role": "user", "content": [outcome]}
        ]
        client.messages.create(messages=turns, **asked)
        sent = provider.asked[-1]["messages"]
        assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == CALLED
        assert sent[2]["tool_call_id"] == "call_1"
