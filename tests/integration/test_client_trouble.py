"""The client in trouble: no server, no daemon, no stream; server and daemon that go and come back under way."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tallystick import BusError, NoDaemon, OperationError, PublishError, StreamError
from tallystick.aio import Client
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.streams import ensure_input
from tallystick.config import Input, load
from tallystick.daemon.run import run
from tallystick.errors import ConfigurationError
from tests.integration.daemon import configure, prove, until
from tests.integration.servers import ConfiguredServer

pytestmark = pytest.mark.slow

Result = TypeVar("Result")
CAME: dict[str, Any] = {"source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1", "quantity": 1}
LAMP: Any = {"sku": "LAMP", "location": "DC1", "quantity": "0.5"}


@asynccontextmanager
async def daemon(folder: Path, server: EmbeddedServer) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(configure(folder, server), stop=stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 120)


async def at_last(call: Callable[[], Awaitable[Result]]) -> Result:
    """What a program does: the same again, under the same key, until it is answered."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await call()
            except (BusError, PublishError, StreamError):
                await asyncio.sleep(0.05)


async def ready(client: Client) -> None:
    async def is_ready() -> bool:
        try:
            return (await client.status())["ready"]
        except BusError:
            return False

    await until(is_ready)


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:  # Bound, and nobody listens.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = Client(f"nats://joe:hunter2@127.0.0.1:{port}", timeout_s=0.5)
        for _ in range(2):
            with pytest.raises(BusError, match=f"no connection to 127.0.0.1:{port} within 0.[345]") as raised:
                await client.atp("LAMP")
            assert "hunter2" not in str(raised.value)
        many = await asyncio.wait_for(asyncio.gather(*(client.status() for _ in range(50)), return_exceptions=True), 30)
        assert {type(one) for one in many} == {BusError}


async def test_no_daemon_and_no_stream_are_told_apart(server: EmbeddedServer, bus: JetStream) -> None:
    async with Client(server.url) as client:
        with pytest.raises(NoDaemon, match=r"no daemon answers at 127.0.0.1:.*; start one with: tallystick run"):
            await client.status()
        with pytest.raises(StreamError, match=r"listens to tallystick.events; give the daemon's configuration"):
            await client.publish(CAME)
        await ensure_input(bus, Input())
        assert [one.sequence for one in await client.publish([CAME, CAME])] == [1, 2]
        with pytest.raises(NoDaemon):
            await client.publish(CAME, wait=True)
    with pytest.raises(OperationError, match="was closed"):
        await client.status()


async def test_who_may_not_ask_is_told(tmp_path: Path) -> None:
    users = [{"user": "shop", "password": "secret", "permissions": {"publish": {"deny": "tallystick.reserve"}}}]
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"users": users}}) as server:
        (tmp_path / "password").write_text("secret\n")
        async with Client(server.url, user="shop", password_file=tmp_path / "password", timeout_s=2) as client:
            with pytest.raises(BusError, match=r"denies this user tallystick.reserve"):
                await client.reserve(LAMP, source="shop")
        with pytest.raises(BusError, match="Authorization Violation"):
            await Client(server.url, user="shop", password="wrong", timeout_s=2).status()


def test_settings_are_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[nats]\nurl = "nats://10.0.0.5"\nuser = "erp"\n[input]\nsubjects = ["a.b"]\n')
    client = Client(config=tmp_path / "a.toml", password="x")
    assert (client.settings.nats.url, client.settings.nats.user) == ("nats://10.0.0.5", "erp")
    assert client.settings.input.subject == "a.b"
    assert Client("nats://10.0.0.6", config=str(tmp_path / "a.toml")).settings.nats.url == "nats://10.0.0.6"
    assert Client("nats://10.0.0.7", config=client.settings).settings.nats.user == "erp"


MISGIVEN: list[tuple[dict[str, Any], str]] = [
    ({"pasword": "x"}, 'a client has no setting "pasword"; did you mean "password"?'),
    ({"timeout": 3}, 'a client has no setting "timeout"; did you mean "timeout_s"?'),
    ({"password": "x"}, "nats.password needs nats.user"),
    ({"user": "a", "token": "b"}, "give one of nats.user, nats.token, nats.token_file"),
    ({"url": "localhost:14102"}, 'nats.url = "localhost:14102" does not do; give an address'),
    ({"connect_timeout_s": "soon"}, 'nats.connect_timeout_s = "soon" does not do; give a number'),
    ({"timeout_s": 0}, "timeout_s = 0 does not do; give seconds, more than zero"),
    ({"timeout_s": "3"}, "timeout_s = '3' does not do"),
]


@pytest.mark.parametrize(("given", "words"), MISGIVEN)
def test_what_was_given_is_named_and_no_environment(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(**given)
    assert str(raised.value).startswith(words)


def test_what_stands_in_the_environment_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_NATS_CONNECT_TIMEOUT_S", "soon")
    with pytest.raises(ConfigurationError, match=r"^environment: TALLYSTICK_NATS_CONNECT_TIMEOUT_S: nats\.connect"):
        Client("nats://10.0.0.5")
    monkeypatch.delenv("TALLYSTICK_NATS_CONNECT_TIMEOUT_S")
    with pytest.raises(ConfigurationError, match="user goes with a file"):
        Client(config=load(), user="x")


async def test_a_daemon_that_is_started_again_loses_no_request(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    async with Client(server.url, timeout_s=1) as client:

        async def sell(number: int) -> Any:
            return await at_last(lambda: client.reserve(LAMP, source="shop", id=f"r{number}", ttl="1d"))

        async with daemon(tmp_path, server):
            await ready(client)
            await client.publish(CAME | {"id": "0", "quantity": 1_000}, wait=True)
            sold = [asyncio.create_task(sell(number)) for number in range(100)]
        sold += [asyncio.create_task(sell(number)) for number in range(100, 200)]
        async with daemon(tmp_path, server):
            answers = await asyncio.gather(*sold)
            assert {one["status"] for one in answers} == {"granted"}
            assert {one["id"] for one in answers} == {f"r{number}" for number in range(200)}
            await ready(client)
            (position,) = (await client.atp("LAMP"))["positions"]
            assert (position["reserved"], position["atp"]) == (100, 900)


async def test_a_server_that_is_started_again_under_way_costs_nothing(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    config, stop = configure(tmp_path, server), asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    async with Client(server.url, timeout_s=30) as client:
        await ready(client)
        begun = asyncio.Event()

        async def say(number: int) -> None:
            event = CAME | {"id": f"e{number}", "quantity": Decimal("0.25")}
            for _ in range(10):
                await at_last(lambda: client.publish(event))
                begun.set()
            held = await at_last(lambda: client.reserve(LAMP, source="shop", id=f"r{number}", policy="partial"))
            assert held["status"] in ("granted", "partly", "insufficient")

        saying = asyncio.gather(*(say(number) for number in range(40)))
        await begun.wait()
        for kind in (server.restart, server.kill, server.start):
            await asyncio.to_thread(kind)
        await saying
        await ready(client)
        (position,) = (await client.atp("LAMP"))["positions"]
        assert position["on_hand"] == 10
    stop.set()
    await prove(bus, config, await asyncio.wait_for(running, 120))


async def test_a_client_belongs_to_one_event_loop(server: EmbeddedServer) -> None:
    client = Client(server.url)
    await client.connect()

    def elsewhere() -> None:
        with pytest.raises(OperationError, match=r"another event loop; .* or use tallystick\.Client"):
            asyncio.run(client.status())

    await asyncio.to_thread(elsewhere)
    await client.close()
