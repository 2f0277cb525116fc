"""Refusals arrive in the official OpenAI client as its own errors, and tell the truth."""

import datetime
import json
import urllib.request

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello."}]


def ask(client, model, **options):
    return client.chat.completions.with_raw_response.create(
        model=model, messages=HELLO, **options
    )


def test_a_promised_instant_is_waited_for_and_kept(client):
    """The window holds two in three seconds. The client's own waits would end after one and
    a half, so only one that honours Retry-After gets through, at its first retry."""
    patient = client(max_retries=2)
    taken = [ask(patient, "brief").retries_taken for _ in range(3)]
    assert taken == [0, 0, 1]


def test_a_refusal_is_a_rate_limit_error_with_its_reason(client):
    hasty = client(max_retries=0)
    ask(hasty, "long")
    with pytest.raises(openai.RateLimitError) as refused:
        ask(hasty, "long")
    error, headers = refused.value, refused.value.response.headers
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "requests")
    assert "per hour" in error.message
    assert headers["x-tollgate-decision"] == "refuse"
    assert headers["x-tollgate-limit"] == "long"
    assert "long" in headers["ratelimit"] and "long" in headers["ratelimit-policy"]
    assert headers["x-ratelimit-remaining"] == "0"
    # An hour is longer than a client should sleep: it is told so, and the truth with it.
    assert 3500 < int(headers["retry-after"]) <= 3600
    assert headers["x-should-retry"] == "false"
    promised = datetime.datetime.fromisoformat(headers["x-tollgate-retry-at"])
    asked = datetime.datetime.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S %Z")
    wait = promised - asked.replace(tzinfo=datetime.timezone.utc)
    assert abs(wait.total_seconds() - int(headers["retry-after"])) < 3


def test_one_users_refusal_is_no_others(client):
    first, second = client(user="alice", max_retries=0), client(user="bob", max_retries=0)
    ask(first, "long")
    with pytest.raises(openai.RateLimitError):
        ask(first, "long")
    assert ask(second, "long").retries_taken == 0


def test_an_admitted_answer_says_what_is_left(client):
    headers = ask(client(max_retries=0), "long").headers
    assert headers["x-tollgate-decision"] == "admit"
    assert "everything" in headers["ratelimit"] and "long" in headers["ratelimit-policy"]
    assert int(headers["x-ratelimit-reset"]) > 1_700_000_000


def test_a_spent_budget_is_not_retried(client):
    """100 tokens of a model at 1,000 dollars per million are the whole budget."""
    spender = client(max_retries=2)
    tokens = {"max_tokens": 90, "extra_headers": {"x-sandbox-output-tokens": "90"}}
    ask(spender, "dear", **tokens)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(spender, "dear", **tokens)
    assert refused.value.type == "insufficient_quota"
    assert refused.value.code == "project_spend_limit_exceeded"
    assert refused.value.response.headers["x-should-retry"] == "false"
    # One attempt: the request that was refused was no retry.
    assert refused.value.request.headers["x-stainless-retry-count"] == "0"


def test_an_emergency_is_an_error_without_blind_retries(client, emergency):
    with pytest.raises(openai.InternalServerError) as refused:
        ask(client(max_retries=2), "priced")
    error, headers = refused.value, refused.value.response.headers
    assert (error.status_code, error.code) == (503, "emergency_mode")
    assert "only critical requests pass" in error.message
    assert "secret" not in error.response.text
    assert 500 < int(headers["retry-after"]) <= 600
    # One attempt: the request that was refused was no retry.
    assert headers["x-should-retry"] == "false"
    assert error.request.headers["x-stainless-retry-count"] == "0"
    critical = client(max_retries=0, headers={"X-Tollgate-Priority": "critical"})
    assert ask(critical, "priced").headers["x-tollgate-decision"] == "admit"


def test_a_model_without_price_is_refused_under_a_budget(client):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(client(max_retries=0), "unpriced")
    assert "unpriced" in refused.value.message


def test_a_wrong_key_is_unauthorized(client):
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(client(user=False, key="tg_nobody_has_this_key"), "priced")
    assert "tg_nobody_has_this_key" not in str(refused.value.body)


def test_bad_requests_are_named(client):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client(max_retries=0), "")
    assert "model" in refused.value.message
    with pytest.raises(openai.BadRequestError):
        ask(client(max_retries=0), "priced", extra_body={"max_tokens": "many"})


def test_an_unknown_provider_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client("nobody/v1", max_retries=0), "priced")
    assert "nobody" in refused.value.response.json()["detail"]


def test_an_error_of_the_upstream_comes_through_as_it_is(client):
    failing = client(max_retries=0, headers={"x-sandbox-fault": "error"})
    with pytest.raises(openai.InternalServerError) as failed:
        ask(failing, "priced")
    assert failed.value.status_code in (500, 503)


def test_a_stream_that_the_budget_cuts_raises(client, gateway):
    """100 tokens are paid for; the model would make 300. What came before the error is what
    the user is charged, and the client does not take the answer for a whole one."""
    user = "cut-short"
    stream = client(user=user, max_retries=0).chat.completions.create(
        model="dear",
        messages=HELLO,
        max_tokens=300,
        stream=True,
        extra_headers={"x-sandbox-output-tokens": "300"},
    )
    pieces = []
    with pytest.raises(openai.APIError) as cut:
        for chunk in stream:
            pieces.append(chunk)
    assert "Budget exhausted: $0.1 per calendar day" in cut.value.message
    assert "The answer ends here" in cut.value.message
    told = [piece for piece in pieces if piece.choices and piece.choices[0].delta.content]
    assert 30 <= len(told) <= 100
    with urllib.request.urlopen(f"{gateway}/v1/users/{user}/stats") as answer:
        cost = json.load(answer)["cost"]
    assert len(told) * 0.001 <= cost["today"] <= 0.1
