"""Client: everything that can be asked of the daemon, and said to it, as methods of one object, for asyncio.

Each method is named as the command of the command line is. It decides nothing: what it says goes through the log like
every other event. `blocking` is the same for code without an event loop.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict, Unpack, cast

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.bus.requests import CHANGE, POST, RESERVE, VOID, RequestKind
from tallystick.client import asked as mistakes
from tallystick.client import outcomes, promise
from tallystick.client.exceptions import Exceptions
from tallystick.client.outcomes import Stored
from tallystick.client.promise import Asked, Line, Place, Promise, Quantity, Terms
from tallystick.client.wire import TIMEOUT_S, Wire
from tallystick.errors import NoAnswer, RequestRefused
from tallystick.message import encode
from tallystick.records import (
    Atp,
    Claims,
    Reservations,
    Reserved,
    Settled,
    Signals,
    SourceReport,
    Status,
    Trail,
    WhatIf,
)

if TYPE_CHECKING:
    from tallystick.config import Config


class DataClass(Protocol):
    """An instance of any data class."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Event = Mapping[str, Any] | DataClass | bytes | str
"""An event as an object, or as JSON."""


class Said(TypedDict, total=False):
    """What every request may have beside what it asks for."""

    id: str
    """The same id again gets the same answer, and takes nothing more; a new one where none is given."""
    reason: str
    time: str
    correlationid: str
    causationid: str
    traceparent: str


class Reserving(Terms, Said, total=False):
    """What a request for a promise may have."""


