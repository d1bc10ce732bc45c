"""Asking a daemon over HTTP, as Prometheus and a probe do."""

import asyncio
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def get(
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    context: ssl.SSLContext | None = None,
    method: str = "GET",
    body: bytes | None = None,
) -> Reply:
    """Asks once. Raises OSError if nobody listens."""
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    try:
        connection.request(method, path, body, dict(headers or {}))
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode())
    finally:
        connection.close()


async def ask(port: int, path: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Asks once, beside an event loop."""
    return await asyncio.to_thread(get, port, path, headers)


async def until_ready(port: int, *, is_ready: bool = True) -> Reply:
    """Waits until a daemon answers, and is ready or is not; for a minute at most."""
    async with asyncio.timeout(60):
        while True:
            try:
                reply = await ask(port, "/readyz")
                if (reply.status == 200) is is_ready:
                    return reply
            except (OSError, http.client.HTTPException):
                pass
            await asyncio.sleep(0.05)


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The samples of a scrape, by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def scrape(port: int) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """What a daemon's metrics say now."""
    reply = await ask(port, "/metrics")
    assert reply.status == 200, reply.text
    return samples(reply.text)


async def value(port: int, name: str) -> float:
    """A metric without labels."""
    (found,) = (await scrape(port))[name].values()
    return found
