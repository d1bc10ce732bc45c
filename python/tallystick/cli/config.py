"""`tallystick config`: is it right, and what is in force?"""

import typer

from tallystick.cli import options

app = typer.Typer(
    help="Checks or shows a configuration.", no_args_is_help=True, rich_markup_mode="markdown", add_completion=False
)


@app.command("check")
def check(config: options.Config = None) -> None:
    """Says whether the configuration can be used; if not, names file, line and cure (exit status 2).

    Example:

        tallystick config check --config tallystick.toml
    """
    from tallystick import config as configuration

    settings = configuration.load(config)
    typer.echo(f"{config or 'built-in defaults'}: good, fingerprint {settings.fingerprint}")


@app.command("show")
def show(config: options.Config = None, as_json: options.Json = False) -> None:
    """Prints the configuration in force, each setting with its origin; secrets are hidden.

    Example:

        TALLYSTICK_NATS_URL=nats://10.0.0.5:4222 tallystick config show --config tallystick.toml
    """
    from tallystick import config as configuration

    settings = configuration.load(config)
    if not as_json:
        typer.echo(settings.as_toml_text(), nl=False)
        return
    import orjson

    rows = [
        {"table": row.table, "key": row.key, "value": row.value, "origin": row.origin, "about": row.about}
        for row in settings.describe()
    ]
    typer.echo(orjson.dumps({"fingerprint": settings.fingerprint, "settings": rows}, option=orjson.OPT_INDENT_2))
