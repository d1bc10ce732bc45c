"""Exceptions: what is out of order, for programs and people: listed, shown, decided on and repaired.

What is said about an exception goes through the log, so it is part of every replay; each call waits until the daemon
has applied it. Nothing is sent that is so already, or could only be refused.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack, cast

from tallystick.bus import questions
from tallystick.client import directives, triage, verbs
from tallystick.client import repair as repairs
from tallystick.client.wire import Wire
from tallystick.client.work import WorkItem
from tallystick.errors import OperationError, UsageError
from tallystick.outcome import Outcome
from tallystick.records import ExceptionStats

if TYPE_CHECKING:
    from tallystick.client.history import Deed

_TAKEN: Final = ("applied", "absorbed")
_REPAIR: Final = "repair"
"""What the log says of whoever is about to send an event again; the reason follows it."""
REPAIR_REASON_BYTES_MAX: Final = directives.REASON_BYTES_MAX - len(f"{_REPAIR}: ")


class Filters(TypedDict, total=False):
    """Which exceptions are meant; what is None fits all."""

    code: str | None
    severity: str | None
    source: str | None
    owner: str | None
    """The team."""
    sku: str | None
    location: str | None
    document: str | None
    correlation: str | None


class Speaker(TypedDict, total=False):
    """Why something is decided, and who does."""

    reason: str | None
    person: str | None
    """Who speaks as the operator."""
    operator: str
    """The source that decides: `operator`, or another one of `engine.operators`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of what was said about one exception."""

    number: int
    outcome: str
    """Of what was said as an event; `unchanged` where nothing had to be said any more."""
    item: WorkItem | None
    """The exception as it is now; None if the daemon does not keep it any more."""
    message: str
    """One sentence for people."""
    holds: bool
    """Whether it is now as was asked, whoever brought it about."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of an event that was sent again."""

    number: int
    sequence: int
    """Its place in the log."""
    outcome: Outcome | None
    """None if it was refused again in its form: then `item` says why."""
    item: WorkItem | None
    """The exception as it is now."""
    raised: tuple[WorkItem, ...] = ()
    """What is out of order because of it, and was not before."""

    @property
    def is_taken(self) -> bool:
        """Whether the event counts now, or waits for something."""
        return str(self.outcome) in repairs.TAKEN if self.outcome is not None else False


# Inside the class, `list` is the method.
Items = list[WorkItem]
Decisions = list[Decision]


def _words(speaker: Speaker, reason_bytes_max: int) -> dict[str, str]:
    """Why and who, as a directive takes it. Raises UsageError for what is too long."""
    found: dict[str, str] = {}
    for name, text, most in (
        ("reason", speaker.get("reason"), reason_bytes_max),
        ("person", speaker.get("person"), directives.REASON_BYTES_MAX),
    ):
        if text is not None and len(text.encode()) > most:
            raise UsageError(f"{name}: it has more than {most} bytes; say it shorter")
        if text:
            found[name] = text
    return found


