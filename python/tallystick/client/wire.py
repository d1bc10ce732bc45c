"""Wire: one connection to the server, and what goes over it: a question and its answer, an event and its place.

It connects on first use and again whenever that is needed; each call has its time and no more. What it cannot know, as
whether a request that nobody answered is in the log, it says. It knows no question by name; see `client`.
"""

import asyncio
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.bus.connection import denial
from tallystick.errors import (
    BusError,
    ConfigurationError,
    NoAnswer,
    NoDaemon,
    OperationError,
    PublishError,
    StreamError,
    UsageError,
)
from tallystick.subjects import event_subject, subject_of_event

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg

    from tallystick.config import Config

TIMEOUT_S: Final = 10.0
TOGETHER: Final = 64
"""Events on their way to the stream at the same time."""
_LOOK_EVERY_S: Final = 0.02
_CONNECT_LEAST_S: Final = 0.1
_NOTICE_S: Final = 0.25
"""How soon it is noticed that the connection broke and came back, so that what was asked has to be asked again."""
_SETTLE_S: Final = 5.0
"""A server that has just come back may have its streams, and the daemon, a moment later."""


class Wire:
    """Asks and publishes. `timeout_s` bounds each answer, the time to connect included."""

    def __init__(
        self,
        url: str | None = None,
        *,
        config: "Path | str | Config | None" = None,
        timeout_s: float = TIMEOUT_S,
        **nats: str | float | Path,
    ) -> None:
        """Reads the settings, and connects to nobody yet. Raises ConfigurationError."""
        seconds: object = timeout_s
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise ConfigurationError(f"timeout_s = {timeout_s!r} does not do; give seconds, more than zero")
        if config is None or isinstance(config, str | Path):
            config = _settings(None if config is None else Path(config), {"url": url, **nats})
        elif nats:
            raise ConfigurationError(f"{next(iter(nats))} goes with a file; a Config has its own [nats]")
        elif url is not None:
            config = replace(config, nats=replace(config.nats, url=url))
        self.settings = config
        """The configuration as it was read."""
        self.timeout_s = timeout_s
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False
        self._process: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reconnects = 0
        self._back_at = -_SETTLE_S

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> Self:
        """Connects now, and not with the first call. Raises BusError within `timeout_s`."""
        await self._connected(time.monotonic() + self.timeout_s)
        return self

    async def close(self) -> None:
        """Closes the connection for good. In a child of `os.fork()` it is left to the parent."""
        self._is_closed = True
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            await connection.close()

    @property
    def connection(self) -> "Connection":
        """The connection itself, once there is one."""
        assert self._connection is not None, "whoever asks for it has connected"
        return self._connection

    async def ask(self, subject: str, question: Mapping[str, Any], timeout_s: float | None = None) -> bytes:
        """Returns the daemon's answer, as it sent it.

        Raises NoDaemon if there is none, NoAnswer if it does not answer in time, UsageError for a bad question,
        OperationError if the daemon cannot answer.
        """
        reply = await self._request(subject, exact_json.dumps(dict(question)), timeout_s or self.timeout_s)
        if reply is None:
            raise NoDaemon(f"no daemon answers at {self._server}; start one with: tallystick run")
        if reply.headers and (problem := reply.headers.get("Nats-Service-Error")):
            if reply.headers.get("Nats-Service-Error-Code") == "400":
                raise UsageError(f"the daemon refuses the question: {problem}")
            raise OperationError(f"the daemon cannot answer: {problem}")
        return reply.data

    async def answer_to(self, subject: "questions.Question | str", members: Mapping[str, Any]) -> Any:
        """Returns an answer, read from JSON. Members that are None are not sent."""
        known = {name: value for name, value in members.items() if value is not None}
        where = subject if isinstance(subject, str) else subject.subject
        return exact_json.loads(await self.ask(where, known))

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

    async def put(self, event: bytes) -> int:
        """Puts one event onto the stream, once, and returns its log sequence.

        Raises UsageError for an event that is too large, or names no source where that decides, StreamError if no
        stream listens, PublishError if the stream refuses or does not answer.
        """
        import orjson

        try:
            subject = subject_of_event(event_subject(self.settings), event)
        except ValueError as error:
            raise UsageError(f"the event cannot be sent: {error}") from error
        # The message id stays the same however often it is sent, so the stream stores the event once.
        headers = {"Nats-Msg-Id": str(uuid.uuid4())}
        try:
            reply = await self._request(subject, event, self.timeout_s, headers)
        except NoAnswer as error:
            raise PublishError(
                f"no answer from the stream at {self._server}; nobody knows whether the event is stored"
            ) from error
        if reply is None:
            raise StreamError(f"no stream at {self._server} listens to {subject}; give the daemon's configuration")
        answer = orjson.loads(reply.data)
        if refusal := answer.get("error"):
            raise PublishError(f"the stream refuses the event: {refusal['description']}")
        return int(answer["seq"])

    async def put_all(self, events: Iterable[bytes]) -> list[int]:
        """Puts events onto the stream, some at the same time, and returns their log sequences in the same order."""
        sequences: list[int] = []
        together: list[bytes] = []
        for event in events:
            together.append(event)
            if len(together) == TOGETHER:
                sequences += await asyncio.gather(*map(self.put, together))
                together = []
        return sequences + list(await asyncio.gather(*map(self.put, together)))

    async def until_applied(self, sequence: int) -> None:
        """Waits until the daemon has applied a log sequence. Raises NoAnswer if that takes too long."""
        deadline = time.monotonic() + self.timeout_s
        reached = -1
        while reached < sequence:
            left_s = max(deadline - time.monotonic(), _LOOK_EVERY_S)
            reached = int(exact_json.loads(await self.ask(questions.STATUS_SUBJECT, {}, left_s))["sequence"])
            if reached >= sequence:
                return
            if time.monotonic() > deadline:
                raise NoAnswer(
                    f"stored as message {sequence}, but the daemon is at {reached} after {self.timeout_s:g} s; "
                    "it will get there, ask again later"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _request(
        self, subject: str, payload: bytes, timeout_s: float, headers: dict[str, str] | None = None
    ) -> "Msg | None":
        """Returns the answer; None where nobody listens. What a broken connection swallowed is sent again."""
        from nats.errors import Error, NoRespondersError

        until = time.monotonic() + timeout_s
        connection = await self._connected(until)
        if len(payload) > connection.max_payload:
            what = f"{len(payload):,} bytes, and the server takes {connection.max_payload:,}"
            raise UsageError(f"what is to go to {subject} has {what}; send less at once")
        while time.monotonic() < until:
            try:
                reply = await self._once(connection, subject, payload, until, headers)
            except NoRespondersError:
                if (denied := denial(connection, subject)) is not None:
                    raise BusError(denied) from None
                if time.monotonic() - self._back_at > _SETTLE_S:
                    return None
                await asyncio.sleep(_LOOK_EVERY_S)
            except (Error, OSError) as error:
                if not connection.is_closed:
                    break
                raise BusError(f"the connection to {self._server} is closed: {error}; try again") from error
            else:
                if reply is not None:
                    return reply
        if (denied := denial(connection, subject)) is not None:
            raise BusError(denied)
        raise NoAnswer(
            f"no answer from {self._server} within {round(timeout_s, 1):g} s; try again, or with a longer timeout"
        )

    async def _once(
        self, connection: "Connection", subject: str, payload: bytes, until: float, headers: dict[str, str] | None
    ) -> "Msg | None":
        """The answer; None where the connection came back anew meanwhile, so that there will be none."""
        left_s = max(until - time.monotonic(), 0.001)
        asking = asyncio.ensure_future(connection.request(subject, payload, left_s, headers=headers))
        reconnects = connection.stats["reconnects"]
        try:
            while not asking.done():
                await asyncio.wait((asking,), timeout=min(_NOTICE_S, max(until - time.monotonic(), 0.001)))
                self._note_reconnects(connection)
                if connection.stats["reconnects"] != reconnects or time.monotonic() > until + _NOTICE_S:
                    break
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()

    def _note_reconnects(self, connection: "Connection") -> None:
        if connection.stats["reconnects"] != self._reconnects:
            self._reconnects, self._back_at = connection.stats["reconnects"], time.monotonic()

    async def _connected(self, until: float) -> "Connection":
        """The connection, once it is there. Raises ForkError, and BusError, which says why it is not."""
        self._check_place()
        async with self._connecting:
            if self._is_closed:
                raise OperationError("this client was closed; make a new one")
            connection = self._connection
            if connection is None or connection.is_closed:
                if time.monotonic() > until:  # Whoever had the turn before has waited for nothing.
                    raise BusError(f"no connection to {self._server} in time; nothing was sent, try again")
                connection = self._connection = await self._connect(until)
        while not connection.is_connected:
            if time.monotonic() > until or connection.is_closed:
                reason = getattr(getattr(connection, "link", None), "reason", None) or "it is away"
                raise BusError(f"no connection to {self._server} now: {reason}; nothing was sent, try again")
            await asyncio.sleep(_LOOK_EVERY_S)
        self._note_reconnects(connection)
        return connection

    async def _connect(self, until: float) -> "Connection":
        from tallystick.bus.connection import connect

        nats = self.settings.nats
        wait_s = max(min(nats.connect_timeout_s, until - time.monotonic()), _CONNECT_LEAST_S)
        self._process, self._loop, self._reconnects = os.getpid(), asyncio.get_running_loop(), 0
        return await connect(replace(nats, connect_timeout_s=wait_s))

    def _check_place(self) -> None:
        """Raises ForkError in a child of the process that connected, OperationError in another event loop."""
        check_process(self._process)
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise OperationError(
                "this client was connected in another event loop; make one for each, or use tallystick.Client"
            )

    @property
    def _server(self) -> str:
        url = self._connection.connected_url if self._connection is not None else None
        return url.netloc.rpartition("@")[2] if url else self.settings.nats.shown


def _settings(path: Path | None, given: Mapping[str, Any]) -> "Config":
    """The configuration with what a caller gives of [nats]. Raises ConfigurationError, which names what was given."""
    from dataclasses import fields

    from tallystick import config as configuration
    from tallystick.config_engine import variable
    from tallystick.config_text import did_you_mean

    names = {one.name for one in fields(configuration.Nats)} | {"config", "timeout_s"}
    if unknown := [name for name in given if name not in names]:
        raise ConfigurationError(f'a client has no setting "{unknown[0]}"; {did_you_mean(unknown[0], names)}')
    try:
        return configuration.load(path, nats=given)
    except ConfigurationError as error:
        said = [name for name, value in given.items() if value is not None]
        words, place = str(error), "environment: "
        for name in said:  # What was said here came from no environment.
            words = words.removeprefix(f"{place}{variable('nats', name)}: ")
        if said and not words.startswith(f"{place}TALLYSTICK_"):
            words = words.removeprefix(place)
        raise ConfigurationError(words) from error


def check_process(process: int | None) -> None:
    """Raises ForkError where a client was connected in another process than this one."""
    if process is not None and process != os.getpid():
        from tallystick._engine import ForkError

        raise ForkError(
            "this client was connected before os.fork(): its connection and thread stayed with the parent; make it in "
            "the child (Celery: in worker_process_init), or do not use it before the fork"
        )
