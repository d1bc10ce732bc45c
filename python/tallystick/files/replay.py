"""Replay: files of events through the same engine, with no bus, no clock and no memory of earlier runs.

Elements get the log sequences 1, 2, 3 … over all files; the log's time is the events' own. Lines are handed to the
engine in large blocks, an Arrow stream or file whole: nothing here looks at a single event.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from tallystick import exact_json
from tallystick.errors import UsageError
from tallystick.files import arrow
from tallystick.files.events import STDIN, EventFile, opened
from tallystick.files.formats import Form
from tallystick.files.lines import Block
from tallystick.files.mapping import Mapping

if TYPE_CHECKING:
    from tallystick._engine import Batch, Engine, Reference

_BALANCE_LINES: Final = 65_536
_EXCEPTIONS_TOGETHER: Final = 256
_BROKEN_NAMED: Final = 5
_EVERY_ROW: Final = range(0)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. The engine can still be asked."""

    engine: "Engine"
    events: int
    broken: tuple[str, ...] = ()
    """Places of the first lines that are no events (malformed or too large)."""
    empty: tuple[str, ...] = ()
    """Files that hold no events at all."""
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


def replay(  # noqa: PLR0913 (all but the files are by name)
    files: Sequence[str | Path],
    *,
    config: str = "",
    balances: Path | None = None,
    outcomes: Path | None = None,
    exceptions: Path | None = None,
    reference: bool = False,
    shards: int = 1,
    mapping: Mapping | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Applies the events of `files` (`-` is standard input) in their order and writes what was asked for.

    `config` is the engine's configuration as text; `on_progress(bytes_read, events)` is called once per block. With
    `reference`, the slow twin gets the same blocks and every outcome, every balance and the state hash are compared.
    `shards` threads work on the state; their number changes no output. A `mapping` turns rows of tables into events.
    Outputs appear whole or not at all. Raises UsageError for a file that cannot be read or written.
    """
    from tallystick._engine import Engine, Reference

    for output in (balances, outcomes, exceptions):
        _check_output(output)
    engine = Engine(config, shards=shards)
    twin = _Twin(Reference(config)) if reference else None
    events = bytes_read = 0
    broken: list[str] = []
    taken: list[tuple[str, int]] = []
    with _written_whole(outcomes) if outcomes else nullcontext() as outcome_file:
        lines = _OutcomeLines(outcome_file) if outcome_file is not None else None
        for name in files:
            with opened(name, mapping) as file:
                bytes_before, events_before = bytes_read, events
                for block, apply in _blocks(engine, file, with_reference=reference):
                    batch = apply(block.data, events + 1, event_times=True, keys=outcome_file is not None)
                    if lines is not None:
                        lines.add(batch, events + 1)
                    if twin is not None:
                        twin.apply(block.data, batch, events + 1)
                    if len(broken) < _BROKEN_NAMED:
                        broken += _broken(file, block, batch)[: _BROKEN_NAMED - len(broken)]
                    events += len(batch)
                    bytes_read = bytes_before + block.end_offset
                    if on_progress is not None:
                        on_progress(bytes_read, events)
                taken.append((file.name, events - events_before))
        rest = engine.release_held()
        if lines is not None:
            lines.end(rest)
        if twin is not None:
            twin.end(events)
    for output, written in ((balances, balance_lines), (exceptions, exception_lines)):
        if output is not None:
            with _written_whole(output) as output_file:
                output_file.writelines(written(engine))
    difference = twin.difference(engine) if twin is not None else None
    empty = tuple(name for name, count in taken if count == 0)
    return Replayed(engine, events, tuple(broken), empty, difference)


def _blocks(
    engine: "Engine", file: EventFile, *, with_reference: bool
) -> "Iterator[tuple[Block, Callable[..., Batch]]]":
    """Yields blocks, and what applies each; that raises UsageError for broken columns.

    Columns without a mapping go to the engine as they are: it knows their names, and needs no pyarrow for them.
    """
    if file.mapping is not None or file.form not in {Form.ARROW_FILE, Form.ARROW_STREAM}:
        yield from ((block, engine.apply) for block in file.blocks())
        return
    if with_reference:
        raise UsageError(f"{file.name}: holds columns, which the reference does not read; give it NDJSON")

    def apply(data: bytes, first_sequence: int, *, event_times: bool, keys: bool) -> "Batch":
        try:
            try:
                return engine.apply_columns(data, first_sequence, event_times=event_times, keys=keys)
            except ValueError as error:
                if "is compressed" not in str(error):  # as Feather is, unless told otherwise
                    raise
                rows = arrow.table(file.name, data, file.form)
                return engine.apply_columns(rows, first_sequence, event_times=event_times, keys=keys)
        except ValueError as error:
            raise UsageError(f"{file.name}: {error}") from error

    data = file.stream.read()
    yield Block(data, 1, file.bytes_read(), _EVERY_ROW), apply


def _broken(file: EventFile, block: Block, batch: "Batch") -> list[str]:
    """Places of the lines of a block that are no events. Looked for only where there are some."""
    if not any(batch.counts.get(name) for name in ("malformed", "too_large")):
        return []
    import numpy as np

    from tallystick._engine import OUTCOMES

    is_broken = np.isin(batch.outcomes, [OUTCOMES["malformed"], OUTCOMES["too_large"]])
    found = np.flatnonzero(is_broken)[:_BROKEN_NAMED].tolist()
    if block.places is _EVERY_ROW:
        return [file.place(row + 1) for row in found]
    return [file.place(place) for place in block.element_places(found)]


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


def _check_output(path: Path | None) -> None:
    """Refuses an output that cannot be written before the first event is read, not an hour later."""
    if path is None:
        return
    if str(path) == STDIN:
        raise UsageError("-: standard output has the summary; name a file to write")
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
