"""`tallystick check`: what of files would be refused, without a daemon and without a server."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick import plain_text
from tallystick.cli import options
from tallystick.cli.maps import load_map
from tallystick.cli.progress import byte_progress

if TYPE_CHECKING:
    from tallystick.files.check import Problem, Report

_SHOWN: Final = 50

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", show_default=False, help="Files of events, or - for standard input."),
]


Show = Annotated[
    int,
    typer.Option(
        envvar="TALLYSTICK_CHECK_SHOW", min=0, metavar="N", help="Show the first N events as they would be sent."
    ),
]


def check(
    files: Files,
    config: options.Config = None,
    mapping: options.Map = None,
    show: Show = 0,
    as_json: options.Json = False,
) -> int:
    """Says what of files would be refused, and why; asks no daemon and no server.

    Each event is judged by itself, by its form and by the rules of the configuration. What depends on other events
    (ids used twice, order, stock) says `tallystick replay`. With --json each problem is a line, the summary the last.

    Exit status: 0 all events are good, 1 some would be refused, 2 a file cannot be read or holds no events.

    Examples:

        tallystick check monday.ndjson.gz --config tallystick.toml

        tallystick check stock.csv --map stock.toml --show 3

        tallystick check stock.csv --map stock.toml --json
    """
    from tallystick import config as configuration
    from tallystick.files.check import check as check_files
    from tallystick.files.replay import total_bytes
    from tallystick.subjects import trusting

    columns = load_map(mapping)
    engine_config = trusting(configuration.load(config).engine_json) if config is not None else ""
    with byte_progress("Checking", total_bytes(files)) as on_progress:
        report = check_files(
            files,
            config=engine_config,
            mapping=columns,
            keep=_SHOWN,
            show=show,
            on_problem=_print_record if as_json else None,
            on_progress=on_progress,
        )
    if as_json:
        import orjson

        shown = {"shown": [line.decode("utf-8", "replace") for line in report.shown]} if show else {}
        typer.echo(orjson.dumps({**report.as_dict(), **shown}).decode())
    elif report.events:
        for line in report.shown:
            typer.echo(plain_text.printable(line.decode("utf-8", "replace")))
        show_problems(report)
        show_rows(report)
        typer.echo(verdict(report))
    warn(report)
    refuse_empty(report.empty)
    return 1 if report.refused else 0


def show_problems(report: "Report") -> None:
    """Prints the first problems, each with its cure."""
    for problem in report.first:
        typer.echo(f"{problem}; {problem.cure}")
    total = report.refused.total()
    if total > len(report.first):
        typer.echo(f"{len(report.first)} of {total:,} shown; all of them: --json")


def warn(report: "Report") -> None:
    """Says on standard error what is allowed, and yet is seldom meant; and what would be refused for its time alone."""
    for hint in report.hints:
        print(f"tallystick: {plain_text.printable(hint)}", file=sys.stderr)
    if report.untimely:
        cure = 'for a load of history say max_age = "none" in [sources."…"], then: tallystick policy apply FILE'
        print(
            f"tallystick: {report.untimely:,} of {report.events:,} events would be time_out_of_bounds if sent now; "
            f"{report.first_untimely}; {cure}",
            file=sys.stderr,
        )


def refuse_empty(names: Sequence[str], from_line: int = 1) -> None:
    """Raises UsageError where files hold no events: an export that did not run must not pass for one that is good."""
    from tallystick.errors import UsageError

    if names:
        begun = f" from {from_line:,} on" if from_line > 1 else ""
        raise UsageError(f"{', '.join(names)}: holds no events{begun}; see whether its export ran, or leave it out")


def show_rows(report: "Report") -> None:
    """Prints how many events there are of each type and source."""
    for (kind, source), count in report.rows():
        typer.echo(f"  {count:>14,}  {kind}  {source}")


def verdict(report: "Report") -> str:
    """Says in one sentence what was found."""
    if not report.refused:
        return f"All {report.events:,} events are good." if report.events > 1 else "The event is good."
    reasons = ", ".join(f"{count:,} {name}" for name, count in report.refused.items())
    return f"{report.refused.total():,} of {report.events:,} events would be refused: {reasons}."


def _print_record(problem: "Problem") -> None:
    import orjson

    sys.stdout.write(orjson.dumps(problem.as_dict()).decode() + "\n")
