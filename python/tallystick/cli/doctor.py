"""`tallystick doctor`: examines an installation and says what to mend."""

import logging
from collections.abc import Sequence
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
    Exit status 0: nothing was found that must be mended; 1: something was. A check that could not be made is said.

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
    if not as_json:
        typer.echo(verdict(found))
    return 1 if any(one.state == "fail" for one in found) else 0


def line(finding: "Finding") -> str:
    """One finding for people."""
    text = f"{finding.state:<4}  {finding.check}: {finding.text}"
    return printable(f"{text}; {finding.cure}" if finding.cure else text)


def verdict(found: Sequence["Finding"]) -> str:
    """The whole in one sentence."""
    failures, warnings = (sum(one.state == state for one in found) for state in ("fail", "warn"))
    skipped = list(dict.fromkeys(one.check for one in found if one.state == "skip"))
    if not failures and not warnings and not skipped:
        return "All is well."
    told = f"{failures} to mend, {warnings} to look at" if failures or warnings else "Nothing to mend"
    return f"{told}; not looked at: {', '.join(skipped)}." if skipped else f"{told}."
