"""Watch: a subscriber to availability that notes when each flush was complete, and the daemon beside it.

A run that stalls ends with what it waited for, how far things were, and the last words of daemon and server.
"""

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from benches.bare_socket import RECEIVE_BYTES, BareSocket
from benches.meter import other_process

PATIENCE_S: Final = 60.0
"""Without any progress for this long, a run has stalled."""
STOP_PATIENCE_S: Final = 300.0
"""A daemon that is told to stop still applies what has arrived, publishes it and saves."""
_LOOK_S: Final = 0.005
_LAST_LINES: Final = 5
_PARTS: Final = re.compile(rb"Tallystick-Through: (\d+)\r\nTallystick-Part: (\d+)\r\nTallystick-Parts: (\d+)\r\n")
_HEAD_BYTES: Final = 1_024
"""More than the headers of one message have."""


class Stalled(Exception):
    """Nothing moved any more. The text says what was waited for and how far it was."""


class Daemon:
    """`tallystick run` in a process of its own, used as a context manager; what it says goes into a file beside it."""

    def __init__(self, config: Path) -> None:
        self._log_file = config.with_name("daemon.log")
        command = [sys.executable, "-m", "tallystick", "run", "--report-every-s", "1", "--config", str(config)]
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:  # Only after a failure: `stop` waits for the end.
            self._process.kill()
            self._process.wait()

    @property
    def ended(self) -> bool:
        """Whether it is no longer running, which it should."""
        return self._process.poll() is not None

    def used(self) -> tuple[float, int]:
        """CPU seconds and peak memory in KiB so far, of this process alone."""
        return other_process(self._process.pid)

    def stop(self) -> None:
        """Tells it to stop, and waits until it has saved. Raises Stalled if it does not end, or not cleanly."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Stalled(
                f"waited {STOP_PATIENCE_S:.0f} s for the daemon to stop after SIGTERM; {self.last_words()}"
            ) from None
        if status != 0:
            raise Stalled(f"the daemon was told to stop and ended with status {status}; {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log, on one line."""
        return "its last words: " + last_lines(self._log_file)


def last_lines(path: Path) -> str:
    """The last lines of a log, joined."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "(no log)"
    return " | ".join(lines[-_LAST_LINES:]) or "(none)"


class Watch:
    """A subscriber to availability that notes when each flush was complete. A context manager with its own thread."""

    def __init__(self, port: int, subject: str) -> None:
        self._connection = BareSocket(port)
        self._connection.set_timeout(None)  # An idle stream is no failure; whoever waits has the patience.
        self._connection.send(f"SUB {subject} 1\r\nPING\r\n".encode())
        self._seen: list[tuple[int, float]] = [(0, 0.0)]
        """Log sequence and moment, both growing."""
        self._closing = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        if self._failure is None:
            self._connection.send(b"PING\r\n")  # Its answer wakes the reader.
        self._thread.join(PATIENCE_S)
        self._connection.__exit__()

    def _watch(self) -> None:
        try:
            self._read()
        except (OSError, ValueError) as error:
            self._failure = error  # Whoever waits tells it.

    def _read(self) -> None:
        buffer, rest = bytearray(RECEIVE_BYTES), b""
        while not self._closing:
            data = rest + buffer[: self._connection.receive(buffer)]
            now = time.monotonic()
            at = 0
            for found in _PARTS.finditer(data):
                through, part, parts = map(int, found.groups())
                at = found.end()
                if part + 1 == parts and through > self._seen[-1][0]:
                    self._seen.append((through, now))
            if b"PING\r\n" in data:
                self._connection.send(b"PONG\r\n")
            rest = data[max(at, len(data) - _HEAD_BYTES) :]

    def wait_for(self, what: str, sequence: int, daemon: Daemon, *, limit_s: float) -> bool:
        """Waits until a log sequence is visible. False if that takes longer than `limit_s` though things move.

        Raises Stalled when nothing new was seen for `PATIENCE_S`, or when the daemon or this watch has ended.
        """
        begun = moved = time.monotonic()
        last = self._seen[-1][0]
        while (seen := self._seen[-1][0]) < sequence:
            now = time.monotonic()
            if seen > last:
                last, moved = seen, now
            where = f"{what}: waited for message {sequence:,} of the event stream to be visible, saw {seen:,}"
            if self._failure is not None:
                raise Stalled(f"{where}; the watching connection broke: {self._failure}; {daemon.last_words()}")
            if daemon.ended:
                raise Stalled(f"{where}; the daemon has ended; {daemon.last_words()}")
            if now - moved > PATIENCE_S:
                raise Stalled(f"{where}, and nothing new for {now - moved:.0f} s; {daemon.last_words()}")
            if now - begun > limit_s:
                return False
            time.sleep(_LOOK_S)
        return True

    @property
    def seen(self) -> int:
        """The last message of the event stream whose effects are visible."""
        return self._seen[-1][0]

    def latencies(self, due: NDArray[np.float64], first_sequence: int) -> NDArray[np.float64]:
        """Seconds of each message, given when it was due. What was never seen is without end."""
        through, moments = (np.array(column) for column in zip(*self._seen, strict=True))
        at = np.searchsorted(through, np.arange(first_sequence, first_sequence + len(due)))
        seen: NDArray[np.float64] = np.append(moments, np.inf)[at] - due
        return seen
