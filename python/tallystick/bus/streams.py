"""The streams: creates them with the settings that the promises need, and refuses existing ones that lack them.

It also checks that the event stream is still the log that was read before. It moves no messages.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.bus.jetstream import ApiError, JetStream, StreamInfo
from tallystick.config import Input, Output, duration_s
from tallystick.errors import LogGap, StreamError

DUPLICATE_WINDOW_S: Final = 120
_NANOSECONDS: Final = 1_000_000_000
_NO_LIMIT: Final = -1
_log: Final = logging.getLogger(__name__)

Rule = tuple[str, Callable[[Any], bool], str, Any]
"""Setting, what it must be (as a test and in words), and its value where the server leaves it out."""


def _is(expected: Any) -> Callable[[Any], bool]:
    return lambda value: bool(value == expected)


def _no_limit(value: Any) -> bool:
    return int(value) <= 0


_INPUT_RULES: Final[tuple[Rule, ...]] = (
    ("retention", _is("limits"), '"limits", or reading would delete events', "limits"),
    ("storage", _is("file"), '"file", or a restart of the server would lose events', "file"),
    ("max_age", _is(0), "0 (none), or old events would vanish before they can be replayed", 0),
    ("max_msgs", _no_limit, "-1 (none), or old events would vanish before they can be replayed", _NO_LIMIT),
    ("max_bytes", _no_limit, "-1 (none), or old events would vanish before they can be replayed", _NO_LIMIT),
    ("max_msgs_per_subject", _no_limit, "-1 (none), or newer events would delete older ones", _NO_LIMIT),
    ("deny_delete", _is(True), "true, or a single event could be deleted", False),
    ("deny_purge", _is(True), "true, or all events could be purged", False),
    ("allow_direct", _is(True), "true, or a gap could not be read from a replica", False),
    ("allow_rollup_hdrs", _is(False), "false, or one message could delete the others", False),
    ("allow_msg_ttl", _is(False), "false, or events could expire", False),
    ("no_ack", _is(False), "false, or producers would not know what is stored", False),
    ("persist_mode", _is("default"), '"default", or acknowledged events could be lost', "default"),
)

_OUTPUT_RULES: Final[tuple[Rule, ...]] = (
    ("retention", _is("limits"), '"limits": each consumer reads at its own pace', "limits"),
    ("storage", _is("file"), '"file", or a restart of the server would lose what was sent', "file"),
    (
        "duplicate_window",
        lambda value: value >= DUPLICATE_WINDOW_S * _NANOSECONDS,
        f"at least {DUPLICATE_WINDOW_S} s, or a message sent twice would be stored twice",
        0,
    ),
    ("no_ack", _is(False), "false, or nothing would be known to be stored", False),
    ("discard", _is("old"), '"old", or a full stream would stop the daemon', "old"),
    ("sealed", _is(False), "false, or nothing can be written", False),
)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far the event stream was read, and what tells that it is still the same log."""

    stream: str
    created: str
    sequence: int
    """The last message that was read; 0: none."""
    digest: str
    """Of that message; empty with none."""


