"""Client: how people and programs reach the daemon over the bus: ask it, publish an event, wait until it is applied.

It decides nothing: what it publishes goes through the log like every other event.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.bus.connection import denial
from tallystick.client.work import WorkItem
from tallystick.errors import BusError, OperationError, PublishError, StreamError, UsageError

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection

TIMEOUT_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.02
_PUBLISH_TRIES: Final = 3
_TOGETHER: Final = 64
"""Events on their way to the stream at the same time."""


class Client:
    """Asks and publishes over one connection. `subject` is one that the event stream listens to.

    `timeout_s` bounds each answer, and how long `until_applied` waits.
    """

    def __init__(self, connection: "Connection", subject: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.connection = connection
        self._subject = subject
        self.timeout_s = timeout_s

    async def ask(self, subject: str, question: Mapping[str, Any]) -> bytes:
        """Returns the daemon's answer, as it sent it.

        Raises BusError if none answers, UsageError for a bad question, OperationError if the daemon cannot answer.
        """
        from nats.errors import NoRespondersError
        from nats.errors import TimeoutError as NatsTimeoutError

        try:
            reply = await self.connection.request(subject, exact_json.dumps(dict(question)), self.timeout_s)
        except (NoRespondersError, NatsTimeoutError) as error:
            if (denied := denial(self.connection, subject)) is not None:
                raise BusError(denied) from error
            raise BusError(f"no daemon answers at {self._server}; start one with: tallystick run") from error
        if reply.headers and (problem := reply.headers.get("Nats-Service-Error")):
            if reply.headers.get("Nats-Service-Error-Code") == "400":
                raise UsageError(f"the daemon refuses the question: {problem}")
            raise OperationError(f"the daemon cannot answer: {problem}")
        return reply.data

    async def answer_to(self, question: questions.Question, members: Mapping[str, Any]) -> Any:
        """Returns the answer to one of the known questions, read from JSON. Members that are None are not sent."""
        known = {name: value for name, value in members.items() if value is not None}
        return exact_json.loads(await self.ask(question.subject, known))

    async def items(
        self, filters: Mapping[str, str | None], *, limit: int | None = None, events: bool = False
    ) -> AsyncIterator[WorkItem]:
        """Yields the exceptions that match the filters, by their numbers, page by page; at most `limit`.

        With `events`, each has its original event.
        """
        after, left = 0, limit
        while left is None or left > 0:
            page_max = questions.LIMIT_MAX if left is None else min(left, questions.LIMIT_MAX)
            page = await self.answer_to(
                questions.LIST, {**filters, "after": after, "limit": page_max, "events": events}
            )
            for found in page["items"]:
                item = WorkItem.of(found)
                after = item.number
                yield item
            if left is not None:
                left -= len(page["items"])
            if not page["more"] or not page["items"]:
                return

    async def item(self, number: int) -> WorkItem | None:
        """Returns one exception with its original event; None if the daemon does not have it."""
        found = await self.answer_to(questions.ONE, {"number": number})
        return WorkItem.of(found) if found is not None else None

    async def answers(self, keys: Sequence[tuple[str, str]], *, unposted: bool = False) -> list[str | None]:
        """Returns the outcome that the daemon remembers of each key (source, id), None where it remembers none.

        With `unposted`, what was taken and posted nothing is `observed`, directives included, and not `applied`.
        """
        found: list[str | None] = []
        for start in range(0, len(keys), questions.KEYS_MAX):
            some = [list(key) for key in keys[start : start + questions.KEYS_MAX]]
            asked = {"keys": some, "unposted": unposted or None}
            found += (await self.answer_to(questions.ANSWERS, asked))["answers"]
        return found

    async def publish(self, event: bytes) -> int:
        """Puts one event onto the stream, once, and returns its log sequence.

        Raises UsageError for an event that is too large, StreamError if no stream listens, PublishError if the stream
        refuses or does not answer.
        """
        import orjson
        from nats.errors import NoRespondersError
        from nats.errors import TimeoutError as NatsTimeoutError

        if len(event) > self.connection.max_payload:
            raise UsageError(f"the event has {len(event):,} bytes, more than the server takes")
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        for _ in range(_PUBLISH_TRIES):
            try:
                reply = await self.connection.request(self._subject, event, self.timeout_s, headers=headers)
            except NoRespondersError as error:
                raise StreamError(
                    f"no stream at {self._server} listens to {self._subject}; give the daemon's configuration"
                ) from error
            except NatsTimeoutError as error:
                if (denied := denial(self.connection, self._subject)) is not None:
                    raise BusError(denied) from error
                continue  # The message id stays the same, so the stream stores the event once.
            answer = orjson.loads(reply.data)
            if refusal := answer.get("error"):
                raise PublishError(f"the stream refuses the event: {refusal['description']}")
            return int(answer["seq"])
        raise PublishError(f"no answer from the stream at {self._server}; nobody knows whether the event is stored")

    async def publish_all(self, events: Iterable[bytes]) -> list[int]:
        """Puts events onto the stream, some at the same time, and returns their log sequences in the same order."""
        sequences: list[int] = []
        together: list[bytes] = []
        for event in events:
            together.append(event)
            if len(together) == _TOGETHER:
                sequences += await asyncio.gather(*map(self.publish, together))
                together = []
        return sequences + list(await asyncio.gather(*map(self.publish, together)))

    async def until_applied(self, sequence: int) -> None:
        """Waits until the daemon has applied a log sequence. Raises BusError if that takes too long."""
        deadline = time.monotonic() + self.timeout_s
        reached = -1
        while reached < sequence:
            reached = int(exact_json.loads(await self.ask(questions.STATUS_SUBJECT, {}))["sequence"])
            if reached >= sequence:
                return
            if time.monotonic() > deadline:
                raise BusError(
                    f"stored as message {sequence}, but the daemon is at {reached} after {self.timeout_s:g} s; "
                    "it will get there, ask again later"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    @property
    def _server(self) -> str:
        url = self.connection.connected_url
        return url.netloc.rpartition("@")[2] if url else "the server"
