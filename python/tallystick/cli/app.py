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
from tallystick.errors import OperationError
from tallystick.plain_text import one_line

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

_HTTP = {"starlette", "uvicorn", "h11", "anyio", "prometheus_client"}

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
    except OperationError as error:
        return _failed(str(error), error.exit_code)
    except typer.TyperException as error:
        message = mistakes.words(error)
        if message.startswith("Usage: "):  # `no_args_is_help` arrives here, too.
            print(message.rstrip())
            return error.exit_code
        return _failed(f"{message}; see --help" if message else "", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name == "tallystick._engine":
            return _failed("the compiled engine is missing; build it with: pip install .", 2)
        extra = "http" if error.name in _HTTP else "demo" if "demo" in arguments else "cli"
        return _failed(f"the package {error.name} is not installed; pip install 'tallystick[{extra}]'", 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _failed(f"{place}{error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001  # the last line of defence between a bug and a traceback
        if status := _engine_status(error):
            return _failed(str(error), status)
        return _failed(f"unexpected {type(error).__name__}: {error}; please report it with the command line", 1)


def _engine_status(error: Exception) -> int | None:
    """The exit status of an error that the compiled engine raised, or None for any other error."""
    from tallystick import errors

    module = sys.modules.get("tallystick._engine")  # not loaded: then it cannot have raised anything
    if module is None or not isinstance(error, module.TallystickError):
        return None
    statuses = {
        module.ConfigError: errors.ConfigurationError.exit_code,
        module.SnapshotError: errors.SnapshotUnfit.exit_code,
        module.EngineFault: errors.EngineFailed.exit_code,
    }
    return statuses.get(type(error), OperationError.exit_code)


def _failed(message: str, status: int) -> int:
    if message:
        print(f"tallystick: {one_line(message)}", file=sys.stderr)
    return status
