"""App: the commands, and the one place where a failure becomes a line on standard error and an exit status."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tallystick.cli import (
    atp,
    check,
    claims,
    config,
    demo,
    doctor,
    exceptions,
    failures,
    mistakes,
    policy,
    publish,
    replay,
    replenish,
    reservations,
    reserve,
    run,
    schema,
    sources,
    status,
    trace,
    trail,
    version,
)
from tallystick.cli.help import teach

DESCRIPTION = """
**Tallystick** turns the inventory events of many systems into one ledger that can be trusted.

See it work: `tallystick demo --small`. Take a file through the engine: `tallystick replay events.ndjson`.
Run the daemon with a server of its own: `tallystick run --embedded`.
"""

EPILOG = """
**Exit status:** 0 all went well · 1 anything not listed here · 2 bad usage or configuration ·
3 no usable server · 4 a stream cannot keep the promises · 5 snapshots do not fit or cannot be written ·
6 messages of the event stream are missing · 7 somebody else writes to an output stream ·
8 the engine found a fault in itself · 9 there is not enough · 10 stopped with output that waits ·
130 interrupted.
"""

app = typer.Typer(
    name="tallystick",
    help=DESCRIPTION,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _whole(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=version.show)
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)
app.command("publish")(publish.publish)
app.command("check")(check.check)
app.command("schema")(schema.schema)
app.command("atp")(atp.atp)
app.command("reserve")(reserve.reserve)
app.command("post")(reserve.post)
app.command("void")(reserve.void)
app.command("change")(reserve.change)
app.command("reservations")(reservations.reservations)
app.command("claims")(claims.claims)
app.command("replenish")(replenish.replenish)
app.add_typer(exceptions.app, name="exceptions")
app.command("trace")(trace.trace)
app.command("trail")(trail.trail)
app.command("sources")(sources.sources)
app.add_typer(policy.app, name="policy")
app.add_typer(config.app, name="config")
app.command("version")(version.version)


def execute(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit status. Every failure is one line on standard error, never a traceback."""
    try:
        status = teach(typer.main.get_command(app))(args=list(arguments), prog_name="tallystick", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except typer.TyperException as error:
        usage = mistakes.words(error)
        if not usage.startswith("Usage: "):
            return _failed(error, arguments)
        print(usage.rstrip())  # `no_args_is_help` arrives here, too.
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the last line between a bug and a traceback
        return _failed(error, arguments)


def _failed(error: BaseException, arguments: Sequence[str]) -> int:
    line, status = failures.told(error, arguments)
    if line:
        print(f"tallystick: {line}", file=sys.stderr)
    return status
