"""Replay: files of events through the same engine, with no bus, no clock and no memory of earlier runs.

Elements get the log sequences 1, 2, 3 … over all files; the log's time is the events' own. Lines are handed to the
engine in large blocks, an Arrow stream or file whole: nothing here looks at a single event.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from tallystick import exact_json
from tallystick.errors import UsageError
from tallystick.files.lines import line_blocks

if TYPE_CHECKING:
    from tallystick._engine import Batch, Engine, Reference

STDIN: Final = "-"
_BALANCE_LINES: Final = 65_536
_EXCEPTIONS_TOGETHER: Final = 256
_ARROW_FILE: Final = b"ARROW1"
_ARROW_STREAM: Final = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. The engine can still be asked."""

    engine: "Engine"
    events: int
    difference: str | None = None
    """The first difference from the reference, in one sentence. None: there is none, or it was not asked for."""

    def as_dict(self) -> dict[str, object]:
        """Returns the summary of `replay --json`: outcomes that did not occur are left out."""
        return {
            "events": self.events,
            "outcomes": {name: count for name, count in self.engine.outcome_totals().items() if count},
            "positions": len(self.engine),
            "state_hash": self.engine.state_hash(),
        }


def replay(
    files: Sequence[str | Path],
    *,
    config: str = "",
    balances: Path | None = None,
    outcomes: Path | None = None,
    exceptions: Path | None = None,
    reference: bool = False,
    shards: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Applies the events of `files` (`-` is standard input) in their order and writes what was asked for.

    `config` is the engine's configuration as text; `on_progress(bytes_read, events)` is called once per block. With
    `reference`, the slow twin gets the same blocks and every outcome, every balance and the state hash are compared.
    `shards` threads work on the state; their number changes no output.
    Outputs appear whole or not at all. Raises UsageError for a file that cannot be read or written.
    """
    from tallystick._engine import Engine, Reference

    for output in (balances, outcomes, exceptions):
        _check_output(output)
    engine = Engine(config, shards=shards)
    twin = _Twin(Reference(config)) if reference else None
    events = bytes_read = 0
    with _written_whole(outcomes) if outcomes else nullcontext() as outcome_file:
        lines = _OutcomeLines(outcome_file) if outcome_file is not None else None
        for name in files:
            with _opened(name) as stream:
                bytes_before = bytes_read
                for data, end_offset, apply in _blocks(engine, name, stream, with_reference=reference):
                    batch = apply(data, events + 1, event_times=True, keys=outcome_file is not None)
                    if lines is not None:
                        lines.add(batch, events + 1)
                    if twin is not None:
                        twin.apply(data, batch, events + 1)
                    events += len(batch)
                    bytes_read = bytes_before + end_offset
                    if on_progress is not None:
                        on_progress(bytes_read, events)
        rest = engine.release_held()
        if lines is not None:
            lines.end(rest)
        if twin is not None:
            twin.end(events)
    if balances is not None:
        with _written_whole(balances) as balance_file:
            balance_file.writelines(balance_lines(engine))
    if exceptions is not None:
        with _written_whole(exceptions) as exception_file:
            exception_file.writelines(exception_lines(engine))
    return Replayed(engine, events, twin.difference(engine) if twin is not None else None)


def _blocks(
    engine: "Engine", name: str | Path, stream: BufferedReader, *, with_reference: bool
) -> "Iterator[tuple[bytes, int, Callable[..., Batch]]]":
    """Yields data, the bytes read so far, and what applies the data; that raises UsageError for broken columns."""
    beginning = stream.peek(len(_ARROW_FILE))
    if not beginning.startswith((_ARROW_FILE, _ARROW_STREAM)):
        yield from ((block.data, block.end_offset, engine.apply) for block in line_blocks(stream))
        return
    if with_reference:
        raise UsageError(f"{name}: holds columns, which the reference does not read; give it NDJSON")

    def apply(data: bytes, first_sequence: int, *, event_times: bool, keys: bool) -> "Batch":
        try:
            return engine.apply_columns(data, first_sequence, event_times=event_times, keys=keys)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from error

    data = stream.read()
    yield data, len(data), apply


def balance_lines(engine: "Engine") -> Iterator[bytes]:
    """Yields the balances as NDJSON, sorted by (sku, location, lot, owner), many lines at a time."""
    start = 0
    while lines := engine.balance_lines(start, _BALANCE_LINES):
        yield lines
        start += _BALANCE_LINES


def exception_lines(engine: "Engine") -> Iterator[bytes]:
    """Yields the exceptions as NDJSON in the order of their numbers, those that are resolved too."""
    after = 0
    while found := engine.exceptions(after=after, limit=_EXCEPTIONS_TOGETHER):
        yield b"".join(exact_json.dumps(item) + b"\n" for item in found)
        after = found[-1]["number"]


def total_bytes(files: Sequence[str | Path]) -> int | None:
    """Returns the bytes to read in all, or None if a file has no size beforehand (standard input, a pipe)."""
    paths = [Path(name) for name in files]
    return sum(path.stat().st_size for path in paths) if all(path.is_file() for path in paths) else None


class _OutcomeLines:
    """The final outcomes of all elements in the order of the input: after the first that is held, batches wait."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: deque[tuple[Batch, int]] = deque()

    def add(self, batch: "Batch", first_n: int) -> None:
        """Writes a batch, or keeps it until it and all before it are final."""
        self._waiting.append((batch, first_n))
        self.end(batch)

    def end(self, later: "Batch") -> None:
        """Writes what is final now that a batch released some."""
        if later.released:
            for batch, _ in self._waiting:
                batch.settle(later)
        while self._waiting and self._waiting[0][0].held == 0:
            batch, first_n = self._waiting.popleft()
            self._file.write(batch.outcome_lines(first_n))


class _Twin:
    """The reference beside the engine, and the first place where the two differ."""

    def __init__(self, reference: "Reference") -> None:
        self._reference = reference
        self._difference: str | None = None

    def apply(self, data: bytes, batch: "Batch", first_sequence: int) -> None:
        """Applies to the reference what the engine applied, and compares their outcomes."""
        import numpy as np

        from tallystick._engine import OUTCOMES

        names = self._reference.apply(data, first_sequence, event_times=True)
        expected = np.array([OUTCOMES[name] for name in names], dtype=np.uint8)
        if self._difference is None and not np.array_equal(expected, batch.outcomes):
            self._difference = f"outcomes differ among events {first_sequence} to {first_sequence + len(names) - 1}"

    def end(self, sequence: int) -> None:
        """Releases what is held."""
        self._reference.release_held(sequence)

    def difference(self, engine: "Engine") -> str | None:
        """Returns the first difference, or None once outcomes, balances and state hash are found to be equal."""
        if self._difference is None and self._reference.balances() != b"".join(balance_lines(engine)):
            self._difference = "balances differ"
        if self._difference is None and self._reference.state_hash() != engine.state_hash():
            self._difference = "state hashes differ"
        return self._difference


@contextmanager
def _opened(name: str | Path) -> Iterator[BufferedReader]:
    if str(name) == STDIN:
        stdin: Any = sys.stdin.buffer
        yield stdin if isinstance(stdin, BufferedReader) else BufferedReader(stdin)
        return
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise UsageError(
                f"{name}: {error.strerror}; give a readable NDJSON or Arrow file, or - for standard input"
            ) from error
        yield stream


def _check_output(path: Path | None) -> None:
    """Refuses an output that cannot be written before the first event is read, not an hour later."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path}: the folder {path.parent} cannot be written to; choose another")


@contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that takes its name only when it is complete. Devices and pipes are written directly."""
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
