"""A shell for the documents: runs what they show after `$ `, in one session, and compares what it prints.

`…` in a document stands for whatever may be there, a line of it for any number of lines.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from tests.integration.servers import free_port

PATIENCE_S: Final = 60.0
_NOT_YET: Final = (3, 4)
"""No usable server, no stream: whoever typed has been faster than the daemon. Nothing was sent."""
_ASKS: Final = re.compile(
    r"(tallystick (atp|claims|exceptions (list|show|stats)|reservations|sources|trace|trail)|python look.py)\b"
)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, with what it shows. A line that ends with a backslash goes on."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = re.sub(r"\\\n\s*", "", part).partition("\n")
        yield command, shown


def fits(shown: str, printed: str) -> bool:
    """Whether what was printed is what a document shows."""
    lines = [re.escape(line).replace("…", ".*") for line in shown.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == ".*" else rf"{line}\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed.splitlines())) is not None


class Shell:
    """A bash of a test's own, in a folder, with `tallystick` on its path and a free port as the server's."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.url = f"nats://127.0.0.1:{free_port()}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        given = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        self._environment = (
            given
            | {"PATH": path, "TALLYSTICK_NATS_URL": self.url, "PORT": str(free_port())}
            | {"TALLYSTICK_PROCESS_LOG_FORMAT": "text"}  # as on a terminal
            | dict(environment or {})
        )

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bash.poll() is None:
            self._bash.communicate("kill $(jobs -p) 2>/dev/null\nwait\n", timeout=PATIENCE_S)
        for pid in self._left():
            os.kill(pid, signal.SIGKILL)

    def _left(self) -> list[int]:
        """What was started here, and has outlived its shell: it is known by the server that it was given."""
        mark = f"TALLYSTICK_NATS_URL={self.url}\0".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def type(self, command: str) -> tuple[int, str]:
        """Runs one command; returns its status and what it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        # Nothing that is started may read what is typed next.
        self._bash.stdin.write(f"{{ {command}\n}} < /dev/null\nprintf '\\001%d\\n' $?\n")
        self._bash.stdin.flush()
        printed = ""
        watchdog = threading.Timer(PATIENCE_S, self._bash.kill)
        watchdog.start()
        try:
            for line in self._bash.stdout:
                text, ended, status = line.partition("\001")
                printed += text
                if ended:
                    return int(status), printed
        finally:
            watchdog.cancel()
        raise AssertionError(f"no end, or none in time: {command}\n{printed}")

    def show(self, block: str) -> None:
        """Runs a block of a document. What can be asked again is, until it shows what the document says."""
        for command, shown in commands(block):
            deadline = time.monotonic() + PATIENCE_S
            while True:
                status, printed = self.type(command)
                is_early = status in _NOT_YET or (_ASKS.match(command) and not fits(shown, printed))
                if not is_early or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
            assert fits(shown, printed), f"$ {command}\n{printed}\ninstead of\n{shown}"
