"""Bus limit: how fast a bare socket is given the messages of a stream, by push and by pull, and nats-py's fetch loop.

None of them does anything with a message. They bound what a daemon on this machine can reach.
"""

import asyncio
import json
import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benches.bare_socket import RECEIVE_BYTES, BareSocket, frame_ends
from benches.meter import Meter
from benches.process import Row

REQUEST_MESSAGES: Final = 5_000
REQUESTS_AHEAD: Final = 2
REQUEST_BYTES: Final = 20_000_000
"""Two requests ahead and their frames stay below 64 MiB."""
FETCH_MESSAGES: Final = 1_000
PUSH_BYTES: Final = 40_000_000
"""Payload bytes; frames of small messages add half as much."""
EVENT_BYTES_ABOUT: Final = 200
_CONSUMER: Final = "bare"
_EXPIRES_NS: Final = 60_000_000_000


def push(port: int, stream: str, subject: str, sizes: str, events_per_message: float) -> Row:
    """A push consumer without acks, over the last messages. `sizes`: an .npy file with every message's payload bytes.

    Nothing holds a push consumer back, and the server ends the connection of whoever leaves 64 MiB unread. So it gets
    less than that, and no pause of this process can end the bench.
    """
    payload_bytes = np.load(sizes)
    first = int(np.searchsorted(-np.cumsum(payload_bytes[::-1])[::-1], -PUSH_BYTES))
    payload_bytes = payload_bytes[first:]
    with BareSocket(port) as connection:
        inbox = connection.subscribe()
        connection.flush()
        ends = frame_ends(payload_bytes, subject=subject, stream=stream, consumer=_CONSUMER, first_sequence=first + 1)
        start = {"deliver_subject": inbox, "deliver_policy": "by_start_sequence", "opt_start_seq": first + 1}
        with Meter() as meter, BareSocket(port) as other:
            _create(other, stream, start)
            tail = _receive(connection, ends, None)
        _delete(port, stream)
    return _row(meter, payload_bytes, tail, events_per_message, first)


def pull(port: int, stream: str, subject: str, sizes: str, events_per_message: float) -> Row:
    """A pull consumer without acks, requests of 5,000 messages kept two ahead: the bus's own limit for a daemon."""
    payload_bytes = np.load(sizes)
    with BareSocket(port) as connection:
        with BareSocket(port) as other:
            _create(other, stream, {})
        inbox = connection.subscribe()
        connection.flush()
        ends = frame_ends(payload_bytes, subject=subject, stream=stream, consumer=_CONSUMER)
        # The server ends the connection of whoever leaves 64 MiB unread, so what is asked for ahead stays below.
        batch = max(1, min(REQUEST_MESSAGES, int(REQUEST_BYTES // payload_bytes.mean())))
        body = json.dumps({"batch": batch, "expires": _EXPIRES_NS}).encode()
        next_message = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{_CONSUMER}"
        ask = f"PUB {next_message} {inbox} {len(body)}\r\n".encode() + body + b"\r\n"
        with Meter() as meter:
            connection.send(ask * REQUESTS_AHEAD)
            tail = _receive(connection, ends, ask, batch)
        _delete(port, stream)
    return _row(meter, payload_bytes, tail, events_per_message)


def fetch(port: int, stream: str, messages: int, events_per_message: float) -> Row:
    """nats-py's `pull_subscribe().fetch(1000)` over the first `messages` messages, nothing done with them."""
    return asyncio.run(_fetch(port, stream, messages, events_per_message))


async def _fetch(port: int, stream: str, messages: int, events_per_message: float) -> Row:
    import nats
    from nats.js.api import AckPolicy, ConsumerConfig

    client = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        config = ConsumerConfig(ack_policy=AckPolicy.NONE)
        reader = await client.jetstream().pull_subscribe(">", stream=stream, config=config)
        # A fetch of more bytes than the server lets pend would end the connection.
        batch = max(1, min(FETCH_MESSAGES, int(REQUEST_BYTES // (EVENT_BYTES_ABOUT * events_per_message))))
        received = 0
        with Meter() as meter:
            while received < messages:
                received += len(await reader.fetch(min(batch, messages - received), timeout=10))
        return meter.figures(round(received * events_per_message)) | {"messages": received}
    finally:
        await client.close()


def _receive(connection: BareSocket, ends: NDArray[np.int64], ask: bytes | None, batch: int = 1) -> bytes:
    """Reads until the last message's end, asking again whenever a request is answered. Returns the last bytes."""
    buffer, tail = bytearray(RECEIVE_BYTES), b""
    received, last = 0, int(ends[-1])
    # In a slow run the server's own PING, which is not in the arithmetic, carries the count beyond the last message's
    # end: nothing is asked for then.
    answered = iter(ends[batch - 1 :: batch].tolist() if ask else [])
    next_answer = next(answered, sys.maxsize)
    while received < last:
        size = connection.receive(buffer)
        received += size
        while ask and received >= next_answer:
            connection.send(ask)
            next_answer = next(answered, sys.maxsize)
        if received + RECEIVE_BYTES > last:
            tail += buffer[:size]
    return tail


def _row(
    meter: Meter, payload_bytes: NDArray[np.int64], tail: bytes, events_per_message: float, skipped: int = 0
) -> Row:
    """The figures. Raises ValueError if the last frame is not the last message: then the count was wrong."""
    messages = len(payload_bytes)
    if f".{skipped + messages}.{messages}.".encode() not in tail:
        raise ValueError("the last message did not end where the arithmetic says: no figure is valid")
    return meter.figures(round(messages * events_per_message)) | {
        "messages": messages,
        "bytes": int(payload_bytes.sum()),
    }


def _create(connection: BareSocket, stream: str, more: dict[str, object]) -> None:
    config: dict[str, object] = {"name": _CONSUMER, "ack_policy": "none", "deliver_policy": "all", "mem_storage": True}
    config |= {"inactive_threshold": _EXPIRES_NS, **more}
    body = {"stream_name": stream, "config": config, "action": "create"}
    connection.request(f"$JS.API.CONSUMER.CREATE.{stream}.{_CONSUMER}", body)


def _delete(port: int, stream: str) -> None:
    with BareSocket(port) as connection:
        connection.request(f"$JS.API.CONSUMER.DELETE.{stream}.{_CONSUMER}", {})
