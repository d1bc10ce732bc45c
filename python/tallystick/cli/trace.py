"""`tallystick trace`: what became of everything under a correlation id, a document, or an event."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import options, records, tables
from tallystick.cli.progress import message_progress

if TYPE_CHECKING:
    from tallystick.client.flow import Step
    from tallystick.config import Config


_WIDE = 110
"""Columns from which on a step has one line."""


def trace(
    correlation: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A correlationid, a document, or an event: its id, or SOURCE/ID.", show_default=False
        ),
    ],
    since: options.Since = None,
    last: Annotated[
        int | None,
        typer.Option(
            envvar="TALLYSTICK_TRACE_LAST",
            metavar="N",
            min=1,
            show_default="all",
            help="Look at the last N messages of the event stream only.",
        ),
    ] = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 2.0,
    as_json: options.Json = False,
) -> None:
    """Follows a business transaction through all systems: its events, their outcomes, exceptions, and what was told.

    An event whose type nobody defined is a milestone: it says that something happened, and moves nothing.

    Reads the streams, so it works without a daemon; one that runs is asked for what the streams do not say. Latencies
    count from the first event (total), and from the event that a step follows from (step). Looks through the whole
    event stream unless it is told less; with --json, one object a line.

    Examples:

        tallystick trace order-4711

        tallystick trace wms/receipt-17

        tallystick trace order-4711 --since 12h --json
    """
    from tallystick import config as configuration
    from tallystick.event_loop import run_loop

    since_s = options.since_s(since)
    settings = configuration.load(config)
    steps, truncated = run_loop(_trace(settings, server, correlation, since_s, last, timeout_s))
    if as_json:
        _print_lines(steps)
    elif not steps:
        typer.echo(f"Nothing carries the correlation id, document or event id {correlation}{_bounds(since, last)}.")
    else:
        _print_table(correlation, steps)
    if truncated:
        typer.echo(f"tallystick: only the first {len(steps):,} steps are shown", err=True)


def _bounds(since: str | None, last: int | None) -> str:
    within = [f"within {since}"] if since else []
    return f" {' and '.join([*within, *([f'the last {last:,} messages'] if last else [])])}" if since or last else ""


async def _trace(
    settings: "Config", server: str | None, correlation: str, since_s: int | None, last: int | None, timeout_s: float
) -> "tuple[list[Step], bool]":
    from tallystick.bus.jetstream import JetStream
    from tallystick.client.client import Client
    from tallystick.client.trace import trace as trace_flow
    from tallystick.errors import OperationError

    async with Client(server, config=settings, timeout_s=timeout_s) as client:

        async def answers(keys: Sequence[tuple[str, str]]) -> Sequence[str | None]:
            try:
                return await client.answers(keys, unposted=True)
            except OperationError:  # No daemon runs, or an old one; then some outcomes stay unknown.
                return []

        with message_progress() as on_progress:
            return await trace_flow(
                JetStream(client.connection),
                settings,
                correlation,
                answers,
                since_s=since_s,
                last=last,
                on_progress=on_progress,
            )


def _print_lines(steps: "Sequence[Step]") -> None:
    from dataclasses import asdict

    for step in steps:
        known = {name: value for name, value in asdict(step).items() if value is not None and name != "origin"}
        if step.origin is not None:
            known["origin"] = {"source": step.origin[0], "id": step.origin[1]}
        records.show([{**known, "time": time_text(step.time_ns)}])


def _print_table(correlation: str, steps: "Sequence[Step]") -> None:
    is_wide = tables.width() >= _WIDE
    times = ("total", "step") if is_wide else ("total\nstep",)
    words = ("system", "what", "outcome", "about") if is_wide else ("what", "outcome")
    table = tables.table("log time", *times, *words, numbers=times, title=tables.plain(correlation))
    day = ""
    milestones = {(step.sequence, step.index) for step in steps if step.is_milestone}
    for step in steps:
        if step.kind == "exception" and not step.is_change and (step.sequence, step.index) in milestones:
            continue  # It says only that the type is nobody's, which is shown at the milestone.
        time = time_text(step.time_ns)
        # A day is said once, where it begins.
        if time[:10] != day:
            day = time[:10]
            table.add_row(day)
        latencies = latency_text(step.since_first_ns), latency_text(step.since_cause_ns)
        system, what, about = (tables.plain(text) for text in _words(step))
        if is_wide:
            table.add_row(time[11:-1], *latencies, system, what, _outcome(step), about)
        else:
            told = tables.lines(f"{system}: {what}", about)
            table.add_row(time[11:-1], "\n".join(latencies), told, _outcome(step))
    tables.show(table)


def _outcome(step: "Step") -> str:
    if step.is_milestone:
        return "milestone"
    # The outcome that an exception tells is shown at its event already.
    return "raised" if step.kind == "exception" and not step.is_change else step.outcome or ""


def _words(step: "Step") -> tuple[str, str, str]:
    """The system that speaks, what a step is, and what else is known of it."""
    from tallystick.client.work import moved_text

    key = f"{step.source}/{step.id}" if step.id is not None else step.source or ""
    position = f"{step.sku}@{step.location}" if step.sku else ""
    if step.kind == "availability":
        return "tallystick", "told", f"ATP {step.quantity} of {position}"
    if step.kind == "exception":
        number = f" {step.number}" if step.number is not None else ""
        why = moved_text(step.about) if step.is_change and step.about else step.about
        return "tallystick", f"exception{number}", _joined(step.type, f"of {key}", why)
    origin = f"echo of {'/'.join(step.origin)}" if step.origin else None
    quantity = f"{step.quantity} of {position}" if step.quantity and position else position
    effective = f"as of {step.effective}" if step.effective else None
    target = f"about {step.about}" if step.about else None
    return (
        step.source or "?",
        f"{step.type or '?'} {step.id or ''}".rstrip(),
        _joined(target, quantity, step.document, origin, effective),
    )


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def time_text(time_ns: int) -> str:
    """A time in UTC with milliseconds."""
    from datetime import UTC, datetime

    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def latency_text(nanoseconds: int | None) -> str:
    """A latency as people read it: `3 ms`, `1.2 s`, `5 min`; nothing where there is none."""
    if nanoseconds is None:
        return ""
    steps: Any = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for size, unit in steps:
        if abs(nanoseconds) >= size * 1_000_000_000 * (1 if size == 1 else 2):
            return f"{nanoseconds / (size * 1_000_000_000):,.1f} {unit}"
    return f"{nanoseconds / 1_000_000:.1f} ms"
