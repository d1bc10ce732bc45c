"""A connection whose socket goes away between two calls, under the event loop that the daemon runs on."""

import asyncio
from typing import Any

import pytest
import uvloop
from nats.errors import Error

from tallystick.config import Nats
from tallystick.connection import connect
from tallystick.embedded import EmbeddedServer


def close_socket(client: Any) -> None:
    """Closes the client's socket as the loop does when the peer has gone, before nats-py has read of it."""
    client._transport._io_writer.transport.abort()


@pytest.mark.parametrize("call", ["publish", "subscribe", "request", "flush", "close"])
def test_a_call_on_a_socket_that_just_closed_finds_a_lost_connection(server: EmbeddedServer, call: str) -> None:
    async def work() -> bytes:
        client = await connect(Nats(url=server.url))
        heard = await client.subscribe("told")
        close_socket(client)
        calls = {
            "publish": lambda: client.publish("told", b"before"),
            "subscribe": lambda: client.subscribe("other"),
            "request": lambda: client.request("nobody", timeout=1),
            "flush": lambda: client.flush(1),
            "close": client.close,
        }
        try:
            await calls[call]()
        except Error:
            assert call in ("request", "flush"), "an answer that went down with the connection"
        if call == "close":
            assert client.is_closed
            return b""
        await client.publish("told", b"after")
        first = await heard.next_msg(10)
        message = first if first.data == b"after" else await heard.next_msg(10)
        await client.close()
        return message.data

    assert uvloop.run(asyncio.wait_for(work(), 30)) == (b"" if call == "close" else b"after")


def test_what_is_pending_when_a_socket_closed_does_not_stop_the_end(server: EmbeddedServer) -> None:
    async def work() -> None:
        client = await connect(Nats(url=server.url))
        server.stop()
        await asyncio.sleep(0.05)
        await client.publish("told", b"never sent")
        await client.close()
        assert client.is_closed

    uvloop.run(asyncio.wait_for(work(), 30))


def test_a_socket_that_closes_while_it_reconnects_is_tried_again(server: EmbeddedServer) -> None:
    async def work() -> None:
        client: Any = await connect(Nats(url=server.url))
        await client.subscribe("told")
        begin, begun, is_back = client._process_connect_init, [], asyncio.Event()

        async def begin_and_lose() -> None:
            await begin()
            begun.append(True)
            if len(begun) == 1:
                close_socket(client)

        async def note_reconnect() -> None:
            is_back.set()

        client._process_connect_init = begin_and_lose
        client._reconnected_cb = note_reconnect
        close_socket(client)
        await is_back.wait()
        assert len(begun) == 2
        await client.flush(5)
        await client.close()

    uvloop.run(asyncio.wait_for(work(), 30))
