"""`tallystick schema`: what producers may send, for their tools."""

from enum import StrEnum
from typing import Annotated

import typer

from tallystick.cli import options


class SchemaFormat(StrEnum):
    """What it can be printed as."""

    JSON_SCHEMA = "jsonschema"
    ASYNCAPI = "asyncapi"


Format = Annotated[
    SchemaFormat,
    typer.Option(
        "--format",
        envvar="TALLYSTICK_SCHEMA_FORMAT",
        help="JSON Schema 2020-12 of one event, or AsyncAPI 3.0 of all subjects.",
    ),
]


def schema(config: options.Config = None, form: Format = SchemaFormat.JSON_SCHEMA) -> None:
    """Prints what producers may send: all types of the rule table in force, and all directives.

    What the schema refuses, the daemon refuses. What a schema cannot know stands in its description.

    Examples:

        tallystick schema > event.schema.json

        tallystick schema --format asyncapi --config tallystick.toml
    """
    from tallystick import config as configuration
    from tallystick import exact_json
    from tallystick.client.asyncapi import asyncapi
    from tallystick.files.event_schema import event_schema

    settings = configuration.load(config)
    printed = event_schema(settings.engine_json) if form is SchemaFormat.JSON_SCHEMA else asyncapi(settings)
    typer.echo(exact_json.dumps(printed, indent=True).decode())
