"""JetStream's API as raw JSON requests, patient with a server that is away for a moment.

Raw, because nats-py 2.16 does not know all stream settings that the promises need. It decides nothing about them; see
`streams`.
"""

import asyncio
import calendar
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import closed_for_good, denial
from tallystick.errors import BusError, StreamError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

REQUEST_TIMEOUT_S: Final = 5.0
PATIENCE_S: Final = 15.0
_RETRY_WAIT_S: Final = 0.2
_STREAM_NOT_FOUND: Final = 10059
_MESSAGE_NOT_FOUND: Final = 10037
_JETSTREAM_NOT_ENABLED: Final = 10076
_JETSTREAM_NOT_ENABLED_FOR_ACCOUNT: Final = 10039


class ApiError(StreamError):
    """An error that JetStream answered with."""

    def __init__(self, operation: str, error: Mapping[str, Any]) -> None:
        self.code = int(error.get("code", 0))
        self.err_code = int(error.get("err_code", 0))
        self.description = f"{error.get('description', 'no reason given')} (error {self.err_code})"
        super().__init__(
            f"JetStream refuses {operation}: {self.description}; check limits and permissions of the account"
        )


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream holds it."""

    sequence: int
    time_ns: int
    data: bytes
    headers: Mapping[str, str]
    subject: str
    """What it was published on."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream is and holds."""

    name: str
    created: str
    """When it was made, as the server writes it: tells a stream from a later one of the same name."""
    first_sequence: int
    """One more than `last_sequence` if the stream is empty."""
    last_sequence: int
    config: Mapping[str, Any]
    asked_ns: int = field(default=0, compare=False)
    """When the server answered, by its own clock, which is the one that stamps messages."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it listens to; nothing if it only mirrors or gathers other streams."""
        return tuple(self.config.get("subjects") or ())


