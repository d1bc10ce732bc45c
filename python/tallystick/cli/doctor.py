"""`tallystick doctor`: examines an installation and says what to mend."""

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from tallystick.cli import options, records
from tallystick.plain_text import printable

if TYPE_CHECKING:
    from tallystick.doctor.finding import Finding


def doctor(config: options.Config = None, server: options.Server = None, as_json: options.Json = False) -> int:
    """Examines configuration, files, server, streams and daemon, and says what to mend. It changes nothing.

    Run it as the daemon's user, with the daemon's configuration, whether a daemon runs or not.
    Exit status 0: nothing must be mended; 1: something must.

    Examples:

        tallystick doctor --config tallystick.toml

        tallystick doctor --json
    """
    import asyncio

    from tallystick.doctor.examine import examine

    # What the connection logs is one of the results.
    logging.getLogger().addHandler(logging.NullHandler())

    async def look() -> list["Finding"]:
        found = []
        async for finding in examine(config, server):
            if as_json:
                records.show([asdict(finding)])
            else:
                typer.echo(line(finding))
            found.append(finding)
        return found

    # On asyncio's own loop: an installation that lacks another one is to be examined, too.
    found = asyncio.run(look())
    failures, warnings = (sum(one.state == state for one in found) for state in ("fail", "warn"))
    if not as_json:
        typer.echo(verdict(failures, warnings))
    return 1 if failures else 0


def line(finding: "Finding") -> str:
    """One finding for people."""
    text = f"{finding.state:<4}  {finding.check}: {finding.text}"
    return printable(f"{text}; {finding.cure}" if finding.cure else text)


def verdict(failures: int, warnings: int) -> str:
    """The whole in one sentence."""
    if not failures and not warnings:
        return "All is well."
    return f"{failures} to mend, {warnings} to look at."
