"""What the pipeline needs of an ingestion path: batches of messages that follow each other in the stream."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class MessageBatch:
    """Messages that follow each other in the stream."""

    first_sequence: int
    messages: list[bytes] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    """When the stream stored each, in nanoseconds since 1970."""
    bytes_total: int = 0

    @property
    def last_sequence(self) -> int:
        """Sequence of the last message."""
        return self.first_sequence + len(self.messages) - 1

    def split(self, last_sequence: int) -> tuple["MessageBatch", "MessageBatch | None"]:
        """The part up to and including `last_sequence`, and the rest if there is one."""
        count = last_sequence - self.first_sequence + 1
        if count >= len(self.messages):
            return self, None
        return (
            MessageBatch(self.first_sequence, self.messages[:count], self.times_ns[:count]),
            MessageBatch(last_sequence + 1, self.messages[count:], self.times_ns[count:]),
        )


class MessageSource(Protocol):
    """What the pipeline needs of an ingestion path."""

    @property
    def last_sequence(self) -> int:
        """The stream's end, as far as it is known."""

    @property
    def waiting(self) -> bool:
        """Whether a batch can be had at once."""

    async def next(self, timeout_s: float) -> MessageBatch | None:
        """The next messages; None if none came in time. Raises OperationError when there can be no more."""

    async def stop_pulling(self) -> None:
        """Asks for no more messages; what has arrived can still be had."""

    async def close(self) -> None:
        """Gives everything back."""
