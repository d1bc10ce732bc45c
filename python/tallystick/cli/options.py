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
