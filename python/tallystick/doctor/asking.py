"""Asking: one question to the server or to a daemon, and why there is no answer. It judges nothing."""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import denial

if TYPE_CHECKING:
    from nats.aio.client import Client

ASK_S: Final = 2.0
_LOOK_S: Final = 0.05
"""How often it is looked whether the server has denied the question, as it answers nothing then."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question came to."""

    answer: dict[str, Any] | None
    """None: there was none, or it was no object."""
    denied: str | None = None
    """The line about the permission that lacks, with its cure; None: it may be asked."""


async def ask(client: "Client", subject: str, wait_s: float = ASK_S) -> Asked:
    """Asks once, and waits no longer than until the server denies it."""
    from nats.errors import Error

    answering = asyncio.ensure_future(client.request(subject, b"", wait_s))
    try:
        while not (await asyncio.wait((answering,), timeout=_LOOK_S))[0]:
            if (denied := denial(client, subject)) is not None:
                return Asked(None, denied)
        found = json.loads(answering.result().data)
    except (Error, ValueError):
        return Asked(None, denial(client, subject))
    finally:
        answering.cancel()
    return Asked(found if isinstance(found, dict) else None)
