"""Client: how people and programs reach the daemon over the bus: ask it, publish an event, wait until it is applied.

It decides nothing: what is published goes through the log like every other event.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus import questions
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
    """One connection's way to ask and to act. `subject` is one that the event stream listens to."""

    def __init__(self, connection: "Connection", subject: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._subject = subject
        self._timeout_s = timeout_s

    async def ask(self, subject: str, question: Mapping[str, Any]) -> bytes:
        """The daemon's answer, as it sent it. Raises BusError if none answers, UsageError for a bad question."""
        from nats.errors import NoRespondersError
        from nats.errors import TimeoutError as NatsTimeoutError

        try:
            reply = await self._connection.request(subject, exact_json.dumps(dict(question)), self._timeout_s)
        except (NoRespondersError, NatsTimeoutError) as error:
            raise BusError(f"no daemon answers at {self._server}; start one with: tallystick run") from error
        if reply.headers and (problem := reply.headers.get("Nats-Service-Error")):
            if reply.headers.get("Nats-Service-Error-Code") == "400":
                raise UsageError(f"the daemon refuses the question: {problem}")
            raise OperationError(f"the daemon cannot answer: {problem}")
        return reply.data

    async def asked(self, question: questions.Question, members: Mapping[str, Any]) -> Any:
        """The same for one of the known questions, read from JSON. Members without a value are left out."""
        known = {name: value for name, value in members.items() if value is not None}
        return exact_json.loads(await self.ask(question.subject, known))

    async def items(
        self, filters: Mapping[str, str | None], *, limit: int | None = None, events: bool = False
    ) -> AsyncIterator[WorkItem]:
        """The exceptions that fit, by their numbers, page by page."""
        after, left = 0, limit
        while left is None or left > 0:
            page_max = questions.LIMIT_MAX if left is None else min(left, questions.LIMIT_MAX)
            page = await self.asked(questions.LIST, {**filters, "after": after, "limit": page_max, "events": events})
            for found in page["items"]:
                item = WorkItem.of(found)
                after = item.number
                yield item
            if left is not None:
                left -= len(page["items"])
            if not page["more"] or not page["items"]:
                return

    async def item(self, number: int) -> WorkItem | None:
        """One exception, with its original event."""
        found = await self.asked(questions.ONE, {"number": number})
        return WorkItem.of(found) if found is not None else None

    async def answers(self, keys: Sequence[tuple[str, str]]) -> list[str | None]:
        """What the daemon remembers of keys (source, id), many at a time."""
        found: list[str | None] = []
        for start in range(0, len(keys), questions.KEYS_MAX):
            some = [list(key) for key in keys[start : start + questions.KEYS_MAX]]
            found += (await self.asked(questions.ANSWERS, {"keys": some}))["answers"]
        return found

    async def publish(self, event: bytes) -> int:
        """Puts one event onto the stream, once, and gives its log sequence. Raises PublishError or StreamError."""
        import orjson
        from nats.errors import NoRespondersError
        from nats.errors import TimeoutError as NatsTimeoutError

        if len(event) > self._connection.max_payload:
            raise UsageError(f"the event has {len(event):,} bytes, more than the server takes")
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        for _ in range(_PUBLISH_TRIES):
            try:
                reply = await self._connection.request(self._subject, event, self._timeout_s, headers=headers)
            except NoRespondersError as error:
                raise StreamError(
                    f"no stream at {self._server} listens to {self._subject}; give the daemon's configuration"
                ) from error
            except NatsTimeoutError:
                continue  # Under the same message id, so that it is stored once.
            answer = orjson.loads(reply.data)
            if refusal := answer.get("error"):
                raise PublishError(f"the stream refuses the event: {refusal['description']}")
            return int(answer["seq"])
        raise PublishError(f"no answer from the stream at {self._server}; nobody knows whether the event is stored")

    async def publish_all(self, events: Iterable[bytes]) -> list[int]:
        """Puts events onto the stream in their order, some of them at the same time."""
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
        deadline = time.monotonic() + self._timeout_s
        reached = -1
        while reached < sequence:
            reached = int(exact_json.loads(await self.ask(questions.STATUS_SUBJECT, {}))["sequence"])
            if reached >= sequence:
                return
            if time.monotonic() > deadline:
                raise BusError(
                    f"stored as message {sequence}, but the daemon is at {reached} after {self._timeout_s:g} s; "
                    "it will get there, ask again later"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    @property
    def _server(self) -> str:
        url = self._connection.connected_url
        return url.netloc.rpartition("@")[2] if url else "the server"