class Client(Wire):
    """The daemon over NATS, for asyncio: `async with Client("nats://…") as client: await client.atp("LAMP")`.

    `url` is the server, or several with commas; `config` the path of a configuration file, from which it takes [nats]
    and the subject of [input]; each setting of [nats] may also be a keyword: `user`, `password_file`, `credentials`,
    `tls_ca` and the others. `timeout_s` bounds each call. It connects with its first call, and reconnects by itself.

    >>> client = Client("nats://127.0.0.1:4222", user="shop", password_file="secret", timeout_s=2)
    >>> client.settings.nats.user
    'shop'
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        config: "Path | str | Config | None" = None,
        timeout_s: float = TIMEOUT_S,
        **nats: str | float | Path,
    ) -> None:
        """Reads the settings, and connects to nobody yet. Raises ConfigurationError."""
        super().__init__(url, config=config, timeout_s=timeout_s, **nats)
        self.exceptions = Exceptions(self)
        """What is out of order, and what to do about it."""

    async def atp(self, sku: str, location: str | None = None) -> Atp:
        """What can be promised of a SKU today, with all that makes it up, at a location or at all that have it."""
        return cast("Atp", await self.answer_to(questions.ATP_SUBJECT, {"sku": sku, "location": location}))

    async def promise(self, positions: Place | Sequence[Place], **asked: Unpack[Asked]) -> Promise:
        """What can be promised at places: for a day (`due`), of a quantity, for a channel, along the whole horizon."""
        places = [positions] if isinstance(positions, Mapping) else list(positions)
        if (quantity := asked.get("quantity")) is not None:
            mistakes.check({"quantity": quantity})
        question = promise.question(cast("Sequence[Place]", places), **asked)
        return promise.answered(exact_json.loads(await self.ask(questions.PROMISE_SUBJECT, question)))

    async def reserve(self, lines: Line | Sequence[Line], *, source: str, **more: Unpack[Reserving]) -> Reserved:
        """Asks for a promise that holds until it is posted, voided, or expires: of all lines or, by `policy`, partly.

        Not enough is an answer: its `status` is `insufficient`. Raises RequestRefused for what the engine refuses,
        NoAnswer where nobody knows whether it holds: then ask again with the same `source` and `id`.
        """
        asked = [lines] if isinstance(lines, Mapping) else list(lines)
        for line in asked:
            mistakes.check({**line, **more, "source": source})
        made: dict[str, Any] = {**asked[0]} if len(asked) == 1 else {"lines": asked}
        return cast("Reserved", await self.request(RESERVE, {**made, **more, "source": source}))

    async def post(
        self,
        target_source: str,
        target_id: str,
        quantity: Quantity | Sequence[Quantity] | None = None,
        *,
        keep: bool = False,
        source: str | None = None,
        **more: Unpack[Said],
    ) -> Settled:
        """Takes what a reservation holds: of a quantity (or one for each line), else everything; with `keep`, no more.

        `source` is who says so, where that is not who reserved. Raises as `reserve` does.
        """
        said = {"rest": "keep" if keep else None, "source": source or target_source, **more}
        return await self._settle(POST, target_source, target_id, quantity, said)

    async def void(
        self,
        target_source: str,
        target_id: str,
        quantity: Quantity | Sequence[Quantity] | None = None,
        *,
        source: str | None = None,
        **more: Unpack[Said],
    ) -> Settled:
        """Gives back what a reservation holds: of a quantity (or one for each line), else everything."""
        return await self._settle(VOID, target_source, target_id, quantity, {"source": source or target_source, **more})

    async def change(
        self,
        target_source: str,
        target_id: str,
        quantity: Quantity | Sequence[Quantity] | None = None,
        *,
        ttl: str | None = None,
        source: str | None = None,
        **more: Unpack[Said],
    ) -> Settled:
        """Lets a reservation hold another quantity (or one for each line) from now on, or for another time, or both.

        It never lets go meanwhile; where there is not enough for more, it stays as it is.
        """
        if quantity is None and ttl is None:
            raise ValueError("give a quantity, a ttl, or both")
        said = {"ttl": ttl, "source": source or target_source, **more}
        return await self._settle(CHANGE, target_source, target_id, quantity, said)

    async def reservations(
        self, *, document: str | None = None, sku: str | None = None, location: str | None = None,
        leaks: bool = False, source: str | None = None, id: str | None = None, limit: int = 100,  # noqa: A002
    ) -> Reservations:  # fmt: skip
        """Who holds what: live reservations, oldest first; by `source` and `id` one, live or not."""
        asked = {"document": document, "sku": sku, "location": location, "source": source, "id": id, "limit": limit}
        return cast("Reservations", await self.answer_to(questions.RESERVATIONS, asked | {"leaks": leaks or None}))

    async def claims(
        self, *, document: str | None = None, sku: str | None = None, location: str | None = None, limit: int = 100
    ) -> Claims:
        """What order lines claim of the shelf, and who says so."""
        asked = {"document": document, "sku": sku, "location": location, "limit": limit}
        return cast("Claims", await self.answer_to(questions.CLAIMS, asked))

    async def replenish(self, *, sku: str | None = None, location: str | None = None, limit: int = 100) -> Signals:
        """What is to be ordered, and why."""
        asked = {"sku": sku, "location": location, "limit": limit}
        return cast("Signals", await self.answer_to(questions.REPLENISH, asked))

    async def sources(self, source: str | None = None) -> list[SourceReport]:
        """Who speaks, how well, and how late: all that the daemon has heard of, or one."""
        return cast("list[SourceReport]", await self.answer_to(questions.SOURCES, {"source": source}))

    async def trail(self, sku: str, location: str, lot: str | None = None, owner: str | None = None) -> Trail | None:
        """The recent movements and counts of a position, oldest first; None if it was never seen."""
        asked = {"sku": sku, "location": location, "lot": lot, "owner": owner}
        return cast("Trail | None", await self.answer_to(questions.TRAIL, asked))

    async def status(self, *, state_hash: bool = False) -> Status:
        """How the daemon is, and how far; with its state hash, which takes a moment."""
        asked = {"state_hash": True} if state_hash else {}
        return cast("Status", await self.answer_to(questions.STATUS_SUBJECT, asked))

    async def what_if(self, events: Event | Iterable[Event]) -> WhatIf:
        """What events would do if they came now, tried on a copy of the ledger."""
        texts = [event.decode("utf-8", "surrogatepass") for event in _encoded(events)]
        return cast("WhatIf", await self.answer_to(questions.WHAT_IF, {"events": texts}))

    async def publish(self, events: Event | Iterable[Event], *, wait: bool = False) -> list[Stored]:
        """Puts one event or many into the log, each confirmed by the stream, and returns their log sequences, in order.

        JSON may hold several, as an array or in lines: they are one message, and each has its own place in what is
        returned. With `wait`, also what became of each, once the daemon has applied them all. Whoever does not know
        whether an event was stored publishes it again: the ledger counts it once by its `source` and `id`. Directives
        are events, too (`tallystick.void_event` and others). Raises TypeError for a float and PublishError, and as
        `ask` does.
        """
        made = _encoded(events)
        sequences = await self.put_all(made)
        pairs = [outcomes.stored(event, sequence) for event, sequence in zip(made, sequences, strict=True)]
        stored = [one for several in pairs for one, _ in several]
        if not wait or not stored:
            return stored
        await self.until_applied(max(sequences))
        return await outcomes.known(self, stored, [event for several in pairs for _, event in several])

    async def request(self, kind: RequestKind, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a request, under a new id if it has none, and returns the engine's answer.

        Raises RequestRefused, and NoAnswer, which names the key under which it can be asked again.
        """
        known = {name: value for name, value in asked.items() if value is not None}
        known.setdefault("id", str(uuid.uuid4()))
        try:
            answer: dict[str, Any] = exact_json.loads(await self.ask(kind.subject, known))
        except NoAnswer as error:
            raise NoAnswer(
                f"{error}; nobody knows whether it is in the log, so ask again under the same key: "
                f"{known['source']}/{known['id']}"
            ) from error
        if answer["status"] == "refused":
            raise RequestRefused(answer)
        return answer

    async def _settle(
        self,
        kind: RequestKind,
        target_source: str,
        target_id: str,
        quantity: Quantity | Sequence[Quantity] | None,
        said: Mapping[str, Any],
    ) -> Settled:
        is_one = quantity is None or not isinstance(quantity, Sequence) or isinstance(quantity, str)
        amounts = {"quantity": quantity} if is_one else {"quantities": list(cast("Sequence[Quantity]", quantity))}
        mistakes.check({"source": target_source, "id": target_id, **amounts, "ttl": said.get("ttl")})
        target = {"source": target_source, "id": target_id}
        return cast("Settled", await self.request(kind, {**said, **amounts, "target": target}))


def _encoded(events: Event | Iterable[Event]) -> list[bytes]:
    """Events as the bytes that go into the log, each by itself."""
    one = isinstance(events, Mapping | bytes | str) or hasattr(events, "__dataclass_fields__")
    several = [events] if one else list(cast("Iterable[Event]", events))
    return [outcomes.as_bytes(event, place, encode) for place, event in enumerate(several)]
