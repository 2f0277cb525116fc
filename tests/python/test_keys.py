"""The official client with a managed key: what it may, what it may not, and when it ends."""

import json
import urllib.request

import openai
import pytest

from process import Process, ready

HELLO = [{"role": "user", "content": "Say hello."}]

POLICY = """
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"

[identity]
allow_anonymous = false

[providers.openai]
dialect = "openai"
base_url = "{upstream}/v1"
api_key = "env:UPSTREAM_KEY"

[prices.models.priced]
input = "0.20"
output = "0.60"
"""


class Gateway:
    """A gateway of its own, and its control plane."""

    def __init__(self, upstream, folder):
        (folder / "policy.toml").write_text(POLICY.format(upstream=upstream))
        serve = ["serve", "--policy", "policy.toml"]
        self._process = Process(*serve, cwd=folder, UPSTREAM_KEY="sk-of-the-operator")
        self.url = self._process.address("Tollgate")
        self._control = self._process.address("control plane")
        assert ready(self.url)

    def ask(self, path, **body):
        """Asks the control plane, and takes the JSON of a 2xx."""
        request = urllib.request.Request(self._control + path, json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def client(self, key):
        return openai.OpenAI(base_url=f"{self.url}/openai/v1", api_key=key, max_retries=0)

    def end(self):
        self._process.end()


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    gateway = Gateway(upstream, tmp_path_factory.mktemp("keys"))
    yield gateway
    gateway.end()


def chat(client, model="priced"):
    return client.chat.completions.create(
        model=model, messages=HELLO, max_tokens=50, extra_headers={"x-sandbox-output-tokens": "5"}
    )


def test_a_key_works_until_it_is_rotated_and_then_the_new_one(gateway):
    made = gateway.ask("/v1/keys", user="alice")
    with gateway.client(made["key"]) as client:
        assert chat(client).choices[0].message.content
        rotated = gateway.ask(f"/v1/keys/{made['id']}/rotate", grace="0s")
        with pytest.raises(openai.AuthenticationError, match="replaced by a new one"):
            chat(client)
    with gateway.client(rotated["key"]) as client:
        assert chat(client).choices[0].message.content
        gateway.ask(f"/v1/keys/{made['id']}/revoke")
        with pytest.raises(openai.AuthenticationError, match="was revoked"):
            chat(client)
    with gateway.client("sk-of-a-stranger") as client:
        with pytest.raises(openai.AuthenticationError, match="send a Tollgate key"):
            chat(client)


def test_another_model_is_denied(gateway):
    made = gateway.ask("/v1/keys", models=["priced"])
    with gateway.client(made["key"]) as client:
        assert chat(client).model == "priced"
        with pytest.raises(openai.PermissionDeniedError, match="may be for priced") as denied:
            chat(client, model="brief")
        assert (denied.value.code, denied.value.param) == ("forbidden", "model")


def test_a_spent_budget_is_raised_as_one(gateway):
    made = gateway.ask("/v1/keys", budgets=["0.0001/total"])
    with gateway.client(made["key"]) as client:
        with pytest.raises(openai.RateLimitError, match=r"\$0\.0001 in all") as spent:
            for _ in range(100):
                chat(client)
        assert spent.value.type == "insufficient_quota"
        assert spent.value.response.headers["x-tollgate-limit"] == "key-budget-total"