def message_digest(data: bytes) -> str:
    """Returns what a log position remembers of a message: a BLAKE2b hash, 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


async def ensure_input(bus: JetStream, settings: Input) -> StreamInfo:
    """Finds or creates the event stream. Raises StreamError if it cannot keep the promises."""
    info = await bus.stream(settings.stream)
    if info is not None:
        _check(info, _INPUT_RULES)
        return info
    return await _create(
        bus,
        {
            **_common(settings.stream, settings.subjects, settings.replicas),
            "discard": "new",
            "max_age": 0,
            "deny_delete": True,
            "deny_purge": True,
        },
    )


async def ensure_outputs(bus: JetStream, settings: Output) -> tuple[StreamInfo, StreamInfo]:
    """Finds or creates the streams of availability and of exceptions, in this order.

    Raises StreamError if one cannot keep the promises, or does not take its subject.
    """
    return (
        await _ensure_output(
            bus,
            settings.availability_stream,
            settings.availability_subject,
            settings.availability_max_age,
            settings.replicas,
        ),
        await _ensure_output(
            bus,
            settings.exceptions_stream,
            settings.exceptions_subject,
            settings.exceptions_max_age,
            settings.replicas,
        ),
    )


async def _ensure_output(bus: JetStream, stream: str, subject: str, max_age: str, replicas: int) -> StreamInfo:
    info = await bus.stream(stream)
    if info is not None:
        _check(info, _OUTPUT_RULES)
        subjects = info.config.get("subjects", [])
        if not any(covers(pattern, subject) for pattern in subjects):
            raise StreamError(
                f"stream {stream}: its subjects {', '.join(subjects)} do not take {subject}; "
                "add the subject to the stream or change it in [output]"
            )
        return info
    age_ns = (duration_s(max_age) or 0) * _NANOSECONDS
    window_ns = DUPLICATE_WINDOW_S * _NANOSECONDS
    if 0 < age_ns < window_ns:
        raise StreamError(f"stream {stream}: max_age {max_age} is below {DUPLICATE_WINDOW_S} s; change it in [output]")
    common = _common(stream, [subject], replicas)
    return await _create(bus, {**common, "discard": "old", "max_age": age_ns, "duplicate_window": window_ns})


def _common(name: str, subjects: Iterable[str], replicas: int) -> dict[str, Any]:
    return {
        "name": name,
        "subjects": list(subjects),
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "max_msgs": _NO_LIMIT,
        "max_bytes": _NO_LIMIT,
        "max_msgs_per_subject": _NO_LIMIT,
        "allow_direct": True,
    }


async def _create(bus: JetStream, config: Mapping[str, Any]) -> StreamInfo:
    try:
        info = await bus.create_stream(config)
    except ApiError as error:
        raise StreamError(
            f"stream {config['name']} cannot be created: {error.description}; "
            "create it by hand, or change its name or subjects"
        ) from error
    _log.info("stream %s created", info.name)
    return info


def faults(info: StreamInfo, *, is_input: bool) -> list[str]:
    """Returns every setting of a stream that could lose something, in words."""
    rules = _INPUT_RULES if is_input else _OUTPUT_RULES
    found = ((setting, info.config.get(setting, left_out), is_good, must) for setting, is_good, must, left_out in rules)
    return [
        f"{name} is {json.dumps(value)} and must be {must}"
        for name, value, is_good, must in found
        if not is_good(value)
    ]


def _check(info: StreamInfo, rules: Iterable[Rule]) -> None:
    for setting, is_good, must_be, left_out in rules:
        value = info.config.get(setting, left_out)
        if not is_good(value):
            shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
            raise StreamError(
                f"stream {info.name}: {setting} is {shown} and must be {must_be}; "
                "change it with `nats stream edit`, or name another stream"
            )


def covers(pattern: str, subject: str) -> bool:
    """Whether a stream's subject, with its wildcards, takes messages of a subject."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(tokens) > place
        if place >= len(tokens) or token not in ("*", tokens[place]):
            return False
    return len(wanted) == len(tokens)


async def check_position(bus: JetStream, position: LogPosition) -> StreamInfo:
    """Checks that the stream is the log that was read up to `position`, and can be read on from there.

    Raises StreamError that says which of name, creation, length and last message differs, or LogGap if the messages
    after the position are gone.
    """
    info = await bus.stream(position.stream)
    cure = "restore the stream, or move the snapshots away to rebuild from what it holds now"
    if info is None:
        raise StreamError(f"stream {position.stream} was deleted; {cure}")
    if info.created != position.created:
        raise StreamError(
            f"stream {info.name} was created at {info.created}, the one that was read at {position.created}; {cure}"
        )
    if info.last_sequence < position.sequence:
        raise StreamError(
            f"stream {info.name} ends at message {info.last_sequence}, but message {position.sequence} was read; "
            f"the server lost what it had acknowledged; {cure}"
        )
    if info.first_sequence > position.sequence + 1:
        raise LogGap(info.name, position.sequence + 1, info.first_sequence - 1)
    if info.first_sequence <= position.sequence:  # Else it was removed after it was read: nothing is lost.
        found = await bus.direct_message(info.name, position.sequence)
        if found is None:
            raise LogGap(info.name, position.sequence, position.sequence)
        if message_digest(found.data) != position.digest:
            raise StreamError(
                f"stream {info.name}: message {position.sequence} is not the one that was read; "
                f"its sequence was used again; {cure}"
            )
    return info
