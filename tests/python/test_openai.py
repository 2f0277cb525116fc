"""The official OpenAI client, unmodified, works through the gateway."""

import json
import math
import urllib.request

import pytest

HELLO = [{"role": "user", "content": "Say hello in as many words as you like."}]


@pytest.fixture(params=["openai/v1", "sandbox/v1"])
def path(request):
    """Both ways: a provider behind the gateway, and the one built in."""
    return request.param


def test_chat(client, path):
    answer = client(path).chat.completions.create(
        model="priced", messages=HELLO, extra_headers={"x-sandbox-output-tokens": "7"}
    )
    assert answer.object == "chat.completion"
    assert answer.model == "priced"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.completion_tokens == 7
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 7


def test_a_stream_that_did_not_ask_for_usage_sees_none(client, path):
    stream = client(path).chat.completions.create(
        model="priced",
        messages=HELLO,
        stream=True,
        extra_headers={"x-sandbox-output-tokens": "5"},
    )
    chunks = list(stream)
    assert all(chunk.choices for chunk in chunks), "the gateway's own usage chunk came through"
    assert all(chunk.usage is None for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_stream_that_asked_for_usage_gets_it(client, path):
    stream = client(path).chat.completions.create(
        model="priced",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-sandbox-input-tokens": "11", "x-sandbox-output-tokens": "5"},
    )
    *chunks, last = list(stream)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (11, 5)
    assert all(chunk.choices for chunk in chunks)


def test_streams_come_piece_by_piece(client):
    """The first piece is here while the upstream has hardly begun with the rest."""
    stream = client().chat.completions.create(
        model="priced",
        messages=HELLO,
        stream=True,
        extra_headers={"x-sandbox-output-tokens": "100000", "x-sandbox-tokens-per-second": "50"},
    )
    pieces = []
    for chunk in stream:
        pieces.append(chunk)
        if len(pieces) == 5:
            break
    stream.close()
    assert any(chunk.choices[0].delta.content for chunk in pieces)


def test_the_helper_for_streams(client, path):
    with client(path).chat.completions.stream(model="priced", messages=HELLO) as stream:
        final = stream.until_done().get_final_completion()
    assert final.choices[0].message.content


def test_embeddings(client, path):
    """As base64, which the client asks for by itself, and as floats: the same vectors."""
    embed = client(path).embeddings.create
    texts = ["one", "two", "three"]
    packed = embed(model="priced", input=texts)
    plain = embed(model="priced", input=texts, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1, 2]
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > 0
    for a, b in zip(packed.data, plain.data, strict=True):
        assert len(a.embedding) == len(b.embedding) > 0
        assert all(map(lambda x, y: math.isclose(x, y, abs_tol=1e-6), a.embedding, b.embedding))
    assert packed.data[0].embedding != packed.data[1].embedding


def test_a_key_of_the_gateway_names_its_user(client):
    from conftest import KEY

    answer = client(user=False, key=KEY).chat.completions.with_raw_response.create(
        model="priced", messages=HELLO
    )
    assert answer.headers["x-tollgate-decision"] == "admit"
    assert answer.parse().choices[0].message.content


def test_the_gateway_counts_what_the_answers_say(client, gateway):
    """868 tokens in and 145 out cost 0.0002606 dollars, plain, streamed, and streamed to a
    client that did not ask for the usage; embeddings have no output."""
    known = {"x-sandbox-input-tokens": "868", "x-sandbox-output-tokens": "145"}
    counted = client(user="counted", headers=known)
    create = counted.chat.completions.create
    options = {"model": "priced", "messages": HELLO, "max_tokens": 200}
    create(**options)
    list(create(**options, stream=True))
    list(create(**options, stream=True, stream_options={"include_usage": True}))
    counted.embeddings.create(model="priced", input="one")
    with urllib.request.urlopen(f"{gateway}/v1/users/counted/stats", timeout=10) as answer:
        stats = json.load(answer)
    assert stats["cost"]["today"] == pytest.approx(3 * 0.0002606 + 0.0001736, abs=1e-12)
    assert stats["limits"]["everything"]["current"] == 3 * (868 + 145) + 868
