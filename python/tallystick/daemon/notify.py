"""Notify: tells the service manager that the daemon is ready, alive and stopping, as sd_notify(3) says.

A few lines over its socket. Where no service manager listens, nothing is done.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from tallystick.config import ServiceManager
from tallystick.daemon.status import Status

_LOOK_S: Final = 0.1
_TELL_S: Final = 5.0
"""How often it says how far it is."""
_log: Final = logging.getLogger(__name__)


@asynccontextmanager
async def telling(manager: ServiceManager | None, look: Callable[[], Status | None]) -> AsyncIterator[None]:
    """Tells the service manager how the daemon is, as long as the context lasts."""
    if manager is None:
        yield
        return
    task = asyncio.create_task(_tell(manager, look))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(manager: ServiceManager, look: Callable[[], Status | None]) -> None:
    """From the event loop, so that a loop that hangs is seen to hang."""
    is_ready = is_stopping = False
    # Three times as often as is asked for: one that comes late ends the daemon.
    pause_s = min(_LOOK_S, manager.watchdog_s / 3) if manager.watchdog_s else _LOOK_S
    told_at = alive_at = 0.0
    while True:
        status, now, lines = look(), time.monotonic(), list[str]()
        if status is not None and not is_ready:
            is_ready = True
            lines.append("READY=1")
        if status is not None and status.is_stopping and not is_stopping:
            is_stopping = True
            lines.append("STOPPING=1")
        if manager.watchdog_s and now - alive_at >= manager.watchdog_s / 3:
            alive_at = now
            lines.append("WATCHDOG=1")
        if status is not None and now - told_at >= _TELL_S:
            told_at = now
            lines.append(f"STATUS={status.headline(time.time())}")
        if lines:
            _send(manager.address, "\n".join(lines))
        await asyncio.sleep(pause_s)


def _send(address: str, text: str) -> None:
    # An abstract address has a zero byte where it is written with an at sign.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as one:
        one.setblocking(False)
        try:
            one.sendto(text.encode(), place)
        except OSError as error:  # The next one may get through.
            _log.debug("the service manager does not hear: %s", error)