class JetStream:
    """The requests that the daemon needs, to the JetStream domain that the connection is for.

    Each raises BusError when a server that is there does not answer within `patience_s`, or denies it.
    """

    def __init__(self, client: "Client", *, patience_s: float = PATIENCE_S) -> None:
        self.client = client
        self.domain: str | None = getattr(client, "jetstream_domain", None)
        self._prefix = f"$JS.{self.domain}.API" if self.domain else "$JS.API"
        self._patience_s = patience_s
        self._ahead_ns: int | None = None
        """How far the server's clock is ahead of this host's monotonic one."""

    @property
    def server_domain(self) -> str | None:
        """The JetStream domain of the server at hand; it answers where no domain is asked for."""
        domain: str | None = getattr(self.client, "server_domain", None)
        return domain

    def subject(self, operation: str) -> str:
        """Returns the subject of an operation of the API, in the domain."""
        return f"{self._prefix}.{operation}"

    def server_time_ns(self) -> int | None:
        """The server's time now, in ns since 1970, as far as it has told; this host's clock may say what it likes."""
        return None if self._ahead_ns is None else self._ahead_ns + time.monotonic_ns()

    async def request(self, operation: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request of JetStream's API and returns the answer. Raises ApiError, or BusError without JetStream."""
        import orjson

        payload = orjson.dumps(body) if body is not None else b""
        deadline = time.monotonic() + self._patience_s
        while True:
            message = await self._ask(self.subject(operation), payload, deadline)
            answer: dict[str, Any] = orjson.loads(message.data)
            if (error := answer.get("error")) is None:
                return answer
            failure = ApiError(operation, error)
            if failure.err_code in (_JETSTREAM_NOT_ENABLED, _JETSTREAM_NOT_ENABLED_FOR_ACCOUNT):
                raise BusError("the server has no JetStream for this account; enable it in its configuration")
            if failure.code != 503 or time.monotonic() > deadline:
                raise failure
            await asyncio.sleep(_RETRY_WAIT_S)  # 503: no leader yet, or still recovering.

    async def stream(self, name: str) -> StreamInfo | None:
        """Returns what a stream is and holds now; None if there is no such stream."""
        try:
            answer = await self.request(f"STREAM.INFO.{name}")
        except ApiError as error:
            if error.err_code == _STREAM_NOT_FOUND:
                return None
            raise
        info = _stream_info(answer)
        if info.asked_ns:
            self._ahead_ns = info.asked_ns - time.monotonic_ns()
        return info

    async def create_stream(self, config: Mapping[str, Any]) -> StreamInfo:
        """Creates a stream. Raises ApiError."""
        return _stream_info(await self.request(f"STREAM.CREATE.{config['name']}", config))

    async def message(self, stream: str, sequence: int) -> StoredMessage | None:
        """Returns one message, from the stream's leader; None if it is not there."""
        import base64

        try:
            answer = await self.request(f"STREAM.MSG.GET.{stream}", {"seq": sequence})
        except ApiError as error:
            if error.err_code == _MESSAGE_NOT_FOUND:
                return None
            raise
        found = answer["message"]
        headers = _headers(base64.b64decode(found.get("hdrs", "")))
        data = base64.b64decode(found.get("data", ""))
        return StoredMessage(int(found["seq"]), time_ns(found["time"]), data, headers, found["subject"])

    async def direct_message(self, stream: str, sequence: int, *, or_next: bool = False) -> StoredMessage | None:
        """Returns one message, or with `or_next` the next that there is, from any replica; None if that has none."""
        import orjson

        deadline = time.monotonic() + self._patience_s
        body = {"seq": sequence, "next_by_subj": ">"} if or_next else {"seq": sequence}
        answer = await self._ask(self.subject(f"DIRECT.GET.{stream}"), orjson.dumps(body), deadline)
        headers = answer.headers or {}
        if "Nats-Sequence" not in headers:
            return None
        sequence, stored_at = int(headers["Nats-Sequence"]), time_ns(headers["Nats-Time-Stamp"])
        return StoredMessage(sequence, stored_at, answer.data, headers, headers["Nats-Subject"])

    async def _ask(self, subject: str, payload: bytes, deadline: float) -> "Msg":
        from nats.errors import ConnectionClosedError, Error

        while True:
            try:
                return await self._ask_once(subject, payload)
            except ConnectionClosedError as error:
                raise closed_for_good(self.client) from error
            except Error as error:  # No answer, nobody there, no connection right now: all may pass.
                if (denied := denial(self.client, subject)) is not None:
                    raise BusError(denied) from None
                if not self.client.is_connected:
                    # The client reconnects without limit, so this waits without limit too.
                    deadline = time.monotonic() + self._patience_s
                elif time.monotonic() > deadline:
                    cure = "check that the server has JetStream enabled and a leader for the stream"
                    if self.domain is not None:
                        cure = f"check that {self.domain} is the domain that is meant, and reached from this server"
                    raise BusError(
                        f"JetStream does not answer {subject}: {str(error) or type(error).__name__}; {cure}"
                    ) from error
            await asyncio.sleep(_RETRY_WAIT_S)

    async def _ask_once(self, subject: str, payload: bytes) -> "Msg":
        from nats.errors import TimeoutError as NatsTimeoutError

        reconnects = self.client.stats["reconnects"]
        answer = asyncio.ensure_future(self.client.request(subject, payload, REQUEST_TIMEOUT_S))
        try:
            while not (await asyncio.wait([answer], timeout=_RETRY_WAIT_S))[0]:
                if self.client.stats["reconnects"] != reconnects or denial(self.client, subject) is not None:
                    # The answer went down with the connection that it was asked on, or nobody got the question.
                    raise NatsTimeoutError
            return answer.result()
        finally:
            answer.cancel()


def time_ns(text: str) -> int:
    """Returns the nanoseconds since 1970 of an RFC 3339 time in UTC with up to nine fraction digits."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _stream_info(answer: Mapping[str, Any]) -> StreamInfo:
    config, state = answer["config"], answer["state"]
    last = int(state["last_seq"])
    # An empty stream that never held a message says that its first sequence is 0.
    first = int(state["first_seq"]) or last + 1
    asked_ns = time_ns(answer["ts"]) if "ts" in answer else 0
    return StreamInfo(config["name"], answer["created"], first, last, config, asked_ns)


def _headers(block: bytes) -> dict[str, str]:
    lines = block.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}
