"""`tallystick exceptions repair`: originals, edited or as they are, sent again under their own keys.

The daemon judges each first; what would be refused again, or changes nothing, is not sent.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick import plain_text
from tallystick.cli import options, tables
from tallystick.cli.bus import Reach
from tallystick.cli.choice import Choice, Yes, choosing, confirm
from tallystick.cli.decide import OPERATOR, Speaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.client.client import Client
    from tallystick.client.exceptions import Repair
    from tallystick.client.repair import Tried
    from tallystick.client.work import WorkItem

TIMEOUT_S = 10.0
NOTE_BYTES_MAX: Final = 56
"""What the word for a repair leaves of a reason. Said here once more; a test holds the two together."""
_SENT: dict[str, str] = {
    "applied": "counted",
    "late": "counted, late",
    "absorbed": "taken; a later count has the last word",
    "held": "held until what is before it has come",
    "pending_approval": "taken; it waits for an approval now",
    "observed": "recorded; it changes nothing",
}


@choosing("REPAIR")
def repair(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="[NUMBER]", help="Which exception.", show_default="those that the options say", min=1),
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
    kind: Annotated[
        str | None,
        typer.Option("--type", envvar="TALLYSTICK_REPAIR_TYPE", show_default="any", help="With --code: this type."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            envvar="TALLYSTICK_REPAIR_DRY_RUN",
            show_default="off",
            help="Publish nothing; show what the daemon says would become of it.",
        ),
    ] = False,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Corrects an event that was refused and sends it again under its own key, which resolves its exception.

    With --code, sends every event that was refused for it once more, as it was: after a type was added, or a source
    was registered. The daemon judges each first: what would be refused again is not sent, and what would raise
    something new is asked about. The key (source, id, sequence) cannot be changed: that would be another event.

    The event speaks for its source. So that the history names you and your reason, the exception is acknowledged first,
    with "repair" before the note. One that was discarded stays so; its event counts all the same.

    Examples:

        tallystick exceptions repair 17 --set quantity=12 --dry-run

        tallystick exceptions repair 17 --set quantity=12 --note "counted in dozens"

        tallystick exceptions repair 17 --file corrected.json

        tallystick exceptions repair --code unknown_type --source wms-east --yes
    """
    speaker = Speaker.of(operator, person, note, NOTE_BYTES_MAX)
    reach = Reach(config, server, timeout_s)
    code = choice.filters.get("code")
    if not numbers and code is None:
        raise _misused("give the NUMBER of an exception, or --code for all of one kind")
    if numbers and code is not None:
        raise _misused("give the NUMBER of an exception or --code for all of one kind, not both")
    if not numbers:
        if changes or file:
            raise _misused("--set and --file are for one exception; name its NUMBER")
        reach.run(lambda client: _repair_all(client, choice, kind, speaker, dry_run=dry_run, yes=yes, as_json=as_json))
        return
    if len(numbers) > 1:
        raise _misused("repair takes one NUMBER at a time, or --code for all of one kind")
    if choice.is_given or kind:
        raise _misused("--source, --type and the like go with --code")
    if changes and file:
        raise _misused("give --set or --file, not both")
    edit = _Edit(changes or [], file)
    reach.run(lambda client: _repair_one(client, numbers[0], edit, speaker, dry_run=dry_run, yes=yes, as_json=as_json))


def _misused(what: str) -> Exception:
    from tallystick.errors import UsageError

    return UsageError(f"{what}; see --help")


@dataclass(frozen=True, slots=True)
class _Edit:
    """What is to become of the original."""

    changes: "Sequence[str]"
    file: Path | None

    def of(self, item: "WorkItem") -> bytes:
        """The event to send. Raises UsageError."""
        from tallystick.client import repair as repairs
        from tallystick.errors import UsageError

        if self.file is None:
            return repairs.edited(item, self.changes) if self.changes else repairs.unchanged(item)
        try:
            return repairs.replaced(item, self.file.read_bytes())
        except OSError as error:
            raise UsageError(f"{self.file}: {error.strerror}") from error


