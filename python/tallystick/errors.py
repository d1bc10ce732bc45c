"""What ends a command: one class per kind of failure, each with the exit status that `cli` returns.

Every message is one line that names the place and the cure. Refused events are data, not errors, and never appear here.

| exit status | class | what it means |
|---|---|---|
| 0 | `StoppedAtStart` | it was told to stop before it had begun |
| 1 | `OperationError`, `PublishError`, `RequestRefused` | anything else |
| 2 | `UsageError`, `ConfigurationError` | bad usage or configuration |
| 3 | `BusError`, `NoDaemon`, `NoAnswer` | no server, no connection, or the server lacks what is needed |
| 4 | `StreamError` | a stream cannot keep the promises, or is not the one that the snapshot remembers |
| 5 | `SnapshotUnfit`, `SnapshotWriteError` | a snapshot belongs to something else, or cannot be written |
| 6 | `LogGap` | messages of the event stream are missing |
| 7 | `OutputFenced` | somebody else writes to an output stream |
| 8 | `EngineFailed` | the engine found a fault in itself |
| 9 | `NotGranted` | there is not enough: a promise was not given, or not in full |
| 10 | `StoppedUnpublished` | it stopped as it was told, and some output still waits; the next start publishes it |
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class OperationError(Exception):
    """A failure that ends the command, or a call of the client. The message is one line for people.

    >>> from tallystick import Client
    >>> try:
    ...     Client("mars://10.0.0.5")
    ... except OperationError as error:
    ...     print(type(error).__name__)
    ConfigurationError
    """

    exit_code: ClassVar[int] = 1


class StoppedAtStart(OperationError):
    """The daemon was told to stop before it had begun: nothing was read, and nothing is to be saved."""

    exit_code = 0


class PublishError(OperationError):
    """Something could not be put onto a stream, or nobody knows whether it was: the line says which.

    >>> issubclass(PublishError, OperationError)
    True
    """


class OutputCut(PublishError):
    """An output stream lost messages that it had acknowledged: deleted, made anew, or restored from a backup."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"stream {stream} lost messages that it had acknowledged; all that stands is told once more")


class RequestRefused(OperationError):
    """The engine refused a request, of a reservation for example. `answer` is what it said, `outcome` as what.

    >>> RequestRefused({"outcome": "unknown_reference", "why": "there is no group north"}).outcome
    'unknown_reference'
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.outcome = str(answer.get("outcome"))
        why = str(answer.get("why") or "no reason was given")
        if self.outcome == "conflict":  # The engine says which parts differ, and no more.
            key = f"{answer.get('source')}/{answer.get('id')}"
            why = f"{key} was used before for another request ({why}); ask for something else under a new id"
        super().__init__(f"refused as {self.outcome}: {why}")


class UsageError(OperationError):
    """The command, or the client, was called with something that it cannot use. Nothing was done.

    >>> issubclass(UsageError, OperationError)
    True
    """

    exit_code = 2


class ConfigurationError(UsageError):
    """The configuration cannot be used. Names file, line and key."""


class BusError(OperationError):
    """There is no usable server: none found, none reached, refused, too old, without JetStream, or lost for good.

    >>> BusError.exit_code
    3
    """

    exit_code = 3


class NoDaemon(BusError):
    """The server is there, and no daemon listens: nothing was done.

    >>> issubclass(NoDaemon, BusError)
    True
    """


class NoAnswer(BusError, TimeoutError):
    """Nobody answered in time. What was asked may be in the log all the same: ask again under the same key.

    >>> issubclass(NoAnswer, BusError) and issubclass(NoAnswer, TimeoutError)
    True
    """


class StreamError(OperationError):
    """A stream cannot keep the promises, or is not the one that was read before; or nobody listens to a subject.

    >>> issubclass(StreamError, OperationError)
    True
    """

    exit_code = 4


class SnapshotUnfit(OperationError):
    """The snapshots of the folder belong to another configuration or stream, or to another running daemon."""

    exit_code = 5


class SnapshotWriteError(OperationError):
    """A snapshot could not be made durable.

    `is_final`: what the disk holds is unknown, so it is never tried again. Else there was no room, or no permission.
    """

    exit_code = 5

    def __init__(self, message: str, *, is_final: bool = True) -> None:
        self.is_final = is_final
        super().__init__(message)


class LogGap(OperationError):
    """Messages of the event stream are missing. Carries the exact range, both ends included.

    >>> gap = LogGap("EVENTS", 7, 9)
    >>> gap.exit_code, str(gap).partition(";")[0]
    (6, 'stream EVENTS: messages 7 to 9 missing')
    """

    exit_code = 6

    def __init__(self, stream: str, first: int, last: int) -> None:
        self.stream, self.first, self.last = stream, first, last
        missing = f"message {first}" if first == last else f"messages {first} to {last}"
        super().__init__(
            f"stream {stream}: {missing} missing; bring the stream back from a replica or a backup and start again"
        )


class OutputFenced(OperationError):
    """Somebody else wrote to an output stream. Only one writer can keep its order, so this one stops."""

    exit_code = 7


class EngineFailed(OperationError):
    """The engine found a fault in itself. Nothing is lost: the next start goes on from the last snapshot."""

    exit_code = 8


class NotGranted(OperationError):
    """There is not enough for what was asked. Nothing went wrong: it is an answer that scripts can tell from others."""

    exit_code = 9


class StoppedUnpublished(OperationError):
    """A stop as it was asked for, with output that still waits. Nothing is lost: the next start publishes it."""

    exit_code = 10
