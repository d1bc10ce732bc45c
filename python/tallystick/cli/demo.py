"""`tallystick demo`: real sales through bus and daemon, and the proof."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tallystick.cli import options as common
from tallystick.cli import records


class Input(StrEnum):
    """The workloads to choose from."""

    journey = "journey"
    peak = "peak"


def demo(
    small: Annotated[
        bool,
        typer.Option("--small", envvar="TALLYSTICK_DEMO_SMALL", show_default="off", help="Take a few seconds only."),
    ] = False,
    workload: Annotated[
        Input | None,
        typer.Option(
            envvar="TALLYSTICK_DEMO_WORKLOAD",
            show_default="journey, or peak where its package is missing",
            help="journey: a year of real grocery sales. peak: drawn from the seed.",
        ),
    ] = None,
    events_per_message: Annotated[
        int, typer.Option(envvar="TALLYSTICK_DEMO_EVENTS_PER_MESSAGE", min=1, max=5_000, help="Events in one message.")
    ] = 100,
    kills: Annotated[
        int,
        typer.Option(envvar="TALLYSTICK_DEMO_KILLS", min=0, max=1_000, help="Kill the daemon with -9 so many times."),
    ] = 0,
    seed: Annotated[
        int, typer.Option(envvar="TALLYSTICK_DEMO_SEED", min=0, help="Seed of shuffle, repeats, kills.")
    ] = 1,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults",
            envvar="TALLYSTICK_DEMO_FAULTS",
            show_default="off",
            help="Let some things go wrong, and show what to do about them.",
        ),
    ] = False,
    folder: Annotated[
        Path,
        typer.Option(envvar="TALLYSTICK_DEMO_FOLDER", metavar="DIR", help="Where everything is put; emptied first."),
    ] = Path(".demo"),
    as_json: common.Json = False,
) -> None:
    """Sends a year of real sales through a real server and daemon, and proves the ledger right.

    1,469,307 sales lines with 3 % duplicates, shuffled, become balances of 631,479 positions, each compared with a
    group-by of the raw data. Exit status 1 if a single one differs. With the extra `picture`
    it leaves a picture, demo.png, in the folder.

    Examples:

        tallystick demo --small

        tallystick demo --small --faults

        tallystick demo --kills 20 --events-per-message 256
    """
    from rich.console import Console

    from tallystick.demo.run import Options, run_demo
    from tallystick.errors import OperationError

    options = Options(
        folder=folder,
        workload=workload.value if workload else None,
        small=small,
        events_per_message=events_per_message,
        seed=seed,
        kills=kills,
        faults=faults,
    )
    outcome = run_demo(options, Console(stderr=as_json))
    if as_json:
        found = {"is_proven": outcome.proven, "checks": [asdict(check) for check in outcome.checks]}
        figures = {"events": outcome.events, "seconds": outcome.seconds, "state_hash": outcome.state_hash}
        records.show([{**found, **figures, "picture": str(outcome.picture)}])
    if not outcome.proven:
        wrong = "; ".join(
            f"{check.what}: {check.found}, not {check.expected}" for check in outcome.checks if not check.holds
        )
        raise OperationError(f"the proof failed: {wrong}; run again with --seed {seed} to see the same")
