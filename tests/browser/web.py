"""As much of an HTTP server as the suite needs, in a thread of its own."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 64 * 1024
REASONS = {200: "OK", 204: "No Content", 404: "Not Found", 503: "Service Unavailable"}


@dataclass
class Request:
    method: str
    path: str
    # Too long for the message of a test that fails.
    headers: dict = field(repr=False)
    body: bytes


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    # Event streams: called with a function that sends bytes, until the browser goes.
    stream: object = None
    # The answer is on its way until this event is set.
    held: asyncio.Event | None = None

    @classmethod
    def json(cls, value, status=200, **headers):
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status, body, {"Content-Type": "application/json", **named})


class Web:
    """Serves what `answer(request)` says, on a free port."""

    def __init__(self, answer):
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait()

    def call(self, act, *args):
        """Acts on the server's thread, where its state is, and gives what comes of it."""

        async def acting():
            return act(*args)

        return asyncio.run_coroutine_threadsafe(acting(), self._loop).result()

    def end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader, writer):
        try:
            if request := await self._read(reader):
                answer = self._answer(request)
                if answer.held is not None:
                    await answer.held.wait()
                await self._write(reader, writer, answer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _read(self, reader):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head[:MAX_HEAD_BYTES].decode("latin-1").rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, body)

    async def _write(self, reader, writer, answer):
        headers = {"Connection": "close", **answer.headers}
        if answer.stream is None:
            headers["Content-Length"] = str(len(answer.body))
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body)
        await writer.drain()
        if answer.stream is not None:
            events = answer.stream()
            gone = asyncio.ensure_future(reader.read())
            while True:
                event = asyncio.ensure_future(events.get())
                done, _ = await asyncio.wait({gone, event}, return_when=asyncio.FIRST_COMPLETED)
                if event not in done or event.result() is None:
                    gone.cancel()
                    event.cancel()
                    return
                writer.write(event.result())
                await writer.drain()
