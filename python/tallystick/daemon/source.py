"""Source: what the pipeline needs of an ingestion path, so that another one can take the place of `ingest`."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tallystick._engine import Inbox


class MessageSource(Protocol):
    """Brings the messages of one stream, in order and every one once, into an inbox."""

    @property
    def last_sequence(self) -> int:
        """The stream's end, as far as it is known."""

    @property
    def inbox(self) -> "Inbox":
        """What has arrived and was not taken yet."""

    @property
    def waiting(self) -> bool:
        """Whether there is something in the inbox."""

    async def at_end(self) -> bool:
        """Whether everything that the stream holds now was handed out."""

    async def wait(self, timeout_s: float) -> bool:
        """Waits for messages; False if none came in time. Raises OperationError when there can be no more."""

    async def stop_pulling(self) -> None:
        """Asks for no more messages; what has arrived can still be had."""

    async def close(self) -> None:
        """Releases everything that it holds on the bus."""
