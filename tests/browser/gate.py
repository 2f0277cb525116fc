"""A full server, to the letter of the contract that browsers are given.

It stands where the gateway stands, before a little application, so that the tests can say
when somebody's turn comes and what goes wrong on the way.
"""

import asyncio
import itertools
import json
import mimetypes
import threading
from dataclasses import dataclass, field
from pathlib import Path

from web import Answer, Web

ROOT = Path(__file__).resolve().parents[2]
BROWSER = ROOT / "crates/tollgate-server/src/browser"
PAGES = Path(__file__).parent / "pages"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
CLAIM_BEFORE = "2026-11-23T12:00:30.000Z"
PATIENCE_SECONDS = 10


@dataclass
class Ticket:
    place: int = 1
    waiting: int = 3
    estimate: int | None = 40
    state: str = "waiting"
    streams: list = field(default_factory=list)


class Gate:
    """What the tests see and turn. `max` sessions, `active` of them taken."""

    def __init__(self, active=12, max=12):
        self.active, self.max = active, max
        self.retry_after = 120
        # Whether there is a queue, and how the events of a ticket go: "sent", "refused",
        # "silent" (nothing ever comes) or "cut" (each stream ends at once).
        self.has_queue, self.events = True, "sent"
        self.page = "queued"
        # Where uploads that are let in are sent on to.
        self.sends_to = None
        self.tickets = {}
        self.requests = []
        self._held = {}
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._web = Web(self._answer)
        self.url = self._web.url

    def end(self):
        self._web.end()

    def uploads(self):
        return [request for request in self.requests if request.path == "/api/upload"]

    def asked(self, method, path):
        return [it for it in self.requests if (it.method, it.path) == (method, path)]

    def wait_until(self, holds):
        """Waits for a request that makes it hold."""
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE_SECONDS), self.requests

    def move(self, ticket, **changes):
        """Changes what a ticket says and tells whoever listens."""
        self._web.call(self._move, ticket, changes)

    def admit(self, ticket):
        self.move(ticket, state="admitted", place=0, estimate=None)

    def admit_all(self):
        """Lets everybody in, whichever of its tickets a browser's cookie goes with."""
        self._web.call(self._admit_all)

    def lose(self, ticket):
        self.move(ticket, state="gone")

    def hold(self, *bodies):
        """Keeps the answers to uploads of these bodies on their way until they are released."""
        self._held |= {body: asyncio.Event() for body in bodies}

    def release(self, body):
        self._web.call(self._held.pop(body).set)

    def free(self):
        """Makes room for one."""
        self.active = self.max - 1

    def _admit_all(self):
        self.free()
        for name in self.tickets:
            self._move(name, {"state": "admitted", "place": 0, "estimate": None})

    def _move(self, name, changes):
        ticket = self.tickets[name]
        vars(ticket).update(changes)
        for stream in ticket.streams:
            stream.put_nowait(self._event(ticket))

    def _answer(self, request):
        with self._changed:
            answer = self._routed(request)
            self.requests.append(request)
            self._changed.notify_all()
        return answer

    def _routed(self, request):
        path, _, _ = request.path.partition("?")
        if path == "/tollgate/health":
            health = {"status": "healthy", "version": "0.1.0", "capacity": self._capacity()}
            return Answer.json(health)
        if path.startswith("/tollgate/tickets/"):
            return self._ticket(request.method, path.removeprefix("/tollgate/tickets/"))
        if path.startswith("/tollgate/"):
            return _file(BROWSER / "assets" / path.removeprefix("/tollgate/"))
        if path == "/api/upload":
            return self._upload(request)
        if path == "/workshop":
            return self._workshop(request)
        return _file(PAGES / (path.lstrip("/") or "index.html"))

    def _capacity(self):
        percent = round(100 * self.active / self.max, 1)
        return {
            "active_sessions": self.active,
            "max_sessions": self.max,
            "available": self.active < self.max,
            "utilization_percent": percent,
        }

    def _upload(self, request):
        if self._lets_in(request) and self.sends_to:
            answer = Answer(303, headers={"Location": self.sends_to})
        elif self._lets_in(request):
            message = f"took {len(request.body)} bytes"
            answer = Answer.json({"success": True, "message": message})
        else:
            answer = self._busy(request)
        answer.held = self._held.get(request.body)
        return answer

    def _workshop(self, request):
        if self._lets_in(request):
            return _file(PAGES / "plain.html")
        self.tickets.setdefault("example-ticket", Ticket(estimate=40))
        snapshot = BROWSER / f"snapshots/tollgate__browser__tests__{self.page}.snap"
        page = snapshot.read_text().split("---\n", 2)[2]
        return Answer(503, page.encode(), {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": POLICY,
            "Retry-After": str(self.retry_after),
            "Cache-Control": "no-store",
            "Set-Cookie": "tollgate=example-ticket; Path=/; HttpOnly; SameSite=Lax",
        })

    def _lets_in(self, request):
        """Whether there is room, or the browser's cookie was admitted."""
        ticket = self.tickets.get(_cookie(request))
        return self.active < self.max or (ticket is not None and ticket.state == "admitted")

    def _busy(self, request):
        count = f"{self.active}/{self.max}"
        body = {
            "success": False,
            "error": "server_busy",
            "message": f"Server is currently at capacity ({count} users). "
            "Please wait 2-3 minutes and try again.",
            "active_sessions": self.active,
            "max_sessions": self.max,
            "retry_after": self.retry_after,
        }
        headers = {"Retry_After": str(self.retry_after)}
        if self.has_queue:
            name = _cookie(request)
            if name not in self.tickets or self.tickets[name].state == "gone":
                name = f"ticket-{next(self._ids)}"
                self.tickets[name] = Ticket()
            ticket = self.tickets[name]
            body |= {
                "ticket": name, "place": ticket.place, "estimated_wait_seconds": ticket.estimate,
            }
            headers["Set_Cookie"] = f"tollgate={name}; Path=/; HttpOnly; SameSite=Lax"
        return Answer.json(body, 503, **headers)

    def _ticket(self, method, rest):
        name, _, events = rest.partition("/")
        ticket = self.tickets.get(name)
        if ticket is None:
            return Answer.json({"error": "not_found", "message": "No such ticket."}, 404)
        if method == "DELETE":
            self._move(name, {"state": "gone"})
            del self.tickets[name]
            return Answer(204)
        if not events:
            return Answer.json(self._shown(ticket), Cache_Control="no-store")
        if self.events == "refused":
            return Answer.json({"error": "overloaded", "message": "No events."}, 503)
        return Answer(200, b": here you are\n\n", {
            "Content-Type": "text/event-stream", "Cache-Control": "no-store",
        }, stream=lambda: self._stream(ticket))

    def _stream(self, ticket):
        stream = asyncio.Queue()
        if self.events == "sent":
            ticket.streams.append(stream)
            stream.put_nowait(self._event(ticket))
        elif self.events == "cut":
            stream.put_nowait(b"retry: 1\n\n")
            stream.put_nowait(None)
        return stream

    def _shown(self, ticket):
        return {
            "state": ticket.state,
            "place": ticket.place,
            "waiting": ticket.waiting,
            "estimated_wait_seconds": ticket.estimate,
            "active_sessions": self.active,
            "max_sessions": self.max,
            "claim_before": CLAIM_BEFORE if ticket.state == "admitted" else None,
        }

    def _event(self, ticket):
        name = {"waiting": "place"}.get(ticket.state, ticket.state)
        shown = self._shown(ticket)
        if name == "gone":
            shown = {"message": "Your turn was not taken in time."}
        return f"event: {name}\ndata: {json.dumps(shown)}\n\n".encode()


def _cookie(request):
    pairs = (pair.strip().split("=", 1) for pair in request.headers.get("cookie", "").split(";"))
    return dict(pair for pair in pairs if len(pair) == 2).get("tollgate")


def _file(path):
    if not path.is_file():
        return Answer(404, b"There is no such page.", {"Content-Type": "text/plain"})
    kind = mimetypes.guess_type(path.name)[0]
    return Answer(200, path.read_bytes(), {
        "Content-Type": f"{kind}; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
    })
