"""The streams: creates them with the settings that the promises need, and refuses existing ones that lack them.

It also checks that the event stream is still the log that was read before. It moves no messages.
"""

import hashlib
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


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting of a stream must be."""

    setting: str
    is_good: Callable[[Any], bool]
    must_be: str
    """In words, with what would happen otherwise."""
    left_out: Any
    """Its value where the server leaves it out."""
    cure: str | None
    """The option of `nats stream edit` that mends it; None: it cannot be changed once the stream is there."""
    is_for_ever: bool = False
    """Whether the server never lets the cure be taken back."""


def _is(expected: Any) -> Callable[[Any], bool]:
    return lambda value: bool(value == expected)


def _no_limit(value: Any) -> bool:
    return int(value) <= 0


_INPUT_RULES: Final = (
    Rule("retention", _is("limits"), '"limits", or reading would delete events', "limits", None),
    Rule("storage", _is("file"), '"file", or a restart of the server would lose events', "file", None),
    Rule("allow_msg_ttl", _is(False), "false, or events could expire", False, None),
    Rule("persist_mode", _is("default"), '"default", or acknowledged events could be lost', "default", None),
    Rule("max_age", _is(0), "0 (none), or old events would vanish before they can be replayed", 0, "--max-age=0s"),
    Rule(
        "max_msgs", _no_limit, "-1 (none), or old events would vanish before they can be replayed", -1, "--max-msgs=-1"
    ),
    Rule(
        "max_bytes",
        _no_limit,
        "-1 (none), or old events would vanish before they can be replayed",
        -1,
        "--max-bytes=-1",
    ),
    Rule(
        "max_msgs_per_subject",
        _no_limit,
        "-1 (none), or newer events would delete older ones",
        -1,
        "--max-msgs-per-subject=-1",
    ),
    Rule("allow_direct", _is(True), "true, or a gap could not be read from a replica", False, "--allow-direct"),
    Rule("allow_rollup_hdrs", _is(False), "false, or one message could delete the others", False, "--no-allow-rollup"),
    Rule("no_ack", _is(False), "false, or producers would not know what is stored", False, "--ack"),
    Rule("deny_delete", _is(True), "true, or a single event could be deleted", False, "--deny-delete", True),
    Rule("deny_purge", _is(True), "true, or all events could be purged", False, "--deny-purge", True),
)
_OUTPUT_RULES: Final = (
    Rule("retention", _is("limits"), '"limits": each consumer reads at its own pace', "limits", None),
    Rule("storage", _is("file"), '"file", or a restart of the server would lose what was sent', "file", None),
    Rule("sealed", _is(False), "false, or nothing can be written", False, None),
    Rule(
        "duplicate_window",
        lambda value: value >= DUPLICATE_WINDOW_S * _NANOSECONDS,
        f"at least {DUPLICATE_WINDOW_S} s, or a message sent twice would be stored twice",
        0,
        f"--dupe-window={DUPLICATE_WINDOW_S}s",
    ),
    Rule("no_ack", _is(False), "false, or nothing would be known to be stored", False, "--ack"),
    Rule("discard", _is("old"), '"old", or a full stream would stop the daemon', "old", "--discard=old"),
)


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far the event stream was read, and what tells that it is still the same log."""

    stream: str
    created: str
    sequence: int
    """The last message that was read, or the one before the ledger's first."""
    digest: str
    """Of that message; empty with none."""


