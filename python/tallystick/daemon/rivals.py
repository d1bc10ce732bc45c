"""Rivals: other daemons that write to the same output streams. Only one may, so the one that comes later ends.

They find each other as NATS micro services do: each tells in its service's metadata what it writes. The fence of the
streams holds in any case; this names who else is there before anything is written.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tallystick.config import Output
from tallystick.errors import OutputFenced

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

SERVICE: Final = "tallystick"
INFO_SUBJECT: Final = f"$SRV.INFO.{SERVICE}"
"""Where each daemon tells of itself, to whoever may ask."""
LISTEN_S: Final = 0.25
"""How long answers are waited for; who is there answers in milliseconds."""


def metadata(settings: Output) -> dict[str, str]:
    """What this daemon tells of itself."""
    return {
        "outputs": f"{settings.availability_stream},{settings.exceptions_stream}",
        "host": socket.gethostname(),
        "process": str(os.getpid()),
        "started": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


async def refuse_rivals(client: "Client", settings: Output, own_id: str | None = None) -> None:
    """Asks who else writes to the output streams. Raises OutputFenced that names it, if there is one.

    `own_id` is the id of this daemon's service, once it has one.
    """
    own = {settings.availability_stream, settings.exceptions_stream}
    for about in await services(client):
        told: Mapping[str, Any] = about.get("metadata") or {}
        shared = sorted(own.intersection(str(told.get("outputs", "")).split(",")))
        if about.get("id") == own_id or not shared:
            continue
        raise OutputFenced(
            f"stream {shared[0]} is written by another daemon: process {told.get('process')} on {told.get('host')}, "
            f"started {told.get('started')}; stop that one, or name other streams in [output]"
        )


async def services(client: "Client", listen_s: float = LISTEN_S) -> list[dict[str, Any]]:
    """Returns what the services of our name tell of themselves."""
    import orjson
    from nats.errors import Error

    found: list[dict[str, Any]] = []

    async def note(message: "Msg") -> None:
        with contextlib.suppress(orjson.JSONDecodeError):
            if message.data and isinstance(about := orjson.loads(message.data), dict):
                found.append(about)

    inbox = client.new_inbox()
    try:
        subscription = await client.subscribe(inbox, cb=note)
        await client.publish(INFO_SUBJECT, b"", inbox)
        await asyncio.sleep(listen_s)
        await subscription.unsubscribe()
    except Error:  # The connection broke: the fence finds out.
        return found
    return found