async def _repair_one(
    client: "Client", number: int, edit: _Edit, speaker: Speaker, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from tallystick.client import repair as repairs
    from tallystick.client.verbs import DECIDABLE, already
    from tallystick.errors import OperationError, UsageError

    item = await client.exceptions.show(number)
    if item is None:
        raise UsageError(f"there is no exception {number}; see: tallystick exceptions list")
    await client.exceptions.check_speaker(speaker.operator)
    ((tried,), answer) = await repairs.try_out(client, [(item, edit.of(item))])
    if dry_run:
        _show_tried([tried], answer, as_json=as_json)
        return
    if (told := already("resolve", item)) is not None and not tried.is_sent:
        raise OperationError(told.words.removesuffix("."))
    if not tried.is_taken:
        same = "" if edit.changes or edit.file else "; change it with --set or --file"
        raise OperationError(f"not sent, because it would be refused again as {tried.why}{same}")
    # What waits for a decision has changed nothing, and somebody will look at it anyway.
    raises = [f"{one['code']} ({one['cause']})" for one in answer["exceptions"] if one["code"] not in DECIDABLE]
    if harm := [f"it would raise {', '.join(raises)}"] * bool(raises) + repairs.deeper(answer):
        if not as_json:
            _show_positions(answer)
        confirm(f"send it, though {' and '.join(harm)}", yes=yes)
    _tell(item, await client.exceptions.send_again(tried, speaker.words, answer["exceptions"]), as_json=as_json)


def _tell(item: "WorkItem", sent: "Repair", *, as_json: bool) -> None:
    """What became of it. Raises OperationError where it was refused again."""
    from tallystick import exact_json
    from tallystick.client.work import sentence
    from tallystick.errors import OperationError

    number, now = item.number, sent.item
    outcome = str(sent.outcome) if sent.outcome is not None else None
    state = now.state if now is not None else "gone"
    if as_json:
        answer: dict[str, Any] = {"number": number, "sequence": sent.sequence, "outcome": outcome, "state": state}
        raised = [{"number": one.number, "code": one.code, "cause": one.cause} for one in sent.raised]
        typer.echo(exact_json.dumps(answer | {"raised": raised}).decode())
    elif sent.is_taken:
        what = _SENT.get(outcome or "", outcome)
        typer.echo(f"Sent as message {sent.sequence}: {what}. Exception {number} is {state}.")
        for one in sent.raised:
            typer.echo(plain_text.printable(f"It raised {one.code} (exception {one.number}). {sentence(one.cause)}"))
        if now is not None and now.is_unresolved and None in (item.source, item.id):
            typer.echo(
                f"Which event exception {number} is about could not be read, so it does not settle itself. "
                f"If it was this one: tallystick exceptions resolve {number}"
            )
    if not sent.is_taken:
        why = sentence(now.cause) if now is not None else ""
        raise OperationError(f"sent as message {sent.sequence}, and refused again. {why}".rstrip("."))


async def _repair_all(
    client: "Client",
    choice: Choice,
    kind: str | None,
    speaker: Speaker,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from tallystick import exact_json
    from tallystick.client import repair as repairs
    from tallystick.errors import OperationError, UsageError

    code = choice.filters.get("code")
    await client.exceptions.check_speaker(speaker.operator)
    found = await choice.items(client, events=True)
    if code not in repairs.REPEATABLE:
        raise _misused(
            f"{code} does not go away when the same event comes again; only {', '.join(repairs.REPEATABLE)} can"
        )
    chosen = [item for item in found if kind is None or repairs.event_type(item) == kind]
    whole = [item for item in chosen if item.is_whole]
    if not chosen:
        raise UsageError(f"there is nothing to repair{choice.in_words()}{f', type {kind}' if kind else ''}")
    tried, answers = await _try_all(client, whole)
    raises = _raises(answers)
    if not as_json or dry_run:
        _show_causes(tried, len(chosen) - len(whole), raises, as_json=as_json)
    if dry_run:
        if not as_json:
            for answer in answers:
                _show_positions(answer)
        return
    good = [one for one in tried if one.is_taken]
    left = len(chosen) - len(good)
    if not good:
        raise OperationError(f"nothing was sent: {_reasons(tried, len(chosen) - len(whole))}")
    new = "".join(f", which raises {', '.join(raises)}" for _ in raises[:1])
    confirm(f"send {tables.counted(len(good), 'event')} again{new}", yes=yes)
    await client.exceptions.say_repaired([one.item for one in good], speaker.words)
    last = max(await client.put_all(one.event for one in good))
    await client.until_applied(last)
    meant = {one.item.number for one in good}
    left_open = [item.number async for item in client.exceptions.each(code=code)]
    still = len(meant.intersection(left_open))
    if as_json:
        answer = {"sent": len(good), "left_out": left, "resolved": len(good) - still, "unresolved": still + left}
        typer.echo(exact_json.dumps(answer).decode())
    else:
        typer.echo(f"{tables.counted(len(good), 'event')} sent again; {len(good) - still:,} resolved.")
    if left:
        raise OperationError(f"{left:,} not sent: {_reasons(tried, len(chosen) - len(whole))}")
    if still:
        raise OperationError(f"{still:,} of {len(good):,} were refused again; see: tallystick exceptions list")


async def _try_all(client: "Client", whole: "Sequence[WorkItem]") -> "tuple[list[Tried], list[Any]]":
    from tallystick.client import repair as repairs

    tried: list[Tried] = []
    answers = []
    for some in repairs.together((item, repairs.unchanged(item)) for item in whole):
        judged, answer = await repairs.try_out(client, some)
        tried += judged
        answers.append(answer)
    return tried, answers


def _reasons(tried: "Sequence[Tried]", cut: int) -> str:
    """Why some are not sent."""
    counts: dict[str, int] = {}
    for one in tried:
        if not one.is_taken:
            counts[one.why] = counts.get(one.why, 0) + 1
    said = [f"{count:,} would be refused again as {why}" for why, count in list(counts.items())[:5]]
    if cut:
        said.append(f"of {cut:,} only a part of the event was kept")
    return "; ".join(said)


def _raises(answers: "Sequence[Any]") -> list[str]:
    """What the events would raise, or make worse, by code: `negative_stock (3)`."""
    from tallystick.client.repair import deeper

    counts = Counter(one["code"] for answer in answers for one in answer["exceptions"])
    counts["negative_stock"] += sum(len(deeper(answer)) for answer in answers)
    return [f"{code} ({count:,})" for code, count in counts.items() if count]


def _show_causes(tried: "Sequence[Tried]", cut: int, raises: "Sequence[str]", *, as_json: bool) -> None:
    """What would become of the events, counted by outcome and reason."""
    from tallystick import exact_json

    counts: dict[tuple[str, str], int] = {}
    for one in tried:
        said = one.outcome, "" if one.is_taken else one.why
        counts[said] = counts.get(said, 0) + 1
    if cut:
        counts["not tried", "only a part of the event was kept"] = cut
    if as_json:
        for (outcome, why), count in counts.items():
            row = {"count": count, "outcome": outcome, "sent": outcome in _SENT, "cause": why}
            typer.echo(exact_json.dumps({name: value for name, value in row.items() if value != ""}).decode())
        return
    table = tables.table("count", "would be", "sent", "why not", numbers=["count"])
    for (outcome, why), count in sorted(counts.items(), key=lambda row: -row[1]):
        table.add_row(f"{count:,}", outcome, "yes" if outcome in _SENT else "no", tables.plain(why))
    tables.show(table)
    if raises:
        typer.echo(f"They would raise {', '.join(raises)}.")


def _show_tried(tried: "Sequence[Tried]", answer: Any, *, as_json: bool) -> None:
    """What would become of each event, and of the positions."""
    from tallystick import exact_json
    from tallystick.client.work import sentence

    if as_json:
        typer.echo(exact_json.dumps(answer).decode())
        return
    table = tables.table("#", "event", "exception", "would be", "why", numbers=["#"])
    for one in tried:
        event = f"{one.item.source}/{one.item.id}"
        cells = [str(one.item.number), event, one.item.code, one.outcome, "" if one.is_taken else one.why]
        table.add_row(*map(tables.plain, cells))
    tables.show(table)
    _show_positions(answer)
    for item in answer["exceptions"]:
        typer.echo(plain_text.printable(f"It would raise {item['code']}. {sentence(item['cause'])}"))


def _show_positions(answer: Any) -> None:
    if answer["positions"]:
        balances = tables.table("position", "balances before → after")
        for row in answer["positions"]:
            balances.add_row(tables.plain(_position(row)), balance_changes(row.get("before"), row["after"]))
        tables.show(balances)


def _position(row: dict[str, Any]) -> str:
    more = [f"{name} {row[name]}" for name in ("lot", "owner") if row.get(name)]
    return ", ".join([f"{row['sku']}@{row['location']}", *more])


def balance_changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """The balances that differ, as `on_hand 5 → 8, atp 5 → 8`."""
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if old.get(name, 0) != new.get(name, 0)]
    return ", ".join(f"{name} {old.get(name, 0)} → {new.get(name, 0)}" for name in names) or "no balance changes"
