"""`tallystick exceptions repair`: originals, edited or as they are, sent again under their own keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import options, tables
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tallystick.client.client import Client
    from tallystick.client.work import WorkItem

TIMEOUT_S = 10.0
_TRIED_TOGETHER = 100
"""Events of one dry run; more would not fit into one message."""


def repair(  # noqa: PLR0913, PLR0917 (an option each)
    number: Annotated[
        int | None, typer.Argument(metavar="[NUMBER]", help="Which exception.", show_default="all of --code", min=1)
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            envvar="TALLYSTICK_REPAIR_SET",
            metavar="FIELD=VALUE",
            show_default="nothing",
            help="Give a field of the event another value; FIELD= takes it away. May be repeated.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            envvar="TALLYSTICK_REPAIR_FILE",
            metavar="FILE",
            show_default="the original",
            help="Send this event instead, a JSON object.",
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            envvar="TALLYSTICK_REPAIR_CODE", show_default="none", help="Send all unresolved ones of a code as they are."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(envvar="TALLYSTICK_REPAIR_SOURCE", show_default="any", help="Of these, only of this source."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", envvar="TALLYSTICK_REPAIR_TYPE", show_default="any", help="Of these, only this type."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            envvar="TALLYSTICK_REPAIR_DRY_RUN",
            show_default="off",
            help="Publish nothing; ask the daemon what would become of it.",
        ),
    ] = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Corrects an event that was refused and sends it again under its own key, which resolves its exception.

    With --code, sends every event that was refused for it once more, as it was: after a type was added, or a source
    was registered. The key (source, id, sequence) cannot be changed: that would be another event.

    Examples:

        tallystick exceptions repair 17 --set quantity=12 --dry-run

        tallystick exceptions repair 17 --file corrected.json

        tallystick exceptions repair --code unknown_type --source wms-east
    """
    reach = Reach(config, server, timeout_s)
    if (number is None) == (code is None):
        raise _misused("give the NUMBER of an exception, or --code for all of one kind")
    if code is not None:
        if changes or file:
            raise _misused("--set and --file are for one exception; name its NUMBER")
        reach.run(lambda client: _repair_all(client, code, source, kind, dry_run=dry_run, as_json=as_json))
        return
    if source or kind:
        raise _misused("--source and --type go with --code")
    if changes and file:
        raise _misused("give --set or --file, not both")
    assert number is not None, "checked above"
    reach.run(lambda client: _repair_one(client, number, changes or [], file, dry_run=dry_run, as_json=as_json))


def is_refusal(outcome: str | None) -> bool:
    """Whether an answer that is remembered, or None for one that is not, means that nothing was changed."""
    from tallystick import OUTCOMES

    return outcome is None or OUTCOMES.get(outcome, 0) >= OUTCOMES["malformed"]


def _misused(what: str) -> Exception:
    from tallystick.errors import UsageError

    return UsageError(f"{what}; see --help")


