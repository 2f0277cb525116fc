"""Fixtures: a simulated upstream, gateways before it, and the official client."""

import itertools
import urllib.request

import openai
import pytest

from gateways import Gateway
from process import Process, ready

# The hash in the policy is BLAKE3 of this text.
KEY = "tg_test_0123456789abcdefghijklmnopqrstuvwxyz"

POLICY = """
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"

[store]
kind = "memory"

[identity]
trust_headers = true

[[keys]]
id = "suite"
hash = "blake3:ec3935a659353e91693482a3911d2af362cf8a539ed5a89a384f2ae5014ac323"
user = "key-holder"

[providers.openai]
dialect = "openai"
base_url = "{upstream}/v1"
api_key = "env:UPSTREAM_KEY"

[prices.models.priced]
input = "0.20"
output = "0.60"

[prices.models.dear]
input = "0.20"
output = "1000"

[[limits]]
name = "brief"
when = {{ model = "brief" }}
per = ["user"]
requests = "2/3s"

[[limits]]
name = "long"
when = {{ model = "long" }}
per = ["user"]
requests = "1/hour"

[[limits]]
name = "wallet"
when = {{ model = ["dear", "priced", "unpriced"] }}
per = ["user"]
usd = "0.10/day"

[[limits]]
name = "everything"
per = ["user"]
tokens = "1000000/hour"
"""


@pytest.fixture(scope="session")
def upstream(tmp_path_factory):
    """Simulated providers in a process of their own."""
    process = Process("sandbox", "--listen", "127.0.0.1:0", cwd=tmp_path_factory.mktemp("sandbox"))
    yield process.address()
    process.end()


@pytest.fixture(scope="session")
def serving(upstream, tmp_path_factory):
    """Where the gateway listens, and its control plane."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "policy.toml").write_text(POLICY.format(upstream=upstream))
    process = Process(
        "serve", "--policy", "policy.toml", cwd=folder, UPSTREAM_KEY="sk-of-the-operator"
    )
    url, control = process.address("listening"), process.address("control plane")
    assert ready(url)
    yield url, control
    process.end()


@pytest.fixture(scope="session")
def gateway(serving):
    """Where the gateway listens."""
    return serving[0]


@pytest.fixture
def emergency(serving):
    """An emergency of ten minutes, for as long as the test takes."""

    def tell(method, body=None):
        url, head = f"{serving[1]}/v1/emergency", {"content-type": "application/json"}
        request = urllib.request.Request(url, body, head, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.status

    tell("PUT", b'{"for": "10m", "reason": "a secret of the operator"}')
    yield
    tell("DELETE")


@pytest.fixture(scope="session")
def dialects_gateway(upstream, tmp_path_factory):
    """A gateway with a provider of each dialect."""
    gateway = Gateway(upstream, tmp_path_factory.mktemp("dialects"))
    yield gateway
    gateway.end()


USERS = itertools.count()


@pytest.fixture
def client(gateway):
    """Makes clients; each is a user of its own unless it says who it is."""
    made = []

    def make(path="openai/v1", user=None, key="sk-of-the-caller", **options):
        headers = options.pop("headers", {})
        if user is not False:
            headers = {"X-Tollgate-User": user or f"user-{next(USERS)}", **headers}
        made.append(
            openai.OpenAI(
                base_url=f"{gateway}/{path}", api_key=key, default_headers=headers, **options
            )
        )
        return made[-1]

    yield make
    for client in made:
        client.close()
