"""Ticker: time passes in the log only when a message comes, so when something is due, the daemon sends one.

What is due (an expiry, the next day) happens at its log time. If nobody puts a message into the event stream by then, a
`tick` does, under an id that is the same from every daemon. What the time is, the server says, whose clock stamps the
messages; this host's may be wrong. It decides nothing: when a tick never comes, all happens with the next event.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tallystick import exact_json

if TYPE_CHECKING:
    from nats.aio.client import Client

LOOK_EVERY_S: Final = 1.0
SOURCE: Final = "tallystick"
_AGAIN_AFTER_NS: Final = 10_000_000_000
"""A tick that did not move the log's time, as where another server of a cluster stamped it, is sent again later."""
_AGREES_NS: Final = 60_000_000_000
"""Clocks of server and host that differ by less agree."""
_log: Final = logging.getLogger(__name__)


class Ticker:
    """Says when to look, and publishes a tick on `subject` when one is needed."""

    def __init__(
        self, client: "Client", subject: str, after_s: float, server_time_ns: Callable[[], int | None]
    ) -> None:
        """`after_s`: seconds that something must be due for; 0: there is never a tick.

        `server_time_ns` is the server's time in ns since 1970; None: it is not known yet.
        """
        self.ticks_total = 0
        self._client = client
        self._server_time_ns = server_time_ns
        self._subject = subject
        self._after_ns = round(after_s * 1e9)
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def is_time_to_look(self) -> bool:
        """Whether a look is due: once a second, or never."""
        if not self._after_ns or time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_EVERY_S
        return True

    async def tick_if_overdue(self, due_ns: int | None, log_time_ns: int | None) -> None:
        """Publishes a tick if the log's time has not reached what was due a while ago, both in ns since 1970.

        Only for a caller that has applied the whole log: otherwise a message still to be read may bring the time.
        """
        from nats.errors import Error

        if due_ns is None or (log_time_ns is not None and log_time_ns >= due_ns):
            return
        now_ns = self._server_time_ns()
        if now_ns is None or not self._client.is_connected:
            return
        overdue_ns = now_ns - due_ns - self._after_ns
        if overdue_ns < 0:
            return
        host_ns = time.time_ns()
        # A silence that is over is believed at once if two clocks agree (docs/events.md §12); one that is wrong is no
        # witness.
        event = tick(due_ns, host_ns if abs(host_ns - now_ns) < _AGREES_NS else None)
        message_id = f"tick-{due_ns}-{overdue_ns // _AGAIN_AFTER_NS}"
        try:
            await self._client.publish(self._subject, event, headers={"Nats-Msg-Id": message_id})
        except Error as error:  # The next look tries again.
            _log.debug("a tick: %s", error)
        else:
            self.ticks_total += 1


def tick(due_ns: int, time_ns: int | None = None) -> bytes:
    """Returns the event that brings the log's time to what is due: that it is a message does it.

    `time_ns`, in ns since 1970, is the time by a clock that is not the server's.
    """
    event = {"specversion": "1.0", "id": f"tick-{due_ns}", "source": SOURCE, "type": "tick"}
    if time_ns is not None:
        event["time"] = datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return exact_json.dumps(event)
