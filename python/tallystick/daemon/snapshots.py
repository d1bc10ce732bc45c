"""Snapshots on disk: written so that a crash at any moment leaves a valid one, and read back newest first.

What is inside a snapshot is the engine's business; here it is bytes that the engine can verify.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tallystick.errors import SnapshotUnfit, SnapshotWriteError

_NAME: Final = re.compile(r"snapshot-(\d{20})\.tally")
_TEMPORARY_SUFFIX: Final = ".part"
_LOCK: Final = ".lock"
_KEY_BYTES: Final = 16
_MODE: Final = 0o600
"""A snapshot holds the secret key of the idempotency table, too."""
_READ_BYTES: Final = 1 << 20
_CURES: Final = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "raise the quota there",
    errno.EFBIG: "let this user write larger files",
    errno.EROFS: "make it writable",
    errno.EACCES: "let this user write there",
    errno.EPERM: "let this user write there",
    errno.ENOENT: "bring the folder back and start again",
    errno.ENOTDIR: "bring the folder back and start again",
    errno.EMFILE: "let this process open more files",
    errno.ENFILE: "let the host open more files",
}
"""Failures after which another file may be written, and what cures them. After EIO nothing is known any more."""
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A verified snapshot."""

    path: Path
    sequence: int
    data: bytes
    facts: Mapping[str, Any]
    """What the engine says of it: configuration fingerprint, notes, sizes."""


class SnapshotFolder:
    """The folder of one daemon. Used as a context manager, which locks it.

    Raises SnapshotUnfit when another daemon holds the folder, SnapshotWriteError when the disk fails.
    """

    def __init__(self, folder: Path, *, keep: int = 3) -> None:
        self.folder = folder
        self._keep = keep
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise SnapshotUnfit(
                f"{self.folder}: {error.strerror}; set snapshots.folder to one that can be written"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise SnapshotUnfit(
                f"{self.folder} is in use by another daemon ({_written_by(self.folder)}); "
                "stop that one or set another snapshots.folder"
            ) from error
        with contextlib.suppress(OSError):  # A help for people: a full disk must not keep it from starting.
            os.ftruncate(self._lock, 0)
            os.write(self._lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        for leftover in self.folder.glob(f"*{_TEMPORARY_SUFFIX}"):  # Of a crash while writing.
            leftover.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def key(self) -> bytes:
        """Returns the secret key of this folder's idempotency table, 16 bytes; made on first use.

        It is kept beside the snapshots too, so that a ledger rebuilt without any makes the same bytes again.
        """
        path = self.folder / "key"
        try:
            if not path.exists():
                self._place(path, memoryview(secrets.token_bytes(_KEY_BYTES)))
            key = path.read_bytes()
        except OSError as error:
            raise SnapshotWriteError(
                f"{path}: {error.strerror}; make it readable and writable for this user"
            ) from error
        if len(key) != _KEY_BYTES:
            raise SnapshotUnfit(
                f"{path} has {len(key)} bytes instead of {_KEY_BYTES}; bring it back, or move the folder away"
            )
        return key

    def paths(self) -> list[Path]:
        """Returns the files of snapshots, newest first, valid or not."""
        return sorted((path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)

    def newest(self) -> Snapshot | None:
        """Returns the newest valid snapshot. Torn, flipped and newer-format ones are skipped with a warning."""
        from tallystick._engine import SnapshotError, verify_snapshot

        for path in self.paths():
            try:
                data = path.read_bytes()
                facts = verify_snapshot(data)
            except OSError as error:
                _log.warning("%s cannot be read: %s; trying the one before", path, error.strerror)
            except SnapshotError as error:
                _log.warning("%s is not valid: %s; trying the one before", path, error)
            else:
                return Snapshot(path, _sequence(path), data, facts)
        return None

    def write(self, data: bytes | memoryview, sequence: int) -> Path:
        """Makes a snapshot durable under its sequence, then removes the oldest ones beyond `keep`.

        Returns its path once the bytes are written, synced, read back, compared and named, and the folder is synced.
        """
        path = self.folder / f"snapshot-{sequence:020}.tally"
        try:
            self._place(path, memoryview(data))
        except OSError as error:
            cure = _CURES.get(error.errno or 0)
            is_final = cure is None
            cure = cure or "repair the disk, then start again"
            raise SnapshotWriteError(f"{path}: {error.strerror}; {cure}: nothing is lost", is_final=is_final) from error
        self._remove_old()
        return path

    def _place(self, path: Path, data: memoryview) -> None:
        """Puts a file into the folder, whole or not at all, and durably."""
        temporary = path.with_suffix(_TEMPORARY_SUFFIX)
        try:
            _write_durably(temporary, data)
        except OSError:
            with contextlib.suppress(OSError):  # It takes the room that is missing.
                temporary.unlink()
            raise
        # Through the page cache this proves what was handed over, not the platters; a later start verifies the seal.
        if not _holds(temporary, data):
            raise SnapshotWriteError(f"{path} was not read back as written; check the disk")
        temporary.replace(path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remove_old(self) -> None:
        for path in self.paths()[self._keep :]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def holder_of(folder: Path) -> str | None:
    """Returns which process uses a folder of snapshots, in words; None: none does. Raises OSError if it is not told."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_by(folder)
    finally:
        os.close(lock)
    return None


def _written_by(folder: Path) -> str:
    """What whoever holds the lock has written into it."""
    with contextlib.suppress(OSError):
        text = (folder / _LOCK).read_text("utf-8", "replace")
        if text.endswith("\n"):
            return text.strip()
    return "a process"


def check_belongs(snapshot: Snapshot, *, fingerprint: str, stream: str) -> None:
    """Raises SnapshotUnfit if a snapshot was made under another configuration or from another stream."""
    made_under = snapshot.facts["config_fingerprint"]
    if made_under != fingerprint:
        raise SnapshotUnfit(
            f"{snapshot.path} was made under another configuration ({made_under[:12]}…, now {fingerprint[:12]}…); "
            "restore the settings that change results, or move the folder away to rebuild from the stream"
        )
    made_from = snapshot.facts["notes"].get("input.stream")
    if made_from != stream:
        raise SnapshotUnfit(
            f"{snapshot.path} was made from stream {made_from}, not {stream}; "
            "set input.stream or snapshots.folder back, or move the folder away to rebuild from the stream"
        )


def _sequence(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    assert found is not None, "only names of snapshots come here"
    return int(found[1])


def _write_durably(path: Path, data: memoryview) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        rest = data
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _holds(path: Path, data: memoryview) -> bool:
    """Whether a file holds exactly these bytes."""
    buffer = bytearray(_READ_BYTES)
    place = 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            read = buffer if count == _READ_BYTES else buffer[:count]
            if read != data[place : place + count]:
                return False
            place += count
    return place == len(data)