async def _repair_one(
    client: "Client", number: int, changes: "Sequence[str]", file: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    from tallystick.client import repair as repairs
    from tallystick.errors import UsageError

    item = await client.item(number)
    if item is None:
        raise UsageError(f"there is no exception {number}; see: tallystick exceptions list")
    if file is not None:
        try:
            event = repairs.replaced(item, file.read_bytes())
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
    else:
        event = repairs.edited(item, changes) if changes else repairs.unchanged(item)
    if dry_run:
        await _try(client, [(item, event)], as_json=as_json)
        return
    if (known := (await client.answers([_key(event)]))[0]) is not None:
        raise UsageError(
            f"the event's key is known already ({known}), so it would not be counted again; "
            "to change what was counted, send event.corrected"
        )
    sequence = await client.publish(event)
    await client.until_applied(sequence)
    now = await client.item(number)
    outcome = (await client.answers([_key(event)]))[0]
    if as_json:
        from tallystick import exact_json

        state = now.state if now is not None else None
        answer = {"number": number, "sequence": sequence, "outcome": outcome, "state": state}
        typer.echo(exact_json.dumps(answer).decode())
    else:
        typer.echo(
            f"sent as message {sequence}: {outcome or 'refused again'}; exception {number} is "
            f"{now.state if now is not None else 'not there'} now"
        )
    if is_refusal(outcome):
        from tallystick.errors import OperationError

        raise OperationError(f"the event was refused again; see why: tallystick exceptions show {number}")


async def _repair_all(
    client: "Client", code: str, source: str | None, kind: str | None, *, dry_run: bool, as_json: bool
) -> None:
    from tallystick.client.repair import REPEATABLE, unchanged

    if code not in REPEATABLE:
        raise _misused(f"{code} does not go away when the same event comes again; only {', '.join(REPEATABLE)} can")
    sent = cut = last = 0
    batch: list[tuple[WorkItem, bytes]] = []

    async def send() -> None:
        nonlocal last
        if dry_run:
            await _try(client, batch, as_json=as_json)
        else:
            last = max(await client.publish_all(event for _, event in batch))
        batch.clear()

    async for item in _matching(client, code, source, kind):
        if not item.is_whole:
            cut += 1
            continue
        batch.append((item, unchanged(item)))
        sent += 1
        if len(batch) == _TRIED_TOGETHER:
            await send()
    if batch:
        await send()
    left_out = f"; {cut:,} left out, because only a part was kept" if cut else ""
    if dry_run:
        typer.echo(f"{tables.counted(sent, 'event')} would be sent again{left_out}", err=as_json)
        return
    if last:
        await client.until_applied(last)
    still = 0
    async for _ in _matching(client, code, source, kind):
        still += 1
    if as_json:
        from tallystick import exact_json

        typer.echo(exact_json.dumps({"sent": sent, "left_out": cut, "unresolved": still}).decode())
    else:
        left = f"{tables.counted(still, 'exception')} of {code} {'is' if still == 1 else 'are'} unresolved now"
        typer.echo(f"{tables.counted(sent, 'event')} sent again{left_out}; {left}")


async def _matching(client: "Client", code: str, source: str | None, kind: str | None) -> "AsyncIterator[WorkItem]":
    from tallystick.client.repair import event_type

    async for item in client.items({"state": "unresolved", "code": code, "source": source}, events=True):
        if kind is None or event_type(item) == kind:
            yield item


def _key(event: bytes) -> tuple[str, str]:
    from tallystick import exact_json

    try:
        found = exact_json.loads(event)
        source, event_id = found.get("source"), found.get("id")
    except (ValueError, AttributeError):
        return "", ""
    return (source, event_id) if isinstance(source, str) and isinstance(event_id, str) else ("", "")


async def _try(client: "Client", batch: "Sequence[tuple[WorkItem, bytes]]", *, as_json: bool) -> None:
    """Asks what the events would come to, and shows it."""
    from tallystick import exact_json
    from tallystick.bus import questions
    from tallystick.errors import UsageError

    try:
        events = [exact_json.loads(event) for _, event in batch]
    except ValueError as error:
        raise UsageError(
            f"the event is no JSON ({error}), so it would be refused again; give it with --file"
        ) from error
    found = await client.answer_to(questions.WHAT_IF, {"events": events})
    if as_json:
        typer.echo(exact_json.dumps(found).decode())
        return
    numbers = {(item.source, item.id): item for item, _ in batch}
    table = tables.table("#", "event", "exception", "would be", numbers=["#"])
    for row in found["outcomes"]:
        item = numbers.get((row.get("source"), row.get("id")))
        event = tables.plain(f"{row.get('source')}/{row.get('id')}")
        table.add_row(str(item.number) if item else "", event, item.code if item else "", row["outcome"])
    tables.show(table)
    if found["positions"]:
        balances = tables.table("position", "balances before → after")
        for row in found["positions"]:
            balances.add_row(tables.plain(_position(row)), balance_changes(row.get("before"), row["after"]))
        tables.show(balances)
    for item in found["exceptions"]:
        typer.echo(f"It would raise {item['code']}: {item['cause']}")


def _position(row: dict[str, Any]) -> str:
    more = [f"{name} {row[name]}" for name in ("lot", "owner") if row.get(name)]
    return ", ".join([f"{row['sku']}@{row['location']}", *more])


def balance_changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """The balances that differ, as `on_hand 5 → 8, atp 5 → 8`."""
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if old.get(name, 0) != new.get(name, 0)]
    return ", ".join(f"{name} {old.get(name, 0)} → {new.get(name, 0)}" for name in names) or "no balance changes"
