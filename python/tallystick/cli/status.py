"""`tallystick status`: how the daemon is, in one sentence and its figures."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import options, records
from tallystick.cli.bus import Reach
from tallystick.plain_text import printable

if TYPE_CHECKING:
    from tallystick.client.client import Client

NOT_READY = 3
"""Exit status where a daemon answers and is not ready; the same as where none answers."""


def status(
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 3.0,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", envvar="TALLYSTICK_WATCH", show_default="off", help="Ask again every two seconds, until Ctrl-C."
        ),
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Tells how the daemon is: one sentence, and its figures.

    Exit status 0: it is ready; 3: it is not, or none answers.

    Examples:

        tallystick status

        tallystick status --json

        tallystick status --watch
    """

    async def ask(client: "Client") -> int:
        import asyncio

        while True:
            told = await client.status()
            if as_json:
                records.show([told])
            elif watch:
                typer.echo(f"{time.strftime('%H:%M:%SZ', time.gmtime())} {printable(told['headline'])}")
            else:
                typer.echo(describe(told))
            if not watch:
                return 0 if told["ready"] else NOT_READY
            await asyncio.sleep(2)

    return Reach(config, server, timeout_s).run(ask)


def describe(told: Mapping[str, Any]) -> str:
    """What a status says, for people: a sentence, what is blocked, and the figures."""
    lines = [told["headline"]]
    # The headline has the first of what is blocked in full.
    lines += [f"  {one['what']} since {one['since']}: {one['reason']}; {one['cure']}" for one in told["blocked"][1:]]
    lines += [f"  not ready: {reason}" for reason in told["not_ready"][len(told["blocked"]) :]]
    snapshot, outcomes = told["snapshot"], told["outcomes"]
    saved = f"reflects {snapshot['sequence']:,}" if snapshot["sequence"] else "none yet"
    if snapshot["at"]:
        saved += f", {snapshot['age_s']:,} s old, {snapshot['bytes']:,} bytes in {snapshot['took_s']} s"
    counted = ", ".join(f"{count:,} {name}" for name, count in outcomes.items() if count)
    requests = f"{told['requests_pending']:,} pending, {told['answers']:,} answered, {told['answers_failed']:,} failed"
    figures = {
        "log": f"{told['sequence']:,} of {told['stream_end']:,} messages applied, {told['lag_s']} s behind",
        "outputs": f"published through {told['published_sequence']:,}, {told['unpublished_bytes']:,} bytes wait",
        "snapshot": saved,
        "ledger": f"{told['events']:,} events, {told['positions']:,} positions",
        "outcomes": counted or "none",
        "requests": requests,
        "connection": f"{told['reconnects']:,} reconnects, {told['ticks']:,} ticks sent",
    }
    lines += [f"{name:<11} {text}" for name, text in figures.items()]
    return "\n".join(map(printable, lines))
