"""nats-py callback loop: a push subscription whose callback does what plain Python does, one event per message."""

import asyncio
import tempfile
from pathlib import Path

from benches.bare_socket import BareSocket
from benches.meter import Meter
from benches.peers.plain_python import PlainLedger
from benches.process import Row
from tallystick.bus.embedded import EmbeddedServer


def measure(path: str) -> Row:
    """Stores the lines in a stream before the clock starts, then takes them in from there."""
    lines = Path(path).read_bytes().splitlines()
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder,
        EmbeddedServer(Path(folder), sync="1m") as server,
    ):
        with BareSocket(server.port) as connection:
            connection.request("$JS.API.STREAM.CREATE.PEER", {"name": "PEER", "subjects": ["peer"], "storage": "file"})
            connection.publish("peer", lines)
        return asyncio.run(_consume(server.url, len(lines)))


async def _consume(url: str, messages: int) -> Row:
    import nats
    from nats.aio.msg import Msg
    from nats.js.api import AckPolicy, ConsumerConfig

    client = await nats.connect(url)
    ledger, done = PlainLedger(), asyncio.Event()

    async def on_message(message: Msg) -> None:
        ledger.apply((message.data,))
        if ledger.events == messages:
            done.set()

    try:
        with Meter() as meter:
            await client.jetstream().subscribe(
                "peer",
                cb=on_message,
                manual_ack=True,
                config=ConsumerConfig(ack_policy=AckPolicy.NONE),
                flow_control=True,  # without it the server ends the connection of so slow a reader
                idle_heartbeat=5.0,
                pending_msgs_limit=0,
                pending_bytes_limit=0,
            )
            await asyncio.wait_for(done.wait(), 120)
        return {**meter.figures(messages), "duplicates": ledger.duplicates, "balance_hash": ledger.hash}
    finally:
        await client.close()
