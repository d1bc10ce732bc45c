"""`tallystick config`: is it right, and what does it say?"""

import typer

from tallystick.cli import options, records

app = typer.Typer(
    help="Checks or shows a configuration.", no_args_is_help=True, rich_markup_mode="markdown", add_completion=False
)


@app.command("check")
def check(config: options.Config = None, as_json: options.Json = False) -> None:
    """Says whether the configuration can be used; if not, names file, line, key and cure (exit status 2).

    Example:

        tallystick config check --config tallystick.toml
    """
    from tallystick import config as configuration

    settings = configuration.load(config)
    if as_json:
        name = None if config is None else str(config)
        records.show([{"config": name, "is_valid": True, "fingerprint": settings.fingerprint}])
    else:
        typer.echo(f"{config} is valid." if config else "The built-in configuration is valid.")


@app.command("show")
def show(config: options.Config = None, as_json: options.Json = False) -> None:
    """Prints every setting with its value and its origin: default, file and line, or environment; secrets are hidden.

    What is printed can be used as a file. Settings of the engine that are not given stand in it as comments, because
    the fingerprint changes with what is given. Changes through the log are not known here: what a file would change of
    what is in force, policy apply --dry-run says.

    Example:

        TALLYSTICK_NATS_URL=nats://10.0.0.5:4222 tallystick config show --config tallystick.toml
    """
    from tallystick import config as configuration

    settings = configuration.load(config)
    if not as_json:
        typer.echo(f"# fingerprint {settings.fingerprint}\n{settings.as_toml_text()}", nl=False)
        return
    records.show(
        {
            "table": row.table,
            "key": row.key,
            "value": settings.value_of(row),
            "origin": row.origin,
            "about": row.about,
            "changes_results": row.changes_results,
        }
        for row in settings.describe()
    )