class Exceptions:
    """`Client.exceptions`: each method is named as the command is, `tallystick exceptions list` and so on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def each(
        self, state: str = "unresolved", *, since: str | None = None, limit: int | None = None,
        events: bool = False, **filters: Unpack[Filters],
    ) -> AsyncIterator[WorkItem]:  # fmt: skip
        """Yields the exceptions that fit, by their numbers, page by page; with `events`, each with its original."""
        after, left = 0, limit
        while left is None or left > 0:
            most = questions.LIMIT_MAX if left is None else min(left, questions.LIMIT_MAX)
            asked = {**filters, "state": state, "since": since, "after": after, "limit": most, "events": events}
            page = await self._wire.answer_to(questions.LIST, asked)
            for found in page["items"]:
                item = WorkItem.of(found)
                after = item.number
                yield item
            if left is not None:
                left -= len(page["items"])
            if not page["more"] or not page["items"]:
                return

    async def list(
        self, state: str = "unresolved", *, since: str | datetime | None = None, limit: int | None = None,
        sort: str = "severity", events: bool = False, **filters: Unpack[Filters],
    ) -> Items:  # fmt: skip
        """Returns the exceptions that fit, what matters most first (`severity`, or `age`, `value`, `code`, `count`).

        `state` is unresolved, open, acknowledged, resolved, discarded or all; `since` when it was last raised. With
        `events`, each has its original. Raises UsageError for a state or an order that is none.
        """
        triage.check_known("sort", sort, triage.ORDERS)
        moment = since.isoformat() if isinstance(since, datetime) else since
        # What comes first is known once all are.
        found = [item async for item in self.each(state, since=moment, events=events, **filters)]
        return triage.ordered(found, sort)[:limit]

    async def show(self, number: int) -> WorkItem | None:
        """Returns one exception with its original event; None if the daemon does not have it."""
        found = await self._wire.answer_to(questions.ONE, {"number": number})
        return WorkItem.of(found) if found is not None else None

    async def stats(self) -> ExceptionStats:
        """Counts exceptions by state and by code; names all codes, teams and operators that there are."""
        return cast("ExceptionStats", await self._wire.answer_to(questions.STATS, {}))

    async def history(self, number: int) -> "Sequence[Deed]":
        """Returns who did what about an exception, oldest first, from the streams. Needs no daemon."""
        from tallystick.bus.jetstream import JetStream
        from tallystick.client.history import history

        try:
            item = await self.show(number)
        except OperationError:  # No daemon: the whole stream is looked through.
            item = None
        await self._wire.connect()
        since = item.first_seen if item is not None else None
        return await history(JetStream(self._wire.connection), self._wire.settings, number, since)

    async def ack(self, *numbers: int, **speaker: Unpack[Speaker]) -> Decisions:
        """Says that somebody works on these exceptions. They stay unresolved, and are not escalated any more."""
        return await self._decide("acknowledge", numbers, speaker)

    async def resolve(self, *numbers: int, **speaker: Unpack[Speaker]) -> Decisions:
        """Says that the reason of these exceptions is gone. Most resolve themselves as soon as it is."""
        return await self._decide("resolve", numbers, speaker)

    async def discard(self, *numbers: int, **speaker: Unpack[Speaker]) -> Decisions:
        """Says that nothing will be done about these exceptions, and why: raises UsageError without a `reason`."""
        if not speaker.get("reason"):
            raise UsageError("an exception is not discarded without a reason; give one")
        return await self._decide("discard", numbers, speaker)

    async def approve(self, *numbers: int, **speaker: Unpack[Speaker]) -> Decisions:
        """Lets what waits for approval be posted, at its own effective time."""
        return await self._decide("approve", numbers, speaker)

    async def deny(self, *numbers: int, **speaker: Unpack[Speaker]) -> Decisions:
        """Drops what waits for approval; nothing is posted."""
        return await self._decide("deny", numbers, speaker)

    async def assign(self, number: int, team: str, **speaker: Unpack[Speaker]) -> Decision:
        """Passes an exception on to another team: one that is built in, or one of `exceptions.teams`."""
        (decision,) = await self._decide("assign", [number], speaker, team)
        return decision

    async def repair(self, number: int, changes: Mapping[str, Any] | None = None, **speaker: Unpack[Speaker]) -> Repair:
        """Sends the original again under its own key, with fields of other values; None takes a field away.

        The daemon judges it first. Raises OperationError, and sends nothing, where it would be refused again or nothing
        is out of order any more; UsageError for a change that would make another event of it.
        """
        await self.check_speaker(speaker.get("operator", directives.OPERATOR))
        item = verbs.check("repair", number, await self.show(number))
        said = [f"{name}={'' if value is None else value}" for name, value in (changes or {}).items()]
        event = repairs.edited(item, said) if said else repairs.unchanged(item)
        ((tried,), answer) = await repairs.try_out(self._wire, [(item, event)])
        if (told := verbs.already("resolve", item)) is not None and not tried.is_sent:
            raise OperationError(told.words.removesuffix("."))
        if not tried.is_taken:
            raise OperationError(f"not sent, because it would be refused again as {tried.why}")
        return await self.send_again(tried, speaker, answer["exceptions"])

    async def send_again(
        self, tried: repairs.Tried, speaker: Speaker, raises: Sequence[Mapping[str, Any]] = ()
    ) -> Repair:
        """Sends an event in place of an exception's original, and waits until it is applied.

        `raises` is what the dry run said that it would raise.
        """
        await self.say_repaired([tried.item], speaker)
        sequence = await self._wire.put(tried.event)
        await self._wire.until_applied(sequence)
        now = await self.show(tried.item.number)
        (outcome,) = await self._wire.answers([repairs.key_of(tried.event)])
        known = Outcome[outcome.upper()] if outcome is not None else None
        return Repair(tried.item.number, sequence, known, now, await self._raised(raises))

    async def say_repaired(self, meant: Sequence[WorkItem], speaker: Speaker) -> None:
        """Says who is about to repair exceptions, and why: what is sent again then has the words of its source alone.

        Raises UsageError for a reason or a name that is too long.
        """
        words = _words(speaker, REPAIR_REASON_BYTES_MAX)
        words["reason"] = f"{_REPAIR}: {words['reason']}" if "reason" in words else _REPAIR
        operator = speaker.get("operator", directives.OPERATOR)
        open_ones = [item.number for item in meant if item.is_unresolved]
        await self._wire.put_all(directives.acknowledge(number, source=operator, **words) for number in open_ones)

    async def _raised(self, told: Sequence[Mapping[str, Any]]) -> tuple[WorkItem, ...]:
        """The exceptions that a dry run told of, as they are now, with their numbers."""
        found: list[WorkItem] = []
        for one in told:
            filters: Filters = {"code": one["code"], "sku": one.get("sku"), "location": one.get("location")}
            found += [item async for item in self.each(**filters) if item.subject == one["subject"]]
        return tuple(found)

    async def check_speaker(self, operator: str, team: str | None = None) -> None:
        """Raises UsageError for an operator, or a team, that the daemon's configuration does not name."""
        known = await self.stats()
        triage.check_known("operator", operator, known["operators"])
        triage.check_known("team", team, known["teams"])

    async def decide(
        self, what: str, meant: Sequence[WorkItem], speaker: Speaker, team: str | None = None
    ) -> Decisions:
        """Says the same about each of some exceptions that were looked at, and what became of it."""
        build, words = getattr(directives, what), () if team is None else (team,)
        operator = speaker.get("operator", directives.OPERATOR)
        said = _words(speaker, directives.REASON_BYTES_MAX)
        known = {item.number: verbs.already(what, item, team) for item in meant}
        ids = {item.number: str(uuid.uuid4()) for item in meant if known[item.number] is None}
        made = [build(number, *words, source=operator, directive_id=one, **said) for number, one in ids.items()]
        causes: dict[str | None, str] = {}
        outcomes: dict[int, str | None] = {}
        if made:
            await self._wire.until_applied(max(await self._wire.put_all(made)))
            answers = await self._wire.answers([(operator, one) for one in ids.values()])
            outcomes = dict(zip(ids, answers, strict=True))
            if any(outcome not in _TAKEN for outcome in answers):
                causes = {item.id: item.cause async for item in self.each("all", source=operator)}
        decisions: list[Decision] = []
        for item in meant:
            if (told := known[item.number]) is not None:
                decisions.append(Decision(item.number, "unchanged", item, told.words, told.holds))
                continue
            outcome, now = outcomes[item.number], await self.show(item.number)
            told = verbs.done(what, item, now, outcome, causes.get(ids[item.number]))
            decisions.append(Decision(item.number, outcome or "refused", now, told.words, told.holds))
        return decisions

    async def _decide(self, what: str, numbers: Sequence[int], speaker: Speaker, team: str | None = None) -> Decisions:
        if not numbers:
            raise UsageError("give the numbers of exceptions")
        await self.check_speaker(speaker.get("operator", directives.OPERATOR), team)
        meant = [verbs.check(what, number, await self.show(number)) for number in dict.fromkeys(numbers)]
        return await self.decide(what, meant, speaker, team)
