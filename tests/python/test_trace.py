"""A short trace through a real gateway: `cargo xtask trace` plays the whole one."""

import subprocess
import sys

import pytest

from process import BINARY, ROOT

PLAY = [sys.executable, ROOT / "tests/trace/run.py", "--tollgate", BINARY, "--requests", "1500"]

# A busy machine may let the ledger's thread wait for its turn; how long is not what is tested.
SLOW = ["--durable-us", "250000"]


@pytest.mark.parametrize("how", [[], ["--kill", "--kill-after", "500", *SLOW]], ids=["whole", "killed"])
def test_the_ledger_keeps_its_promises(how):
    played = subprocess.run([*PLAY, *how], capture_output=True, text=True, timeout=300, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
