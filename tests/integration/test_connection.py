"""A connection whose socket goes away between two calls, under the event loop that the daemon runs on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from nats.errors import Error

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.config import Nats
from tallystick.errors import BusError


@asynccontextmanager
async def connection(server: EmbeddedServer) -> AsyncIterator[Any]:
    client = await connect(Nats(url=server.url))
    try:
        yield client
    finally:
        await asyncio.wait_for(client.close(), 5)


async def lose_socket(client: Any) -> None:
    """Closes the socket while nats-py does not read from it, so that the next call is the first to find out."""
    client._reading_task.cancel()
    client._transport._io_writer.transport.abort()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("call", ["publish", "subscribe", "request", "flush"])
def test_a_call_on_a_socket_that_was_closed_finds_a_lost_connection(server: EmbeddedServer, call: str) -> None:
    async def work() -> None:
        async with connection(server) as client:
            heard = await client.subscribe("told")
            await client.flush(5)
            await lose_socket(client)
            calls = {
                "publish": lambda: client.publish("told", b"sent when it is back"),
                "subscribe": lambda: client.subscribe("other"),
                "request": lambda: client.request("nobody", timeout=1),
                "flush": lambda: client.flush(1),
            }
            try:
                await calls[call]()
            except Error:
                assert call in ("request", "flush"), "an answer that went down with the connection"
            while not client.stats["reconnects"]:  # noqa: ASYNC110 (it reconnects on its own)
                await asyncio.sleep(0.01)
            await client.publish("told", b"last")
            found = [(await heard.next_msg(5)).data]
            while found[-1] != b"last":
                found.append((await heard.next_msg(5)).data)
            assert found == [b"sent when it is back"] * (call == "publish") + [b"last"]

    uvloop.run(asyncio.wait_for(work(), 30))


def test_what_is_pending_when_a_socket_was_closed_does_not_stop_the_end(server: EmbeddedServer) -> None:
    async def work() -> None:
        async with connection(server) as client:
            await lose_socket(client)
            client._pending.append(b"PUB told 0\r\n\r\n")
            client._pending_data_size += len(client._pending[-1])
        assert client.is_closed

    uvloop.run(asyncio.wait_for(work(), 30))


def test_a_socket_that_closes_while_it_reconnects_is_tried_again(server: EmbeddedServer) -> None:
    async def work() -> None:
        async with connection(server) as client:
            await client.subscribe("told")
            begin, begun, is_back = client._process_connect_init, [], asyncio.Event()

            async def begin_and_lose() -> None:
                await begin()
                begun.append(True)
                if len(begun) == 1:
                    await lose_socket(client)

            async def note_reconnect() -> None:
                is_back.set()

            client._process_connect_init = begin_and_lose
            client._reconnected_cb = note_reconnect
            await client._process_op_err(ConnectionResetError())
            await is_back.wait()
            assert len(begun) == 2
            await client.flush(5)

    uvloop.run(asyncio.wait_for(work(), 30))


def test_of_several_servers_one_that_is_there_is_enough(server: EmbeddedServer) -> None:
    async def work() -> None:
        for url in (f"nats://127.0.0.1:1,{server.url}", f"{server.url}, nats://127.0.0.1:1"):
            client = await connect(Nats(url=url))
            await client.flush(5)
            await client.close()
        with pytest.raises(BusError, match=r"no connection to 127\.0\.0\.1:1, 127\.0\.0\.1:2 within"):
            await connect(
                Nats(url="nats://joe:hunter2@127.0.0.1:1,nats://joe:hunter2@127.0.0.1:2", connect_timeout_s=1)
            )

    uvloop.run(asyncio.wait_for(work(), 30))
