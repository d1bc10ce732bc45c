"""`tallystick exceptions ack, resolve, discard, approve, deny, assign`: one directive for each exception that is meant.

What is said goes through the log, so it is part of every replay; the commands wait until the daemon has applied it.
Nothing is sent that is so already, or could only be refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli import items, options
from tallystick.cli.bus import Reach
from tallystick.cli.choice import Choice, Yes, choosing, confirm, numbered

if TYPE_CHECKING:
    from tallystick.client import exceptions
    from tallystick.client.client import Client
    from tallystick.client.work import WorkItem

Numbers = Annotated[
    list[int] | None,
    typer.Argument(metavar="[NUMBER…]", help="Which exceptions.", show_default="those that the options say", min=1),
]
NeededNote = Annotated[
    str | None,
    typer.Option("--note", envvar="TALLYSTICK_NOTE", metavar="TEXT", show_default="none; it is needed", help="Why."),
]
TIMEOUT_S: Final = 10.0
SAID_BYTES_MAX: Final = 64
OPERATOR: Final = "operator"
"""Said here once more, so that --help need not import what makes directives; a test holds the two together."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it, and why."""

    operator: str
    person: str | None
    note: str | None

    @classmethod
    def of(cls, operator: str, person: str | None, note: str | None, note_bytes_max: int = SAID_BYTES_MAX) -> "Speaker":
        """The speaker as the options say, under the login name where no other is given. Raises UsageError."""
        from tallystick.errors import UsageError

        for option, text, most in (("--note", note, note_bytes_max), ("--as", person, SAID_BYTES_MAX)):
            if text is not None and len(text.encode()) > most:
                raise UsageError(f"{option} has more than {most} bytes; say it shorter")
            if text is not None and not text.isprintable():
                raise UsageError(f"{option} has signs that cannot be printed; leave them out")
        return cls(operator, person or _login_name(), note)

    @property
    def members(self) -> dict[str, str]:
        """Members of each directive."""
        given = {"reason": self.note, "person": self.person}
        return {name: text for name, text in given.items() if text is not None}

    @property
    def words(self) -> "exceptions.Speaker":
        """The speaker as the client takes it."""
        return {"reason": self.note, "person": self.person, "operator": self.operator}


def _login_name() -> str | None:
    import getpass

    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # Nobody, as in a container without users.
        return None
    return name if name.isprintable() and 0 < len(name.encode()) <= SAID_BYTES_MAX else None


