"""A provider that calls a tool, whatever it is asked, in the dialect of the path."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLED = {"place": "Bonn"}

MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": CALLED}],
    "usage": {"input_tokens": 11, "output_tokens": 7},
}
FUNCTION = {"name": "weather", "arguments": json.dumps(CALLED)}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
COMPLETION = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{
        "index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    }],
}


def message_events():
    empty = {**MESSAGE, "content": [], "stop_reason": None}
    begun = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    yield {"type": "message_start", "message": empty}
    yield {"type": "content_block_start", "index": 0, "content_block": begun}
    for piece in ('{"place":', ' "Bonn"}'):
        delta = {"type": "input_json_delta", "partial_json": piece}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    }
    yield {"type": "message_stop"}


def completion_events():
    def chunk(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}

    yield chunk({"tool_calls": [{**CALL, "index": 0, "function": {**FUNCTION, "arguments": ""}}]})
    for piece in ('{"place":', ' "Bonn"}'):
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield chunk({}, "tool_calls")
    yield {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        is_message = self.path.endswith("/messages")
        if not asked.get("stream"):
            self._answer("application/json", json.dumps(MESSAGE if is_message else COMPLETION))
        elif is_message:
            events = (f"event: {it['type']}\ndata: {json.dumps(it)}\n\n" for it in message_events())
            self._answer("text/event-stream", "".join(events))
        else:
            events = "".join(f"data: {json.dumps(it)}\n\n" for it in completion_events())
            self._answer("text/event-stream", events + "data: [DONE]\n\n")

    def _answer(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Scripted:
    """It runs until it is ended; `asked` is what it got."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.asked = self.asked = []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def end(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
