"""A gateway with a provider of each dialect, its control plane and its ledger."""

import json
import re
import subprocess
import urllib.request

from process import BINARY, Process, ready

# What a provider answers is the client's to mind here: the gateway does not try again by itself,
# wait for the provider, or keep away from it.
CALM = ', breaker = { mode = "observe" }, retry = { attempts = 1 }, learn = { announced = false }'

POLICY = """
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"

[identity]
trust_headers = true

[providers]
openai = {{ dialect = "openai", base_url = "{upstream}/v1", api_key = "env:UPSTREAM_KEY"{calm} }}
azure = {{ dialect = "azure", base_url = "{upstream}", api_key = "env:UPSTREAM_KEY"{calm} }}
anthropic = {{ dialect = "anthropic", base_url = "{upstream}", api_key = "env:UPSTREAM_KEY"{calm} }}
gemini = {{ dialect = "gemini", base_url = "{upstream}", api_key = "env:UPSTREAM_KEY"{calm} }}
deepgram = {{ dialect = "deepgram", base_url = "{upstream}", api_key = "env:UPSTREAM_KEY"{calm} }}

[providers.bedrock]
dialect = "bedrock"
base_url = "{upstream}"
breaker = {{ mode = "observe" }}
retry = {{ attempts = 1 }}
learn = {{ announced = false }}
aws = {{ access_key_id = "env:UPSTREAM_KEY", secret_access_key = "env:UPSTREAM_KEY", region = "us-east-1" }}

[prices.models]
priced = {{ input = "0.20", output = "0.60" }}
"anthropic.priced" = {{ input = "0.20", output = "0.60" }}
dearer = {{ input = "2", output = "6" }}

[models.by-messages]
models = ["anthropic/dearer"]
translate = true

[models.by-completions]
models = ["openai/dearer"]
translate = true

[models]
named = {{ models = ["openai/priced", "azure/priced", "anthropic/priced", "gemini/priced", "bedrock/priced"] }}
"anthropic.named" = {{ models = ["bedrock/anthropic.priced"] }}
heard = {{ models = ["openai/whisper-1", "deepgram/nova-3"] }}

[[limits]]
name = "one-an-hour"
when = {{ team = "one-an-hour" }}
per = ["user"]
requests = "1/hour"

[[limits]]
name = "one-in-three-seconds"
when = {{ team = "one-in-three-seconds" }}
per = ["user"]
requests = "1/3s"

[[limits]]
name = "few-tokens"
when = {{ team = "few-tokens" }}
per = ["user"]
tokens = "300/hour"

[[limits]]
name = "little-money"
when = {{ team = "little-money" }}
per = ["user"]
usd = "0.0003/day"

[[limits]]
name = "hardly-any-money"
when = {{ team = "hardly-any-money" }}
per = ["user"]
usd = "0.00005/day"

[[limits]]
name = "some-money"
when = {{ team = "some-money" }}
per = ["user"]
usd = "0.0016/day"

[[limits]]
name = "one-slot"
when = {{ team = "one-slot" }}
per = ["user"]
concurrency = 1
"""


class Gateway:
    """A gateway with a provider of each dialect."""

    def __init__(self, upstream, folder):
        self._folder = folder
        (folder / "policy.toml").write_text(POLICY.format(upstream=upstream, calm=CALM))
        serve = ["serve", "--policy", "policy.toml"]
        self._process = Process(*serve, cwd=folder, UPSTREAM_KEY="sk-of-the-operator")
        self.url = self._process.address("Tollgate")
        self.control = self._process.address("control plane")
        assert ready(self.url)

    def refused(self):
        """How many requests it has refused so far."""
        with urllib.request.urlopen(f"{self.control}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = [re.match(r"tollgate_decisions_total\{.*refuse.*\} (\d+)", line) for line in lines]
        return sum(int(match[1]) for match in found if match)

    def make_key(self, **terms):
        request = urllib.request.Request(f"{self.control}/v1/keys", json.dumps(terms).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["key"]

    def rows(self):
        """The rows of its ledger, after it has ended."""
        export = [BINARY, "export", "ledger", "--format", "jsonl"]
        ran = subprocess.run(export, cwd=self._folder, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def end(self):
        self._process.end()
