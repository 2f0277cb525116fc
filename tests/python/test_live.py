"""Deepgram live with the official client, unmodified: a session is admitted before it costs
anything, ends properly when there is no money left, and is settled by what was really used."""

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import threading

import deepgram
import deepgram.core
import deepgram.environment
import pytest
import websockets
from deepgram.core.events import EventType

from gateways import Gateway

# What a second of nova-3 costs live.
NANOS_PER_SECOND = 80_000

# A tenth of a second of samples, 16,000 a second, two bytes each.
PIECE = bytes(3_200)
RAW = {"encoding": "linear16", "sample_rate": 16_000, "channels": 1}
USERS = itertools.count()


def places(gateway):
    door = gateway.url.replace("http", "ws", 1) + "/deepgram"
    return deepgram.environment.DeepgramClientEnvironment(
        base=door, production=door, agent=door, agent_rest=door
    )


def client(gateway, user=None, team="none", key="a-key-of-the-callers", fault=None):
    """A client of a user of its own."""
    headers = {"X-Tollgate-User": user or f"live-{next(USERS)}", "X-Tollgate-Team": team}
    if fault:
        headers["x-sandbox-fault"] = fault
    return deepgram.DeepgramClient(api_key=key, environment=places(gateway), headers=headers)


@pytest.fixture
def connect(dialects_gateway):
    """Connects as a user of its own, unless it says who it is."""

    def connect(user=None, team="none", key="a-key-of-the-callers", fault=None, **query):
        caller = client(dialects_gateway, user, team, key, fault)
        return caller.listen.v1.connect(**{"model": "nova-3", **RAW, **query})

    return connect


def vanish(session):
    """Hears all that was said, and ends the connection without a word."""
    while (said := session.recv()).start + said.duration < 12:
        pass
    connection = session._websocket.socket
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def finish(session, kinds=("Metadata",)):
    """What is said until the last of it."""
    said = []
    while not said or said[-1].type not in kinds:
        said.append(session.recv())
    return said


def test_a_session_hears_what_is_said_and_tells_how_much_it_was(connect):
    with connect(interim_results="true") as session:
        for _ in range(75):
            session.send_media(PIECE)
        session.send_keep_alive()
        session.send_finalize()
        session.send_close_stream()
        said = finish(session)
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            session.recv()
    results = [one for one in said if one.type == "Results"]
    finals = [(one.start, one.duration) for one in results if one.is_final]
    assert finals == [(0.0, 3.0), (3.0, 3.0), (6.0, 1.5), (7.5, 0.0)]
    assert any(not one.is_final for one in results)
    assert results[0].channel.alternatives[0].transcript
    assert (said[-1].duration, said[-1].channels) == (7.5, 1)


def raised(connect, **query):
    """The answer that a session is refused with."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        with connect(**query):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body), response.headers


def test_refusals_are_raised_before_the_session_begins(connect):
    status, told, _ = raised(connect, key="tg_that_nobody_knows")
    assert (status, told["err_code"]) == (401, "INVALID_AUTH")
    with connect(team="one-an-hour", user="often") as session:
        session.send_close_stream()
        finish(session)
    status, told, headers = raised(connect, team="one-an-hour", user="often")
    assert (status, told["err_code"]) == (429, "TOO_MANY_REQUESTS")
    assert headers["X-Tollgate-Limit"] == "one-an-hour"
    # Less than one second of audio costs.
    status, told, headers = raised(connect, team="hardly-any-money")
    assert (status, told["err_code"]) == (402, "ASR_PAYMENT_REQUIRED")
    assert told["err_msg"].startswith("Budget exhausted") and "Retry-After" not in headers
    status, told, _ = raised(connect, model="no-model-with-a-price", team="little-money")
    assert (status, told["err_code"]) == (403, "INSUFFICIENT_PERMISSIONS")


def test_the_asynchronous_client_raises_it_too(dialects_gateway):
    async def refused():
        client = deepgram.AsyncDeepgramClient(
            api_key="tg_that_nobody_knows", environment=places(dialects_gateway)
        )
        async with client.listen.v1.connect(model="nova-3", **RAW):
            pass

    with pytest.raises((deepgram.core.ApiError, websockets.exceptions.InvalidStatus)) as raised:
        asyncio.run(refused())
    status = getattr(raised.value, "status_code", None) or raised.value.response.status_code
    assert status == 401


def test_a_session_that_can_have_no_more_says_so_and_is_closed(connect):
    # $0.0016 are 20 seconds.
    with connect(team="some-money") as session:
        heard = []
        session.on(EventType.MESSAGE, heard.append)
        errors = []
        session.on(EventType.ERROR, errors.append)
        listening = threading.Thread(target=session.start_listening)
        listening.start()
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            for _ in range(100):
                session.send_media(bytes(32_000))
                listening.join(timeout=0.01)
            session.send_media(bytes(1))
        listening.join()
    kinds = [one.type for one in heard]
    assert kinds[-2:] == ["Metadata", "Error"]
    assert heard[-2].duration == 20.0
    assert heard[-1].variant == "ASR_PAYMENT_REQUIRED"
    assert "which are charged" in heard[-1].description
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "budget_exhausted")
    assert errors[0].rcvd.code == 1008


def test_a_provider_that_is_gone_is_told_of(connect):
    with connect(fault="cut") as session:
        session.send_media(PIECE)
        told = session.recv()
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
            session.recv()
    assert (told.type, told.variant, closed.value.rcvd.code) == ("Error", "BAD_GATEWAY", 1011)


def test_a_message_that_makes_no_sense_is_answered_by_the_provider(connect):
    with connect() as session:
        session._send("{nonsense")
        told = session.recv()
        session.send_close_stream()
        assert finish(session)[-1].duration == 0.0
    assert (told.type, told.variant, told.message) == ("Error", "SchemaError", "{nonsense")


@pytest.fixture(scope="module")
def settlements(upstream, tmp_path_factory):
    """The ledger's rows of sessions that ended in each way, by user."""
    gateway = Gateway(upstream, tmp_path_factory.mktemp("books"))
    for user, end in [
        ("finishes", lambda session: (session.send_close_stream(), finish(session))),
        ("closes", lambda session: None),
        ("vanishes", vanish),
    ]:
        with contextlib.suppress(websockets.exceptions.ConnectionClosed, OSError):
            with client(gateway, user).listen.v1.connect(model="nova-3", **RAW) as session:
                for _ in range(120):
                    session.send_media(PIECE)
                end(session)
    two = {**RAW, "channels": 2, "multichannel": "true"}
    with client(gateway, "channels").listen.v1.connect(model="nova-3", **two) as session:
        for _ in range(20):
            session.send_media(PIECE)
        session.send_close_stream()
        finish(session)
    gateway.end()
    return gateway.rows()


@pytest.mark.parametrize(
    "user, milliseconds",
    [("finishes", 12_000), ("closes", 12_000), ("vanishes", 12_000), ("channels", 2_000)],
)
def test_the_ledger_has_the_cost_to_the_nano_dollar(user, milliseconds, settlements):
    mine = [row for row in settlements if row["user"] == user]
    assert [row["kind"] for row in mine][-1] == "settle"
    row = mine[-1]
    assert (row["provider"], row["model"]) == ("deepgram", "nova-3")
    assert row["milliseconds"] == milliseconds and not row["estimated"]
    assert round(float(row["usd"]) * 1e9) == -(-milliseconds * NANOS_PER_SECOND // 1000)
