"""Deepgram live with the official client, unmodified: a session is admitted before it costs
anything, ends properly when there is no money left, and is settled by what was really used."""

import contextlib
import itertools

import deepgram
import deepgram.core
import deepgram.environment
import pytest
import websockets

from gateways import Gateway

# $0.00007167 for a second of nova-3 (litellm's table has more digits: 71,670 nano-dollars).
NANOS_PER_SECOND = 71_670

# Samples of a tenth of a second at 16 kHz, two bytes each.
PIECE = bytes(3_200)
RAW = {"encoding": "linear16", "sample_rate": 16_000, "channels": 1}
USERS = itertools.count()


@pytest.fixture(scope="module")
def live_gateway(upstream, tmp_path_factory):
    gateway = Gateway(upstream, tmp_path_factory.mktemp("live"))
    yield gateway
    gateway.end()


@pytest.fixture
def connect(live_gateway):
    """Connects as a user of its own."""

    def connect(team="", key="a-key-of-the-callers", **query):
        door = live_gateway.url.replace("http", "ws", 1) + "/deepgram"
        places = deepgram.environment.DeepgramClientEnvironment(
            base=door, production=door, agent=door, agent_rest=door
        )
        headers = {"X-Tollgate-User": f"live-{next(USERS)}", "X-Tollgate-Team": team}
        client = deepgram.DeepgramClient(api_key=key, environment=places, headers=headers)
        return client.listen.v1.connect(**{"model": "nova-3", **RAW, **query})

    return connect


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
