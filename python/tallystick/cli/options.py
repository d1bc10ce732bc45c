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