@choosing("DECIDE")
def acknowledge(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Numbers = None,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that you work on these exceptions. They stay unresolved, and are not escalated any more.

    Examples:

        tallystick exceptions ack 17 18 --note "asked the carrier"

        tallystick exceptions ack --code late --source wms-east --yes
    """
    speaker = Speaker.of(operator, person, note)
    _say("acknowledge", numbers, choice, speaker, Reach(config, server, timeout_s), yes=yes, as_json=as_json)


@choosing("DECIDE")
def resolve(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Numbers = None,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that the reason of these exceptions is gone. Most resolve themselves as soon as it is.

    Examples:

        tallystick exceptions resolve 17

        tallystick exceptions resolve --code short_pick --location DC1 --yes
    """
    speaker = Speaker.of(operator, person, note)
    _say("resolve", numbers, choice, speaker, Reach(config, server, timeout_s), yes=yes, as_json=as_json)


@choosing("DECIDE")
def discard(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Numbers = None,
    note: NeededNote = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that nothing will be done about these exceptions, and why.

    Examples:

        tallystick exceptions discard 17 --note "test data of the new scanner"

        tallystick exceptions discard --code malformed --source test --note "test data" --yes
    """
    if not note:
        from tallystick.errors import UsageError

        raise UsageError("an exception is not discarded without a reason; give it with --note")
    speaker = Speaker.of(operator, person, note)
    _say("discard", numbers, choice, speaker, Reach(config, server, timeout_s), yes=yes, as_json=as_json)


@choosing("DECIDE")
def approve(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Numbers = None,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Lets what waits for approval be posted, at its own effective time.

    Examples:

        tallystick exceptions approve 21 --note "counted twice"

        tallystick exceptions approve --code pending_approval --location DC1 --yes
    """
    speaker = Speaker.of(operator, person, note)
    _say("approve", numbers, choice, speaker, Reach(config, server, timeout_s), yes=yes, as_json=as_json)


@choosing("DECIDE")
def deny(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    numbers: Numbers = None,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    yes: Yes = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Drops what waits for approval; nothing is posted.

    Example:

        tallystick exceptions deny 21 --note "typed a zero too many"
    """
    speaker = Speaker.of(operator, person, note)
    _say("deny", numbers, choice, speaker, Reach(config, server, timeout_s), yes=yes, as_json=as_json)


def assign(  # noqa: PLR0913, PLR0917 (an option each)
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Which exception.", show_default=False, min=1)],
    team: Annotated[str, typer.Argument(metavar="TEAM", help="Who works on it from now on.", show_default=False)],
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Passes an exception on to another team: operations, finance, it, or one of `teams` in [exceptions].

    Example:

        tallystick exceptions assign 17 finance --note "the price is wrong"
    """
    speaker = Speaker.of(operator, person, note)
    reach = Reach(config, server, timeout_s)
    _say("assign", [number], Choice(), speaker, reach, team=team, yes=True, as_json=as_json)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "ack": acknowledge,
    "resolve": resolve,
    "discard": discard,
    "approve": approve,
    "deny": deny,
    "assign": assign,
}


def _say(
    what: str,
    numbers: list[int] | None,
    choice: Choice,
    speaker: Speaker,
    reach: Reach,
    *,
    team: str | None = None,
    yes: bool,
    as_json: bool,
) -> None:
    from tallystick import exact_json
    from tallystick.client import verbs
    from tallystick.errors import OperationError, UsageError

    if numbers and choice.is_given:
        raise UsageError("give the numbers of exceptions or options such as --code that say which, not both")
    if not numbers and not choice.is_given:
        raise UsageError("give the numbers of exceptions, or options such as --code that say which; see --help")

    async def decide(client: "Client") -> "list[exceptions.Decision]":
        await client.exceptions.check_speaker(speaker.operator, team)
        meant = await _meant(client, what, numbers, choice, yes=yes, as_json=as_json)
        return await client.exceptions.decide(what, meant, speaker.words, team)

    said = reach.run(decide)
    for one in said:
        if as_json:
            state = one.item.state if one.item is not None else None
            answer = {"number": one.number, "outcome": one.outcome, "state": state, "holds": one.holds}
            typer.echo(exact_json.dumps({**answer, "message": one.message}).decode())
        else:
            typer.echo(one.message)
    if len(said) > 1 and not as_json:
        so_before = sum(one.holds and one.outcome == "unchanged" for one in said)
        done = sum(one.holds for one in said) - so_before
        rest = f"; {so_before:,} had been so before" if so_before else ""
        typer.echo(f"{done:,} of {len(said):,} exceptions {verbs.DONE[what]}{rest}.")
    if failed := [one.number for one in said if not one.holds]:
        listed = ", ".join(map(str, failed[:10])) + (f" and {len(failed) - 10} more" if len(failed) > 10 else "")
        raise OperationError(f"{len(failed)} of {len(said)} not done: exception {listed}")


async def _meant(
    client: "Client", what: str, numbers: list[int] | None, choice: Choice, *, yes: bool, as_json: bool
) -> "list[WorkItem]":
    """The exceptions that are meant. Those that options say are shown first, and asked about."""
    from tallystick.client import verbs
    from tallystick.errors import UsageError

    if numbers:
        return [verbs.check(what, number, await client.exceptions.show(number)) for number in dict.fromkeys(numbers)]
    found = await choice.items(client, events=True)
    if what in verbs.DECISIONS:
        found = [item for item in found if item.code in verbs.DECIDABLE]
    found = [item for item in found if verbs.already(what, item) is None]
    if not found:
        raise UsageError(f"there is nothing to {what}{choice.in_words()}; see: tallystick exceptions list")
    if not as_json:
        items.print_groups(found)
    confirm(f"{what} {numbered(found)}{choice.in_words()}", yes=yes)
    return found
