"""Directives: events about events, as bytes that are ready for the event stream (docs/truth.md §1).

Each function makes one. Whoever sends the same directive again gives it the same `directive_id`; without one it gets a
new one.
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal

from tallystick import exact_json

OPERATOR: Final = "operator"
"""The source whose word on approvals, exceptions and configuration is taken, unless `engine.operators` says others."""
REASON_BYTES_MAX: Final = 64
ExceptionState = Literal["acknowledged", "resolved", "discarded"]


def void(target_source: str, target_id: str, *, source: str, directive_id: str | None = None, **more: str) -> bytes:
    """Undoes what an event did, at its own effective time."""
    return directive("event.voided", source, directive_id, more, target=_target(target_source, target_id))


def correct(
    target_source: str,
    target_id: str,
    event: Mapping[str, Any],
    *,
    source: str,
    directive_id: str | None = None,
    **more: str,
) -> bytes:
    """Puts `event`, a stock event without `id` and `source`, in the place of what was said before."""
    target = _target(target_source, target_id)
    return directive("event.corrected", source, directive_id, more, target=target, event=dict(event))


def approve(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Lets what waits under an exception be posted."""
    return directive("approval.granted", source, directive_id, more, exception=exception)


def deny(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Drops what waits under an exception."""
    return directive("approval.denied", source, directive_id, more, exception=exception)


def acknowledge(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Says that somebody works on an exception."""
    return move_on("acknowledged", exception, source=source, directive_id=directive_id, **more)


def resolve(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Says that the reason of an exception is gone."""
    return move_on("resolved", exception, source=source, directive_id=directive_id, **more)


def discard(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Says that nothing will be done about an exception."""
    return move_on("discarded", exception, source=source, directive_id=directive_id, **more)


def move_on(
    state: ExceptionState, exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str
) -> bytes:
    """Gives an exception another state."""
    return directive(f"exception.{state}", source, directive_id, more, exception=exception)


def configure(
    config: str | Mapping[str, Any] | None,
    mode: Literal["act", "shadow", "end_shadow"] = "act",
    *,
    source: str = OPERATOR,
    directive_id: str | None = None,
    **more: str,
) -> bytes:
    """Replaces tables of the configuration for what follows in the log, or tries an ownership policy in the shadow."""
    members = {} if config is None else {"config": config if isinstance(config, str) else dict(config)}
    return directive("configuration.changed", source, directive_id, more, **members, mode=mode)


def directive(kind: str, source: str, directive_id: str | None, more: Mapping[str, str], **members: Any) -> bytes:
    """Any directive. `more` are what every one may have: `reason`, `time`, `correlationid` and `causationid`."""
    if len(more.get("reason", "").encode()) > REASON_BYTES_MAX:
        raise ValueError(f"a reason has at most {REASON_BYTES_MAX} bytes")
    known = {name: value for name, value in more.items() if name != "reason"}
    if unknown := sorted(set(known) - {"time", "correlationid", "causationid"}):
        raise TypeError(f"a directive has no {unknown[0]}")
    data = members | {name: value for name, value in more.items() if name == "reason"}
    envelope = {"specversion": "1.0", "id": directive_id or str(uuid.uuid4()), "source": source, "type": kind, **known}
    return exact_json.dumps({**envelope, "data": data})


def _target(source: str, event_id: str) -> dict[str, str]:
    return {"source": source, "id": event_id}
