"""Link: what is known of the way to the server: since when, why not, when to try again, and what it denies.

It tells each reason when it appears and once a minute while it lasts. It opens and closes nothing; see
`patient_client`.
"""

import logging
import random
import re
import ssl
import time
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.errors import BusError

WAIT_LEAST_S: Final = 0.25
WAIT_AWAY_S: Final = 2.0
"""Longest wait for a server that is away: its return is not to be missed by much."""
WAIT_REFUSED_S: Final = 15.0
"""Longest wait for one that is there and does not let us in."""
REFUSED_FOR_S: Final = 300.0
"""How long a connection that was up is asked for again while the server refuses who we are; then it is given up."""
_STEADY_S: Final = 5.0
"""A connection that held this long counts as one: the waits begin anew after it."""
_AGAIN_AFTER_S: Final = 60.0
_REASONS_MAX: Final = 32
_DENIED_MAX: Final = 256
_DENIAL: Final = re.compile(r"permissions violation for (publish|subscription) to \"?([^\s\"]+)", re.IGNORECASE)
_WHO: Final = re.compile(r"authoriz|authentic|credential|revoked|expired|certificate|account", re.IGNORECASE)
_log: Final = logging.getLogger(__name__)


class WayInError(BusError):
    """What `[nats]` says of the way in cannot be used: a file is missing, or holds something else."""


class Link:
    """The state of one connection: `connecting`, `connected`, `reconnecting` or `closed`."""

    def __init__(self, address: str) -> None:
        self.state = "connecting"
        self.reason: str | None = None
        """Why it is not connected, or was not before; None: nothing ever went wrong."""
        self.wait_s = WAIT_LEAST_S
        """How long to wait before the next attempt."""
        self.denied: dict[str, str] = {}
        """What the server denies on this connection: subject → its words, in small letters, as nats-py has them."""
        self._address = address
        self._since_ns = time.time_ns()
        self._connected_at = 0.0
        self._attempts = 0
        self._refused_at: float | None = None
        self._told: dict[str, float] = {}

    def facts(self) -> dict[str, Any]:
        """The state for people: what it is, since when (RFC 3339), and why."""
        since = datetime.fromtimestamp(self._since_ns // 1_000_000_000, UTC)
        return {"state": self.state, "since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "reason": self.reason}

    @property
    def is_given_up(self) -> bool:
        """Whether the server has refused for so long who we are that only a person can mend it."""
        refused_at = self._refused_at
        return refused_at is not None and time.monotonic() - refused_at >= REFUSED_FOR_S

    def note_connected(self) -> None:
        """The server has let us in."""
        if self.state != "connecting":
            _log.info("connected again to %s", self._address)
        self._enter("connected")
        self._connected_at = time.monotonic()
        self._refused_at = None
        self.denied.clear()
        self._told.clear()

    def note_lost(self, error: Exception | str) -> None:
        """The connection broke, or the server ended it."""
        if self.state != "connected":
            return
        if time.monotonic() - self._connected_at >= _STEADY_S:
            self._attempts, self.wait_s = 0, WAIT_LEAST_S
        self._enter("reconnecting")
        self.reason = text_of(error)
        self._remember(self.reason, time.monotonic())
        _log.warning("connection to %s lost: %s; reconnecting", self._address, self.reason)

    def note_failure(self, error: Exception) -> None:
        """An attempt failed: says why, and how long to wait now."""
        error = error.__cause__ if isinstance(error.__cause__, WayInError) else error
        text = text_of(error)
        if denial := _DENIAL.search(text):
            self._note_denial(denial[2], text)
            return
        if self.state in {"connected", "closed"}:
            _log.debug("%s", text)
            return
        self.reason = text
        self._attempts += 1
        away = isinstance(error, (OSError, TimeoutError)) and not isinstance(error, ssl.SSLError)
        longest_s = min(WAIT_AWAY_S if away else WAIT_REFUSED_S, WAIT_LEAST_S * 2 ** min(self._attempts, 16))
        self.wait_s = longest_s * random.uniform(0.5, 1.0)  # noqa: S311 (so that not all come back at once)
        if self.state == "reconnecting":
            if isinstance(error, (ssl.SSLError, WayInError)) or (not away and _WHO.search(text)):
                self._refused_at = self._refused_at or time.monotonic()
            elif not away:
                self._refused_at = None  # It is full, or something else that passes.
        self._tell(text, logging.WARNING if self.state == "reconnecting" else logging.INFO)

    def note_closed(self) -> None:
        """Nobody tries any more."""
        self._enter("closed")

    def _enter(self, state: str) -> None:
        self.state = state
        self._since_ns = time.time_ns()

    def _note_denial(self, subject: str, text: str) -> None:
        # Permissions do not heal by themselves, and nats-py goes on without them as if nothing was.
        if len(self.denied) < _DENIED_MAX:
            self.denied[subject.lower()] = text
        now = time.monotonic()
        if now - self._told.get(text.lower(), -_AGAIN_AFTER_S) >= _AGAIN_AFTER_S:
            self._remember(text, now)
            _log.warning("%s: %s; docs/security.md has the permissions that are needed", self._address, text)

    def _tell(self, text: str, level: int) -> None:
        now = time.monotonic()
        if now - self._told.get(text.lower(), -_AGAIN_AFTER_S) < _AGAIN_AFTER_S:
            _log.debug("no connection to %s: %s", self._address, text)
            return
        self._remember(text, now)
        _log.log(level, "no connection to %s: %s; trying again", self._address, text)

    def _remember(self, text: str, now: float) -> None:
        if len(self._told) >= _REASONS_MAX:
            self._told.pop(next(iter(self._told)))
        self._told[text.lower()] = now  # nats-py changes the case of some.


def text_of(error: Exception | str) -> str:
    """Returns the words of an error without the ornaments of the libraries that it went through.

    >>> text_of("nats: 'Authorization Violation'")
    'Authorization Violation'
    """
    text = str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
    text = re.sub(r"^\[SSL[^\]]*\] | \(_ssl\.c:\d+\)|\[Errno [^\]]*\] ", "", text.removeprefix("nats: "))
    return " ".join(text.strip("'").split())