def message_digest(data: bytes) -> str:
    """Returns what a log position remembers of a message: a BLAKE2b hash, 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


async def ensure_input(bus: JetStream, settings: Input, *, is_first: bool = False) -> StreamInfo:
    """Finds or creates the event stream. Raises StreamError if it cannot keep the promises.

    `is_first`: a ledger begins with it, so that its first message must be there. All faults are named at once.
    """
    info = await bus.stream(settings.stream)
    if info is not None:
        _check(info, _INPUT_RULES, _start_faults(info, settings.start_sequence) if is_first else ())
        return info
    if settings.start_sequence > 1:
        raise StreamError(
            f"there is no stream {settings.stream} to begin with message {settings.start_sequence} of; "
            "restore it, or set input.start_sequence to 1"
        )
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


async def find_input(bus: JetStream, settings: Input) -> StreamInfo:
    """Returns the event stream, for those who write to it where one was read before: they never make it anew.

    Raises StreamError if it is not there, or cannot keep the promises.
    """
    info = await bus.stream(settings.stream)
    if info is None:
        raise StreamError(
            f"there is no stream {settings.stream} any more, though snapshots were taken of one, and nothing was sent; "
            "restore the server's store, or move the snapshots away to begin anew"
        )
    _check(info, _INPUT_RULES)
    return info


def _start_faults(info: StreamInfo, start: int) -> tuple[str, ...]:
    first, last = info.first_sequence, info.last_sequence
    if first > start:
        cure = f"set input.start_sequence = {first} to begin there without what came before, or restore the stream"
        return (f"it begins at message {first}, and the ledger at {start} ({cure})",)
    if start > last + 1:
        return (f"it ends at message {last}, and the ledger begins at {start} (lower input.start_sequence)",)
    return ()


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
        if not any(covers(pattern, subject) for pattern in info.subjects):
            raise StreamError(
                f"stream {stream}: its subjects {', '.join(info.subjects) or '(none)'} do not take {subject}; "
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
    if bus.domain is None and bus.server_domain is not None:
        # On a leaf node the stream that is meant may be in the hub's domain. An empty one here would hide that.
        raise StreamError(
            f"there is no stream {config['name']} in JetStream domain {bus.server_domain}, which answers here; set "
            f"nats.jetstream_domain to the domain that has it, or to {bus.server_domain} to have it made here"
        )
    try:
        info = await bus.create_stream(config)
    except ApiError as error:
        raise StreamError(
            f"stream {config['name']} cannot be created: {error.description}; "
            "create it by hand, or change its name or subjects"
        ) from error
    _log.info("stream %s created%s", info.name, f" in JetStream domain {bus.domain}" if bus.domain else "")
    return info


def faults(info: StreamInfo, *, is_input: bool) -> list[tuple[str, str]]:
    """Returns every setting of a stream that could lose something, each with what mends it."""
    found = (rule for rule in (_INPUT_RULES if is_input else _OUTPUT_RULES) if _is_broken(info, rule))
    return [(_fault(info, rule), _cure(info, rule)) for rule in found]


def _is_broken(info: StreamInfo, rule: Rule) -> bool:
    return not rule.is_good(info.config.get(rule.setting, rule.left_out))


def _cure(info: StreamInfo, rule: Rule) -> str:
    if rule.cure is None:
        return "name another stream"
    return f"nats stream edit {info.name} {rule.cure} -f{', for ever' if rule.is_for_ever else ''}"


def _check(info: StreamInfo, rules: Iterable[Rule], faults: Iterable[str] = ()) -> None:
    """Raises StreamError with all that is wrong with a stream: first what no edit mends, and the edit for the rest."""
    broken = [rule for rule in rules if _is_broken(info, rule)]
    told = [*faults, *(_fault(info, rule) for rule in sorted(broken, key=lambda rule: rule.cure is not None))]
    if not told:
        return
    cures = [rule.cure for rule in broken if rule.cure is not None]
    if cures:
        told.append(f"change it with: nats stream edit {info.name} {' '.join(cures)} -f")
    if for_ever := [rule.setting for rule in broken if rule.is_for_ever]:
        told.append(f"this can never be taken back: {', '.join(for_ever)}")
    raise StreamError(f"stream {info.name}: {'; '.join(told)}")


def _fault(info: StreamInfo, rule: Rule) -> str:
    value = info.config.get(rule.setting, rule.left_out)
    if rule.setting in ("max_age", "duplicate_window"):
        shown = f"{value / _NANOSECONDS:g} s"
    else:
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
    text = f"{rule.setting} is {shown} and must be {rule.must_be}"
    return text if rule.cure is not None else f"{text} (no edit changes it: name another stream)"


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
        raise StreamError(
            f"stream {position.stream} is not there any more: it was deleted, or the server has another store; "
            "restore the server's store, or move the snapshots away to begin an empty ledger"
        )
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
    # Else it was removed after it was read, which loses nothing, or none was read yet.
    if position.digest and info.first_sequence <= position.sequence:
        found = await bus.direct_message(info.name, position.sequence)
        if found is None:
            raise LogGap(info.name, position.sequence, position.sequence)
        if message_digest(found.data) != position.digest:
            raise StreamError(
                f"stream {info.name}: message {position.sequence} is not the one that was read; "
                f"its sequence was used again; {cure}"
            )
    return info
