"""A short trace through a real gateway: `cargo xtask trace` plays the whole one."""

import subprocess
import sys

import pytest

from process import BINARY, ROOT

PLAY = [sys.executable, ROOT / "tests/trace/run.py", "--tollgate", BINARY, "--requests", "1500"]


@pytest.mark.parametrize("how", [[], ["--kill", "--kill-after", "500"]], ids=["whole", "killed"])
def test_the_ledger_keeps_its_promises(how):
    played = subprocess.run([*PLAY, *how], capture_output=True, text=True, timeout=300, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
