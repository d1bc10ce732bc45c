"""The page of the client is true: its examples run beside a daemon, in their order, and it shows every method."""

import asyncio
import re
from pathlib import Path

from tallystick import Client
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.client.blocking import Exceptions
from tests.integration.desk import at_work

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
URL = "nats://127.0.0.1:4222"


async def test_examples_run(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    def run_example(example: str) -> None:
        exec(compile(example.replace(URL, server.url), "example", "exec"), {"__name__": "__main__"})  # noqa: S102

    async with at_work(tmp_path, server, bus, []) as end:
        for example in EXAMPLES:
            assert URL in example
            await asyncio.to_thread(run_example, example)
        await end()


def test_every_method_is_shown() -> None:
    unshown = {"connect", "close"}
    for kind, before in ((Client, "client"), (Exceptions, r"client\.exceptions")):
        names = {name for name in vars(kind) if not name.startswith("_")} - unshown
        used = set(re.findall(rf"\b{before}\.(\w+)\(", "\n".join(EXAMPLES)))
        named = set(re.findall(r"`(?:exceptions)?\.?(\w+)[`(]", PAGE))
        assert names <= used | named, names - used - named
        assert used - {"exceptions"} <= names
