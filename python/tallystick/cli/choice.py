"""Choice: which exceptions a command is about: by their numbers, or by what they are; and the question before many.

It decides nothing: what is done about them is `decide`'s and `repair`'s business.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.client.client import Client
    from tallystick.client.exceptions import Filters
    from tallystick.client.work import WorkItem

UNRESOLVED: Final = "unresolved"
_GUESSED: Final = {
    "source": "source",
    "sku": "sku",
    "location": "location",
    "document": "document",
    "correlation": "correlationid",
}
"""Filters of which the daemon has no list: the option, and which member of an item has the value."""
_IN_MESSAGES: Final = {"sku": "SKU", "correlation": "correlation id"}

Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", envvar="TALLYSTICK_YES", show_default="off", help="Do it without asking."),
]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the options say. Of the filters, what is None fits all."""

    filters: Mapping[str, str | None] = field(default_factory=dict)
    since: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything is said at all."""
        return any(value is not None for value in (*self.filters.values(), self.since))

    async def items(self, client: "Client", state: str = UNRESOLVED, *, events: bool = False) -> "list[WorkItem]":
        """Returns the exceptions that fit. Raises UsageError for a value that cannot be meant."""
        from datetime import UTC, datetime

        from tallystick.client import triage

        since = triage.since(self.since, datetime.now(UTC)) if self.since is not None else None
        triage.check_known("--severity", self.filters.get("severity"), triage.SEVERITIES)
        if self.filters.get("code") or self.filters.get("owner"):
            known = await client.exceptions.stats()
            triage.check_known("--code", self.filters.get("code"), known["codes"])
            triage.check_known("--team", self.filters.get("owner"), known["teams"])
        filters = cast("Filters", self.filters)
        found = [item async for item in client.exceptions.each(state, since=since, events=events, **filters)]
        if not found:
            await self._check_guessed(client)
        return found

    async def _check_guessed(self, client: "Client") -> None:
        """Where nothing fits, a value that nothing has, and much like one that some exceptions have, is a mistake."""
        import difflib

        from tallystick.errors import UsageError

        given = {name: value for name, value in self.filters.items() if name in _GUESSED and value is not None}
        if not given:
            return
        seen = [item async for item in client.exceptions.each("all")]
        for name, value in given.items():
            known = sorted({str(getattr(item, _GUESSED[name])) for item in seen} - {"None"})
            close = difflib.get_close_matches(value, known, n=1, cutoff=0.5) if value not in known else []
            if close and not await _is_known(client, name, value):
                noun = _IN_MESSAGES.get(name, name)
                raise UsageError(f"--{name}: no exception names {noun} {value}; did you mean {close[0]}?")

    def in_words(self) -> str:
        """What is chosen: ` with code late, source wms`; nothing for all."""
        given = [f"{_WORDS.get(name, name)} {value}" for name, value in self.filters.items() if value is not None]
        given += [f"seen since {self.since}"] if self.since is not None else []
        return f" with {', '.join(given)}" if given else ""


async def _is_known(client: "Client", name: str, value: str) -> bool:
    """Whether the ledger knows the value, though no exception has it: then there is nothing wrong with it."""
    if name == "sku":
        return bool((await client.atp(value))["positions"])
    if name == "source":
        return bool(await client.sources(value))
    if name == "document":
        return bool((await client.claims(document=value, limit=1))["lines"])
    return False


_WORDS: Final = {"owner": "team"}


_OPTIONS: Final = {
    "code": ("--code", "Only of this code."),
    "severity": ("--severity", "Only as bad as this: critical, error, warning or info."),
    "source": ("--source", "Only of events of this source."),
    "owner": ("--team", "Only of this team."),
    "sku": ("--sku", "Only of this SKU."),
    "location": ("--location", "Only at this location."),
    "document": ("--document", "Only of this document."),
    "correlation": ("--correlation", "Only of this correlation id."),
    "since": ("--since", "Only seen since: 90m, 12h, 7d, or a time."),
}


def choosing(prefix: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns the command with an option for each filter in place of its parameter `choice`.

    Their variables begin with `TALLYSTICK_` and the prefix: what is set for a list must not choose what is discarded.
    """
    options = {name: _option(name, prefix, *about) for name, about in _OPTIONS.items()}

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            filters = {name: given.pop(name) for name in options}
            since = filters.pop("since")
            command(choice=Choice(filters, since), **given)

        parameters = list(_with_options(command, options))
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapper

    return give


def _option(name: str, prefix: str, option: str, about: str) -> Any:
    # The team was once called the owner.
    names = (option, "--owner") if name == "owner" else (option,)
    variables = [f"TALLYSTICK_{prefix}_{one.removeprefix('--').upper()}" for one in names]
    return Annotated[str | None, typer.Option(*names, envvar=variables, show_default="any", help=about)]


def _with_options(command: Callable[..., None], options: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name != "choice":
            yield parameter.replace(kind=keyword)
            continue
        for name, option in options.items():
            yield inspect.Parameter(name, keyword, default=None, annotation=option)


def confirm(what: str, *, yes: bool, cure: str = "") -> None:
    """Asks before something far-reaching is done. Raises UsageError for a no, and where nobody can be asked."""
    import sys

    from tallystick.errors import UsageError

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"nothing was done; to {what}, say --yes{f', {cure}' if cure else ''}")
    if not typer.confirm(f"{what[:1].upper()}{what[1:]}?"):
        raise UsageError("nothing was done")


def numbered(items: "Sequence[WorkItem]") -> str:
    """A number of exceptions in words: `1 exception`, `5 exceptions`."""
    return f"{len(items):,} exception{'' if len(items) == 1 else 's'}"
