"""Plays recorded traffic through a running gateway and holds its ledger to the promises.

    python3 tests/trace/run.py --tollgate target/release/tollgate --trace FILE [--kill]

With --kill the gateway is killed (SIGKILL) in the middle and started again on its ledger.
Exit status 0 when every check holds; standard library only. `cargo xtask trace` runs both.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from decimal import Decimal
from pathlib import Path

import ledger as ledgers

HERE = Path(__file__).parent
PRICES = ["--price-input", "2.50", "--price-output", "10"]
LIMITS = 7


class Gateway:
    """A `tollgate serve` of our own, on ports that stay the same when it is started again."""

    def __init__(self, tollgate, folder):
        self.tollgate, self.folder = tollgate, folder
        self.data, self.admin = free_port(), free_port()
        self.process = None

    def start(self):
        """Starts it and waits until it says that it is ready."""
        address = "127.0.0.1:{}".format
        self.process = subprocess.Popen(
            [self.tollgate, "serve", "--policy", HERE / "policy.toml",
             "--listen", address(self.data), "--admin-listen", address(self.admin)],
            env=os.environ | {"TOLLGATE_STORE_PATH": str(self.folder / "ledger.db")},
            stdout=subprocess.PIPE, stderr=(self.folder / "serve.log").open("ab"), text=True,
        )
        for line in self.process.stdout:
            if "control plane listening" in line:
                break
        # What it prints later must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        urllib.request.urlopen(f"http://127.0.0.1:{self.data}/readyz", timeout=10).close()

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="tollgate-trace-") as folder:
        folder = Path(folder)
        gateway = Gateway(asked.tollgate, folder)
        gateway.start()
        try:
            replay = subprocess.Popen(replay_command(asked, gateway, folder), stdout=subprocess.PIPE)
            if asked.kill:
                kill_in_the_middle(asked, gateway, replay)
            report = json.loads(replay.communicate()[0])
        finally:
            gateway.end(signal.SIGTERM)
        client = [json.loads(line) for line in (folder / "client.jsonl").open()]
        book = ledgers.read(folder / "ledger.db")
        verify = [asked.tollgate, "verify", "--ledger", folder / "ledger.db", "--json"]
        verified = subprocess.run(verify, stdout=subprocess.PIPE, check=False)
        return told(checks(asked, report, client, book, verified.returncode), client, book)


def replay_command(asked, gateway, folder):
    command = [
        asked.tollgate, "replay", "--json", "--trust-headers", "--model", "gpt-4o", *PRICES,
        "--speed", str(asked.speed), "--users", str(asked.users),
        "--url", f"http://127.0.0.1:{gateway.data}/sandbox/v1",
        "--admin", f"http://127.0.0.1:{gateway.admin}", "--output", folder / "client.jsonl",
    ]
    command += ["--trace", asked.trace] if asked.trace else []
    return command + (["--requests", str(asked.requests)] if asked.requests else [])


def kill_in_the_middle(asked, gateway, replay):
    """Kills the gateway when it has admitted enough, and starts it again at once."""
    while replay.poll() is None and admitted(gateway) < asked.kill_after:
        pass
    gateway.end(signal.SIGKILL)
    gateway.start()


def admitted(gateway):
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}/status", timeout=10) as answer:
        return json.load(answer)["totals"]["admitted"]


def checks(asked, report, client, book, verified):
    """Every check, as (what must hold, whether it does)."""
    acknowledged = {ledger_id(line): line for line in client
                    if line["id"] and line["outcome"] == "admitted" and line["acknowledged"]}
    wrong = [line for id, line in acknowledged.items() if book.charged.get(id) != used(line)]
    in_flight = [line for line in client if line["most_input_tokens"] is not None]
    late = [line for line in wrong
            if asked.kill and line["ended_us"] > cut(client) - asked.durable_us]
    above = excess(book, acknowledged, {ledger_id(line) for line in late})
    yield f"{len(acknowledged)} acknowledged answers are in the ledger as told" + (
        f", but {len(late)} of the last {asked.durable_us} us" if late else ""
    ), len(late) == len(wrong)
    yield "nothing is charged twice", not book.twice
    yield f"{above} nano-dollars above the client's count, {len(in_flight)} were in flight", (
        0 <= above <= sum(most(line) for line in in_flight)
    )
    yield f"{len(book.lost)} accounts count up to 1 % more for what a kill may have lost", (
        all(share <= 0.01 for share in book.lost.values()) and (asked.kill or not book.lost)
    )
    yield "no limit was exceeded, by the rows alone", not book.exceeded
    yield "`tollgate verify` says the same", verified == 0
    if not asked.kill:
        yield "the gateway's totals and the client's agree", report["agree"] is True
    if not asked.kill and not asked.requests:
        refused = [line["limit"] for line in client if line["outcome"] == "refused"]
        share = len(refused) / len(client)
        yield f"{share:.1%} were refused, which is between 5 % and 30 %", 0.05 <= share <= 0.30
        yield f"{len(set(refused))} of {LIMITS} limits refused", len(set(refused)) == LIMITS


def cut(client):
    """When the first request was cut off by the kill."""
    return min((line["ended_us"] for line in client if line["outcome"] == "lost"), default=0)


def used(line):
    nanos = int(Decimal(line["cost_usd"]) * 10**9)
    return line["input_tokens"], line["output_tokens"], nanos


def most(line):
    """The most that an unanswered request can have cost: a token a byte, and its maximum."""
    return line["most_input_tokens"] * 2_500 + line["most_output_tokens"] * 10_000


def excess(book, acknowledged, late):
    """What the ledger counts as spent beyond what the client was told."""
    spent = {**book.charged, **book.unsettled}
    told = {id: used(line) for id, line in acknowledged.items()}
    return sum(
        counts[2] if one is spent else -counts[2]
        for one in (spent, told) for id, counts in one.items() if id not in late
    )


def ledger_id(line):
    return bytes.fromhex(line["id"].replace("-", ""))


def told(checks, client, book):
    print(f"{len(client)} requests, {len(book.charged)} settled, {len(book.expired)} expired")
    for limit, share in sorted(book.fullest.items()):
        print(f"  {limit}: at most {share:.1%} of what it allows")
    results = list(checks)
    for what, holds in results:
        print(("yes  " if holds else "NO   ") + what)
    return 0 if all(holds for _, holds in results) else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tollgate", required=True, help="the program")
    parser.add_argument("--trace", help="TIMESTAMP,ContextTokens,GeneratedTokens; else a made one")
    parser.add_argument("--speed", type=float, default=60)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--requests", type=int, help="play only the first rows")
    parser.add_argument("--kill", action="store_true", help="kill the gateway in the middle")
    parser.add_argument("--durable-us", type=int, default=5_000,
                        help="how long before the kill an answer may be to be forgotten")
    parser.add_argument("--kill-after", type=int, default=6_000, help="admitted requests")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
