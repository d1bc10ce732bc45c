"""Opening: what a daemon looks at before it begins, snapshots first, so that it makes no stream that was there before.

It restores nothing and reads no messages; `pipeline` does.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Final

from tallystick.bus.jetstream import JetStream, StreamInfo
from tallystick.bus.streams import LogPosition, check_position, covers, ensure_input, ensure_outputs
from tallystick.config import Config, Output
from tallystick.daemon.snapshots import Snapshot, SnapshotFolder, check_belongs
from tallystick.errors import SnapshotUnfit, StreamError
from tallystick.subjects import event_subject, pattern_of, source_subject

START_NOTE: Final = "input.start_sequence"
"""Note of the snapshots: the ledger's first message, where it is not 1."""
_log: Final = logging.getLogger(__name__)


async def find_streams(
    bus: JetStream, config: Config, folder: SnapshotFolder, snapshot: Snapshot | None
) -> tuple[StreamInfo, str | None]:
    """Finds the streams, or creates them where nothing is known of them yet.

    Returns the event stream, and why nothing can be put into it; None: it can be. Raises OperationError.
    """
    if bus.domain is not None or bus.server_domain is not None:
        _log.info("JetStream domain %s", bus.domain or bus.server_domain)
    if snapshot is not None:
        check_belongs(snapshot, fingerprint=config.fingerprint, stream=config.input.stream)
        _check_start(snapshot, config.input.start_sequence)
    if folder.paths():
        await _check_known(bus, config, folder, snapshot)
    info = await ensure_input(bus, config.input, is_first=snapshot is None)
    await ensure_outputs(bus, config.output)
    _warn_of_cut_snapshots(folder, info)
    if (bound := source_subject(config)) is not None:
        _check_listens(info, pattern_of(bound))
    closed = why_closed(info, pattern_of(event_subject(config)))
    if closed is not None:
        _log.warning("%s: there are no ticks, and requests are refused", closed)
    return info, closed


async def remake_outputs(bus: JetStream, settings: Output, position: Callable[[], LogPosition]) -> None:
    """Makes output streams again that were deleted, while the event stream is the one that is read.

    Raises StreamError if it is not: then the server has another store, and is to be given nothing.
    """
    await check_position(bus, position())
    await ensure_outputs(bus, settings)


def first_position(config: Config, info: StreamInfo) -> LogPosition:
    """Returns where a ledger without a snapshot begins."""
    return LogPosition(info.name, info.created, config.input.start_sequence - 1, "")


def why_closed(info: StreamInfo, subject: str) -> str | None:
    """Returns why the daemon cannot put a tick or a request into the event stream; None if it can."""
    if "mirror" in info.config:
        return f"stream {info.name} mirrors {info.config['mirror'].get('name', 'another one')}"
    if info.config.get("sealed"):
        return f"stream {info.name} is sealed"
    if any(covers(pattern, subject) for pattern in info.subjects):
        return None
    if not info.subjects:
        return f"stream {info.name} gathers other streams and has no subjects of its own"
    return f"stream {info.name} does not listen to {subject} (set input.subjects to {', '.join(info.subjects)})"


def _check_listens(info: StreamInfo, pattern: str) -> None:
    """Raises StreamError where sources are bound to subjects that the stream does not take. A mirror has none."""
    if info.subjects and not any(covers(taken, pattern) for taken in info.subjects):
        raise StreamError(
            f"stream {info.name} does not listen to {pattern}, where engine.source_subject has the sources speak; "
            f"add it: nats stream edit {info.name} --subjects={','.join([*info.subjects, pattern])}"
        )


def _check_start(snapshot: Snapshot, wanted: int) -> None:
    start = int(snapshot.facts["notes"].get(START_NOTE, 1))
    if start != wanted:
        raise SnapshotUnfit(
            f"{snapshot.path} is of a ledger that begins with message {start}, and input.start_sequence is {wanted}; "
            f"set it to {start}, or move the folder away to begin anew"
        )


async def _check_known(bus: JetStream, config: Config, folder: SnapshotFolder, snapshot: Snapshot | None) -> None:
    """Raises StreamError where the snapshots tell of an event stream that is not there, before anything is made."""
    if await bus.stream(config.input.stream) is not None:
        return
    cure = f"nothing was made; restore the server's store, or move {folder.folder} away to begin an empty ledger"
    if snapshot is None:
        raise StreamError(
            f"there is no stream {config.input.stream}, but {folder.paths()[0]} shows that there was one; {cure}"
        )
    notes: Mapping[str, str] = snapshot.facts["notes"]
    missing = [f"{config.input.stream} (made at {notes['input.created']}, read up to message {snapshot.sequence})"]
    for stream in (config.output.availability_stream, config.output.exceptions_stream):
        was_there = stream in json.loads(notes.get("outputs", "{}"))
        if was_there and await bus.stream(stream) is None:
            missing.append(stream)
    raise StreamError(f"{snapshot.path} knows of streams that this server lacks: {', '.join(missing)}; {cure}")


def _warn_of_cut_snapshots(folder: SnapshotFolder, info: StreamInfo) -> None:
    """Says which snapshots are kept in vain, because the stream does not go back to them."""
    for path in folder.paths():
        sequence = int(path.stem.rpartition("-")[2])
        if sequence + 1 < info.first_sequence:
            _log.warning(
                "stream %s begins at message %d, so %s can be restored no more; trim less",
                info.name,
                info.first_sequence,
                path,
            )
