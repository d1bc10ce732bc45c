"""Daemon: `tallystick run` as a process of its own, watched over the bus, killed and started again at will."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.bus.questions import STATUS_SUBJECT
from tallystick.errors import OperationError

if TYPE_CHECKING:
    from nats.aio.client import Client


STATUS_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Status:
    """What the daemon says about itself."""

    sequence: int
    lag: int
    outcomes: dict[str, int]

    @property
    def events(self) -> int:
        """Elements with an outcome so far."""
        return sum(self.outcomes.values())


class Daemon:
    """One daemon process. Its words go to `log`; an end that nobody asked for is an OperationError."""

    def __init__(self, config: Path, log: Path) -> None:
        self.kills = 0
        self._config = config
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process. It restores the newest snapshot and goes on from there."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tallystick", "run", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the daemon in its own way.
            )

    def kill(self) -> None:
        """Ends the process as a power cut would: no signal handler, no last words."""
        assert self._process is not None, "start it first"
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def check(self) -> None:
        """Raises OperationError if the process ended by itself."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise OperationError(f"the daemon ended with status {status}: {self.last_words()}; see {self._log}")

    async def stop(self) -> None:
        """Asks for a clean stop (SIGTERM) and waits for the last snapshot."""
        process, self._process = self._process, None
        if process is None:
            return
        os.kill(process.pid, signal.SIGTERM)
        try:
            status = await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise OperationError(f"the daemon did not stop within {STOP_TIMEOUT_S:.0f} s; see {self._log}") from None
        if status != 0:
            raise OperationError(f"the daemon stopped with status {status}: {self.last_words()}; see {self._log}")

    def abandon(self) -> None:
        """Ends the process without ceremony, when the demo itself fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self._log.read_text("utf-8", "replace").split("\n") if self._log.is_file() else []
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


async def ask_status(connection: "Client") -> Status | None:
    """The daemon's status over the bus, or None while it is away."""
    import orjson
    from nats.errors import Error as NatsError

    try:
        reply = await connection.request(STATUS_SUBJECT, b"{}", STATUS_TIMEOUT_S)
    except NatsError:  # Nobody there, or killed before it could answer.
        return None
    answer = orjson.loads(reply.data)
    return Status(answer["sequence"], answer["lag"], answer["outcomes"])
