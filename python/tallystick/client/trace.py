"""Trace: looks back through event, exception and availability stream for everything under one id or document."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tallystick.bus.jetstream import JetStream, StoredMessage, StreamInfo
from tallystick.bus.reader import read, sequence_at
from tallystick.client.flow import Flow, Step
from tallystick.client.rules import Rules
from tallystick.errors import StreamError

if TYPE_CHECKING:
    from tallystick.config import Config

Answers = Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[str | None]]]
"""What the daemon remembers of keys; an empty answer if there is none."""
OnProgress = Callable[[str, int, int], None]
"""Called with the stream's name, messages read of it, and messages to read."""
_SECOND: Final = 1_000_000_000


async def trace(
    bus: JetStream,
    config: "Config",
    correlation: str,
    answers: Answers,
    *,
    since_s: int | None = None,
    last: int | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[list[Step], bool]:
    """Returns every step under a correlation id, document or event, and whether there were more than are kept.

    `since_s` (seconds) and `last` (messages of the event stream) bound how far back it looks. Raises OperationError.
    """
    flow = Flow(correlation)
    events = await _stream(bus, config.input.stream)
    now_ns = bus.server_time_ns() or time.time_ns()  # The clock that the messages are stamped with.
    since_ns = now_ns - since_s * _SECOND if since_s else None
    first = await _first_sequence(bus, events, since_ns)
    if last is not None:  # Both bounds hold, so the later one decides.
        first = max(first, events.last_sequence - last + 1)
    await _look(bus, events, first, flow.add_events, on_progress)
    # What an event causes is told after it. Streams keep their own clocks' times, so a second is left for these.
    begin_ns = flow.first_ns - _SECOND if flow.first_ns is not None else since_ns
    for name, add in (
        (config.output.exceptions_stream, flow.add_exceptions),
        (config.output.availability_stream, flow.add_availability),
    ):
        info = await bus.stream(name)
        if info is not None:
            await _look(bus, info, await _first_sequence(bus, info, begin_ns), add, on_progress)
    keys = flow.unanswered()
    known = dict(zip(keys, await answers(keys), strict=False)) if keys else {}
    return flow.steps(known, Rules(config).is_stock), flow.truncated


async def _stream(bus: JetStream, name: str) -> StreamInfo:
    info = await bus.stream(name)
    if info is None:
        raise StreamError(f"there is no stream {name}; give the daemon's configuration with --config")
    return info


async def _first_sequence(bus: JetStream, info: StreamInfo, since_ns: int | None) -> int:
    if since_ns is None:
        return info.first_sequence
    text = datetime.fromtimestamp(since_ns // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = await sequence_at(bus, info.name, text)
    return found if found is not None else info.last_sequence + 1


async def _look(
    bus: JetStream, info: StreamInfo, first: int, add: Callable[[StoredMessage], None], on_progress: OnProgress | None
) -> None:
    first = max(first, info.first_sequence)
    async for messages in read(bus, info, first):
        for message in messages:
            add(message)
        if on_progress is not None and messages:
            done = messages[-1].sequence - first + 1
            on_progress(info.name, done, info.last_sequence - first + 1)
