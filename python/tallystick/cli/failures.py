"""Failures: what an exception is to people: one line, and an exit status. It prints nothing."""

import sys
from collections.abc import Sequence
from typing import Final

import typer

from tallystick.cli import mistakes
from tallystick.errors import OperationError
from tallystick.plain_text import one_line

INTERRUPTED: Final = 130
_HTTP: Final = {"starlette", "uvicorn", "h11", "anyio", "prometheus_client"}


def told(error: BaseException, arguments: Sequence[str] = ()) -> tuple[str, int]:
    """Returns the line about what ended a command with these arguments, and the exit status; no line where all is said.

    >>> told(KeyboardInterrupt())
    ('interrupted', 130)
    """
    line, status = _told(error, arguments)
    return one_line(line), status


def _told(error: BaseException, arguments: Sequence[str]) -> tuple[str, int]:
    match error:
        case OperationError():
            return str(error), error.exit_code
        case typer.TyperException():
            message = mistakes.words(error)
            return f"{message}; see --help" if message else "", error.exit_code
        case KeyboardInterrupt() | typer.Abort():
            return "interrupted", INTERRUPTED
        case ModuleNotFoundError(name="tallystick._engine"):
            return "the compiled engine is missing; build it with: pip install .", 2
        case ModuleNotFoundError():
            extra = "http" if error.name in _HTTP else "demo" if "demo" in arguments else "cli"
            return f"the package {error.name} is not installed; pip install 'tallystick[{extra}]'", 2
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}", 1
    if status := _engine_status(error):
        return str(error), status
    return f"unexpected {type(error).__name__}: {error}; please report it with the command line", 1


def _engine_status(error: BaseException) -> int | None:
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
