"""`tallystick replay`: files through the engine."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli import options, tables
from tallystick.cli.check import refuse_empty
from tallystick.cli.maps import advised, load_map
from tallystick.cli.progress import byte_progress

if TYPE_CHECKING:
    from tallystick.files.replay import Replayed

_CORES: Final = min(os.cpu_count() or 1, 16)

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", show_default=False, help="Files of events, or - for standard input."),
]


def _output(name: str, about: str) -> Any:
    """An option for a file that is written only if it is named."""
    return typer.Option(envvar=f"TALLYSTICK_REPLAY_{name}", metavar="OUT", show_default="not written", help=about)


Balances = Annotated[
    Path | None, _output("BALANCES", "Write the balances as NDJSON, sorted by sku, location, lot and owner.")
]
Outcomes = Annotated[
    Path | None,
    _output("OUTCOMES", "Write the final outcome of each event as NDJSON, in the order of the input."),
]
Exceptions = Annotated[
    Path | None,
    _output("EXCEPTIONS", "Write the exceptions as NDJSON, as they stand at the end, with causes, cures and events."),
]
Beside = Annotated[
    bool,
    typer.Option(
        "--reference",
        envvar="TALLYSTICK_REPLAY_REFERENCE",
        show_default="off",
        help="Run the slow reference beside the engine and compare every outcome and balance.",
    ),
]
Shards = Annotated[
    int,
    typer.Option(
        envvar="TALLYSTICK_REPLAY_SHARDS",
        metavar="N",
        min=1,
        max=64,
        show_default="one for each core, at most 16",
        help="Divide the state among as many threads. Changes no output.",
    ),
]


def replay(  # noqa: PLR0913, PLR0917 (an option each)
    files: Files,
    config: options.Config = None,
    mapping: options.Map = None,
    balances: Balances = None,
    outcomes: Outcomes = None,
    exceptions: Exceptions = None,
    reference: Beside = False,
    shards: Shards = _CORES,
    as_json: options.Json = False,
) -> None:
    """Applies the events of files, in memory, and says what became of them.

    Reads NDJSON, JSON arrays and Arrow, packed with gzip or not, and CSV and Parquet with --map. The log's time is the
    events' own. Refused events are data: the exit status stays 0, and lines that are no events are named. A file that
    holds no events at all is refused, with exit status 2.

    Examples:

        tallystick replay monday.ndjson tuesday.ndjson

        tallystick replay events.ndjson.gz --balances balances.ndjson --json

        tallystick replay stock.csv --map stock.toml
    """
    from tallystick import config as configuration
    from tallystick.errors import OperationError
    from tallystick.files.replay import replay as replay_files
    from tallystick.files.replay import total_bytes
    from tallystick.subjects import source_subject, trusting

    columns = load_map(mapping)
    engine_config = ""
    if config is not None:
        settings = configuration.load(config)
        engine_config = settings.engine_json
        if source_subject(settings):
            engine_config = trusting(engine_config)
            print("tallystick: files have no subjects, so engine.source_subject is left out here", file=sys.stderr)
    started = time.monotonic()
    with byte_progress("Replaying", total_bytes(files)) as on_progress:
        replayed = replay_files(
            files,
            config=engine_config,
            balances=balances,
            outcomes=outcomes,
            exceptions=exceptions,
            reference=reference,
            shards=shards,
            mapping=columns,
            on_progress=on_progress,
        )
    seconds = time.monotonic() - started
    if as_json:
        import orjson

        typer.echo(orjson.dumps(replayed.as_dict()).decode())
    elif replayed.events:
        _show(replayed, seconds, by_reference=reference, has_exceptions=exceptions is not None)
    if replayed.broken:
        totals = replayed.engine.outcome_totals()
        more = totals.get("malformed", 0) + totals.get("too_large", 0) - len(replayed.broken)
        others = f" and {more:,} more" if more > 0 else ""
        print(
            f"tallystick: {', '.join(replayed.broken)}{others}: no event; "
            f"{advised('check', files, config, mapping)} says why",
            file=sys.stderr,
        )
    refuse_empty(replayed.empty)
    if replayed.difference is not None:
        raise OperationError(f"engine and reference disagree: {replayed.difference}; please report it with the input")


def _show(replayed: "Replayed", seconds: float, *, by_reference: bool, has_exceptions: bool) -> None:
    typer.echo(
        f"{tables.counted(replayed.events, 'event')} in {seconds:.2f} s, {replayed.events / seconds:,.0f} a second"
    )
    for name, count in replayed.engine.outcome_totals().items():
        if count:
            typer.echo(f"  {count:>14,}  {name}")
    typer.echo(f"{tables.counted(len(replayed.engine), 'position')}, state hash {replayed.engine.state_hash()}")
    _show_refusals(replayed, has_exceptions=has_exceptions)
    if by_reference and replayed.difference is None:
        typer.echo("The reference agrees on every outcome, every balance and the state hash.")


def _show_refusals(replayed: "Replayed", *, has_exceptions: bool) -> None:
    """Says why most of the refused events were: a file of which nothing counts is wrong in one place as a rule."""
    from tallystick.outcome import Outcome

    totals = replayed.engine.outcome_totals()
    refused = {name: count for name, count in totals.items() if count and Outcome[name.upper()].is_refusal}
    if not refused:
        return
    most = max(refused, key=refused.__getitem__)
    # Lines that are no events are named elsewhere, with the command that says why.
    first = [] if most == str(Outcome.MALFORMED) else replayed.engine.exceptions(code=most, limit=1)
    said = "".join(f", the first: {item['cause']}" for item in first)
    more = "" if has_exceptions else "; each with its cause and cure: --exceptions OUT"
    typer.echo(
        f"{tables.counted(sum(refused.values()), 'event')} refused, most as {most} ({refused[most]:,}){said}{more}"
    )
