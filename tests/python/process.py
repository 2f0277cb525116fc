"""A `tollgate` of its own for the suite: started on free ports, awaited, ended by pid."""

import os
import queue
import re
import subprocess
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "target/debug/tollgate"))
START_SECONDS = 30
URL = re.compile(r"http://127\.0\.0\.1:\d+")


class Process:
    """A child process whose output is read until it says where it listens."""

    def __init__(self, *args, cwd, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TOLLGATE_")}
        self.lines = []
        self._fresh = queue.Queue()
        self._child = subprocess.Popen(
            [BINARY, *map(str, args)],
            cwd=cwd,
            env={**clean, "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            self.lines.append(line)
            self._fresh.put(line)
        self._fresh.put(None)

    def address(self, after=""):
        """The first address that it prints in a line with the word `after`."""
        try:
            while (line := self._fresh.get(timeout=START_SECONDS)) is not None:
                if after in line and (url := URL.search(line)):
                    return url.group()
        except queue.Empty:
            pass
        self.end()
        raise RuntimeError("tollgate did not start:\n" + "".join(self.lines))

    @property
    def pid(self):
        return self._child.pid

    def wait(self):
        """Waits for the end of one that was killed."""
        self._child.wait()
        self._reader.join()

    def end(self):
        """Asks it to end and waits; what hangs is killed, and that is a fault."""
        self._child.terminate()
        try:
            self._child.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise RuntimeError("tollgate did not end when asked:\n" + "".join(self.lines)) from None
        self._reader.join()


def ready(url):
    """Whether the gateway there says that it is ready."""
    with urllib.request.urlopen(f"{url}/readyz", timeout=START_SECONDS) as answer:
        return answer.status == 200
