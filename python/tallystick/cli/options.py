"""Options that several commands share. Each names its environment variable; --help shows it with the default."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="TALLYSTICK_CONFIG",
        help="Configuration file (TOML).",
        show_default="built-in defaults",
        metavar="FILE",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout-s",
        envvar="TALLYSTICK_TIMEOUT_S",
        min=0.1,
        metavar="SECONDS",
        help="How long to wait for the daemon.",
    ),
]
Operator = Annotated[
    str,
    typer.Option(
        "--operator", envvar="TALLYSTICK_OPERATOR", metavar="SOURCE", help="Who says so: one of engine.operators."
    ),
]
Person = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="TALLYSTICK_USER",
        metavar="NAME",
        show_default="your login name",
        help="Your own name, in at most 64 bytes; it stands with what you decide.",
    ),
]
Note = Annotated[
    str | None,
    typer.Option(
        "--note",
        envvar="TALLYSTICK_NOTE",
        metavar="TEXT",
        show_default="none",
        help="Why, in at most 64 bytes; it stands with the exception.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", envvar="TALLYSTICK_JSON", show_default="off", help="Answer in JSON, for programs.")
]
Map = Annotated[
    Path | None,
    typer.Option(
        "--map",
        envvar="TALLYSTICK_MAP",
        metavar="FILE",
        show_default="none: the file holds events",
        help="Says which column of CSV, Parquet or Arrow is which field (TOML, docs/files.md).",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        envvar="TALLYSTICK_NATS_URL",
        help="NATS server to connect to.",
        show_default="from the configuration",
        metavar="URL",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        envvar="TALLYSTICK_SINCE",
        metavar="DURATION",
        show_default="the beginning",
        help="How far back to look, such as 90m, 12h or 7d.",
    ),
]


def since_s(since: str | None) -> int | None:
    """The seconds of `--since`; None where it is not given. Raises UsageError."""
    from tallystick import config
    from tallystick.errors import UsageError

    seconds = None if since is None else config.duration_s(since)
    if since is not None and not seconds:
        raise UsageError(f"--since {since} is no duration; give a whole number with s, m, h or d, such as 12h")
    return seconds
