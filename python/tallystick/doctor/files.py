"""Files: the folder of snapshots, its room, what others may read, and how many files may be open."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tallystick.config import Config
from tallystick.daemon.snapshots import Snapshot, SnapshotFolder, check_belongs
from tallystick.doctor.finding import Finding, fail, of_error, ok, warn
from tallystick.errors import SnapshotUnfit

FILES_LEAST: Final = 1_024
"""Open files that a daemon with HTTP and a few connections never needs."""
ROOM_LEAST: Final = 64 << 20
"""Free bytes that a folder without a snapshot should have."""


def snapshots_of(config: Config) -> tuple[list[Snapshot], list[Finding]]:
    """Returns the valid snapshots, newest first, and what was found about all of them."""
    from tallystick._engine import SnapshotError, verify_snapshot

    folder = SnapshotFolder(config.snapshots.folder)
    if not config.snapshots.folder.is_dir():
        text = f"{config.snapshots.folder} is not there yet; the daemon makes it, and begins with the whole stream"
        return [], [ok("snapshots", text)]
    valid, findings = list[Snapshot](), list[Finding]()
    try:
        paths = folder.paths()
    except OSError as error:
        return [], [fail("snapshots", f"{folder.folder}: {error.strerror}", "run this as the daemon's user")]
    for path in paths:
        try:
            data = path.read_bytes()
            valid.append(Snapshot(path, int(path.stem.rpartition("-")[2]), data, verify_snapshot(data)))
        except FileNotFoundError:  # A daemon that runs has removed it meanwhile.
            continue
        except OSError as error:
            findings.append(fail("snapshots", f"{path}: {error.strerror}", "run this as the daemon's user"))
        except SnapshotError as error:
            findings.append(warn("snapshots", f"{path} is not valid: {error}", "move it away; the others are used"))
    if not valid:
        if findings:
            findings.append(
                fail("snapshots", "none is valid", "bring a backup back, or let a start replay the whole stream")
            )
        else:
            findings.append(ok("snapshots", f"{folder.folder} holds none yet; a start replays the whole stream"))
        return [], findings
    kept, newest = len(valid), valid[0]
    findings.append(ok("snapshots", f"{kept} valid; the newest reflects log sequence {newest.sequence:,}"))
    try:
        check_belongs(newest, fingerprint=config.fingerprint, stream=config.input.stream)
    except SnapshotUnfit as error:
        findings.append(of_error("snapshots", error))
    return valid, findings


def examine(config: Config, snapshots: list[Snapshot]) -> Iterator[Finding]:
    """Yields what is found about room, permissions and limits."""
    yield _room(config.snapshots.folder, max((len(one.data) for one in snapshots), default=0))
    yield from _permissions(config)
    yield _open_files()


def _room(folder: Path, largest: int) -> Finding:
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return fail("disk", f"{place}: {error.strerror}", "name a folder that can be read in snapshots.folder")
    # One more is written before the oldest is removed.
    text = f"{megabytes(free)} free at {place}, the largest snapshot has {megabytes(largest)}"
    if free < max(2 * largest, ROOM_LEAST // 4):
        return fail("disk", text, "make room: the next snapshot may not fit")
    if free < max(8 * largest, ROOM_LEAST):
        return warn("disk", text, "make room before the ledger grows")
    return ok("disk", text)


def _permissions(config: Config) -> Iterator[Finding]:
    secrets = [
        config.snapshots.folder / "key",
        *(value for table in (config.nats, config.http) for value in _secret_files(table)),
    ]
    if config.path is not None and any(
        setting.value == "***" and setting.origin.startswith(str(config.path)) for setting in config.describe()
    ):
        secrets.append(config.path)
    looked = 0
    for path in secrets:
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            if path.name != "key":
                yield fail("permissions", f"{path} is not there", "set it right in the configuration, or bring it back")
            continue
        except OSError as error:
            yield fail("permissions", f"{path}: {error.strerror}", "run this as the daemon's user")
            continue
        looked += 1
        if mode & 0o077:
            yield fail("permissions", f"{path} can be read by others (mode {mode:03o})", f"chmod 600 {path}")
        elif not os.access(path, os.R_OK):
            yield fail("permissions", f"{path} cannot be read", "make it readable for the daemon's user")
    folder = config.snapshots.folder
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        yield fail("permissions", f"{folder} cannot be written by this user", "run this as the daemon's user")
    else:
        yield ok("permissions", f"{looked} file{'s' if looked != 1 else ''} with secrets looked at")


def _secret_files(table: object) -> Iterator[Path]:
    for name in ("password_file", "token_file", "credentials", "nkey_seed_file", "tls_key"):
        if isinstance(value := getattr(table, name, None), Path):
            yield value


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft:,} open files allowed here"
    if soft < FILES_LEAST:
        return warn(
            "limits", text, f"raise it to {FILES_LEAST:,} or more (LimitNOFILE= of the unit, or ulimit -n {hard})"
        )
    return ok("limits", text)


def megabytes(count: int) -> str:
    """Bytes as people say them: `12.5 MB`.

    >>> megabytes(12_500_000)
    '12.5 MB'
    """
    return f"{count / 1e9:,.1f} GB" if count >= 10**9 else f"{count / 1e6:,.1f} MB"
