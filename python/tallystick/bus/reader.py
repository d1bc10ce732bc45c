"""Reader: the messages of a stream from some place on, in batches of bounded size, wherever there are holes.

Direct batch gets: no consumer is made, any replica answers, and what the stream lost is skipped. For looking back;
the daemon itself reads by `daemon.ingest`, which is faster and takes a hole for a fault.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from tallystick.bus.connection import closed_for_good
from tallystick.bus.jetstream import PATIENCE_S, JetStream, StoredMessage, StreamInfo, time_ns
from tallystick.errors import BusError, StreamError

BATCH_MESSAGES: Final = 5_000
BATCH_BYTES: Final = 4 << 20
_ANSWER_TIMEOUT_S: Final = 5.0


async def read(bus: JetStream, info: StreamInfo, first_sequence: int) -> AsyncIterator[list[StoredMessage]]:
    """Yields the messages from `first_sequence` to the end that the stream had when `info` was asked for.

    Raises StreamError for a stream that cannot be read directly, BusError when it does not answer.
    """
    if not info.config.get("allow_direct"):
        raise StreamError(
            f"stream {info.name}: allow_direct is false, so it cannot be looked back into; "
            "change it with `nats stream edit --allow-direct`"
        )
    sequence = max(first_sequence, info.first_sequence)
    deadline = time.monotonic() + PATIENCE_S
    while sequence <= info.last_sequence:
        messages, is_end = await _batch(bus, info.name, sequence)
        if messages:
            yield [message for message in messages if message.sequence <= info.last_sequence]
            sequence = messages[-1].sequence + 1
            deadline = time.monotonic() + PATIENCE_S
        elif is_end:
            return
        elif time.monotonic() > deadline:
            raise BusError(f"stream {info.name} does not answer; check that it has a leader")


async def sequence_at(bus: JetStream, stream: str, time_text: str) -> int | None:
    """Returns the sequence of the first message not older than a time (RFC 3339); None if there is none."""
    messages, _ = await _ask(bus, stream, {"start_time": time_text, "batch": 1, "next_by_subj": ">"})
    return messages[0].sequence if messages else None


async def _batch(bus: JetStream, stream: str, sequence: int) -> tuple[list[StoredMessage], bool]:
    body = {"seq": sequence, "batch": BATCH_MESSAGES, "max_bytes": BATCH_BYTES, "next_by_subj": ">"}
    return await _ask(bus, stream, body)


async def _ask(bus: JetStream, stream: str, body: dict[str, Any]) -> tuple[list[StoredMessage], bool]:
    """Returns the messages that came in a row, and whether the server said that there are no more."""
    import orjson
    from nats.errors import ConnectionClosedError, Error

    client, found = bus.client, list[StoredMessage]()
    try:
        inbox = client.new_inbox()
        # The answer is bounded by what is asked for; none of it may be dropped as from a slow consumer.
        answers = await client.subscribe(inbox, pending_msgs_limit=0, pending_bytes_limit=0)
        try:
            await client.publish(bus.subject(f"DIRECT.GET.{stream}"), orjson.dumps(body), inbox)
            while True:
                answer = await answers.next_msg(_ANSWER_TIMEOUT_S)
                headers = answer.headers or {}
                if "Nats-Sequence" not in headers:
                    status = str(headers.get("Status", ""))
                    if status not in ("204", "404", "503", ""):
                        raise StreamError(f"stream {stream} refuses to be read: {headers.get('Description', status)}")
                    return found, status == "404"
                before = int(headers.get("Nats-Last-Sequence", 0))
                if found and before != found[-1].sequence:
                    return found, False  # One was lost on the way; the next request begins with it.
                sequence, stored_at = int(headers["Nats-Sequence"]), time_ns(headers["Nats-Time-Stamp"])
                found.append(StoredMessage(sequence, stored_at, answer.data, headers, headers["Nats-Subject"]))
        finally:
            with contextlib.suppress(Error):
                await answers.unsubscribe()
    except ConnectionClosedError as error:
        raise closed_for_good(client) from error
    except Error:  # No answer, or the connection broke: the next request goes on after what came.
        return found, False
