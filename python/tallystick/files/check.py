"""Check: what of files would be refused, found with the engine's own decoder, with no daemon and no server.

It looks at each event by itself, under a configuration. Keys, order, time and stock need the log: `replay` knows them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.files.events import STDIN, EventFile, fields, opened
from tallystick.files.hints import EVENTS_LOOKED_AT, hints
from tallystick.files.lines import Block
from tallystick.files.mapping import Mapping

if TYPE_CHECKING:
    from tallystick._engine import Checker

_BY_RULES: Final = {
    "unknown_type": "correct the type, or name it in the configuration: in [types], or as an alias of one",
    "sequence_missing": "add the source's sequence to each of its events, or change its order in [sources]",
    "loop": "do not send on what came from here",
}
"""What the configuration refuses, with its cure. An exception's own cure tells of the log, where nothing is yet."""
_BY_FORM: Final = "correct it in the file"
_UNTIMELY: Final = "time_out_of_bounds"


@dataclass(frozen=True, slots=True)
class Problem:
    """An event that would be refused, whatever the ledger holds."""

    file: str
    place: str
    """`events.ndjson:7`, or `stock.parquet, row 7`."""
    line: int
    """Its line in the file, or its row, from 1."""
    outcome: str
    cause: str
    cure: str
    source: str | None
    id: str | None
    type: str | None

    @property
    def by(self) -> str:
        """What refuses it: its own `form`, or the `rules` of the configuration."""
        return "rules" if self.outcome in _BY_RULES else "form"

    def __str__(self) -> str:
        event = f"event {self.id}: " if self.id else ""
        return f"{self.place}: {event}{self.outcome}: {self.cause}"

    def as_dict(self) -> dict[str, Any]:
        """Returns it as a record of `check --json`."""
        names = ("file", "line", "outcome", "by", "source", "id", "type", "cause", "cure")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Report:
    """What was found in files."""

    events: int = 0
    fit: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events that can be applied, by type and source."""
    refused: Counter[str] = field(default_factory=Counter)
    """The others, by what would become of them."""
    first: list[Problem] = field(default_factory=list)
    """The first of them."""
    empty: list[str] = field(default_factory=list)
    """Files that hold no events at all."""
    untimely: int = 0
    """Events that fit, and whose time is out of their source's bounds if they are sent now."""
    first_untimely: str = ""
    """What the engine says of the first of them, with its place."""
    hints: list[str] = field(default_factory=list)
    """What in the first events of a file is not read as its writer may think."""
    shown: list[bytes] = field(default_factory=list)
    """The first events, as they would be sent."""

    def add(self, problems: list[Problem], keep: int) -> None:
        """Counts problems, and keeps the first."""
        self.refused.update(problem.outcome for problem in problems)
        self.first += problems[: max(keep - len(self.first), 0)]

    def as_dict(self) -> dict[str, Any]:
        """Returns the summary of `check --json`."""
        rows = [{"type": kind, "source": source, "events": count} for (kind, source), count in self.rows()]
        return {
            "events": self.events,
            "fit": self.fit.total(),
            "refused": dict(self.refused),
            "untimely": self.untimely,
            "hints": self.hints,
            "types": rows,
        }

    def rows(self) -> list[tuple[tuple[str, str], int]]:
        """Types and sources with their events, by name."""
        return sorted(self.fit.items())


def check_block(checker: "Checker", file: EventFile, block: Block, report: Report) -> list[Problem]:
    """Judges the events of a block, counts them, and returns the problems."""
    checked = checker.check(block.data)
    report.events += checked.events
    for kind, source, count in checked.fit:
        report.fit[kind, source] += count
    problems = []
    for refusal in checked.refused:
        index = refusal.pop("line")
        line = block.place(index)
        refusal["cure"] = _BY_RULES.get(refusal["outcome"], _BY_FORM)
        if fault := block.faults.get(index):
            refusal["cause"], refusal["cure"] = fault.cause, fault.cure
        problems.append(Problem(file.name, file.place(line), line, **refusal))
    return problems


def look_at_times(config: str, file: EventFile, block: Block, report: Report) -> None:
    """Counts the events of a block that are too old, or ahead, if they are sent now.

    An engine is asked, which knows each source's bounds; it is a new one for each block, so that it keeps nothing.
    """
    from tallystick._engine import Engine

    if b'"time"' not in block.data:
        return
    batch = Engine(config).apply(block.data, 1, time.time_ns())
    found = batch.counts.get(_UNTIMELY, 0)
    if found and not report.untimely:
        first = next(record for record in batch.exceptions if record.code == _UNTIMELY)
        [place] = block.element_places([first.sequence - 1])
        report.first_untimely = f"{file.place(place)}: {first.cause}"
    report.untimely += found


def check(
    files: Iterable[str | Path],
    *,
    config: str = "",
    mapping: Mapping | None = None,
    from_line: int = 1,
    keep: int = 50,
    show: int = 0,
    on_problem: Callable[[Problem], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Judges the events of files (`-` is standard input) under a configuration of the engine, given as text.

    `on_problem` is called for each event that would be refused; the first `keep` stand in the report, too,
    and the first `show` events as they would be sent.
    `on_progress(bytes_read, events)` is called once per block. Raises UsageError for a file that cannot be read.
    """
    from tallystick._engine import Checker

    checker, report, bytes_before = Checker(config), Report(), 0
    for name in files:
        events_before = report.events
        with opened(name, mapping) as file:
            for block in file.blocks():
                wanted = block.begun_at(from_line)
                if report.events == events_before:
                    found = [*file.hints, *hints(wanted.first(EVENTS_LOOKED_AT), fields())]
                    report.hints += [f"{file.name}: {hint}" for hint in found]
                report.shown += wanted.first(show - len(report.shown))
                problems = check_block(checker, file, wanted, report)
                look_at_times(config, file, wanted, report)
                report.add(problems, keep)
                for problem in problems if on_problem is not None else ():
                    on_problem(problem)  # type: ignore[misc]
                if on_progress is not None:
                    on_progress(bytes_before + block.end_offset, report.events)
            bytes_before += file.bytes_read()
        if report.events == events_before:
            report.empty.append(file.name)
    return report


def is_read_once(path: Path) -> bool:
    """Whether it can be read but once, so that what it holds cannot be checked before it is sent."""
    return str(path) == STDIN or path.is_fifo()
