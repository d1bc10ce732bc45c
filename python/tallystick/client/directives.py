"""Directives: events about events, as bytes that are ready for the event stream (docs/truth.md §1).

Each function returns the bytes of one, JSON in UTF-8. Whoever sends the same directive again passes the same
`directive_id`; without one it gets a new one. `more` is what every directive may have: `reason`, `person` (who speaks
as the source), `time`, `correlationid` and `causationid`. Each raises ValueError for a reason or person of more than
`REASON_BYTES_MAX` bytes, and TypeError for anything else in `more`.
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal

from tallystick import exact_json

OPERATOR: Final = "operator"
"""The source that decides on approvals, exceptions and configuration, unless `engine.operators` names others."""
REASON_BYTES_MAX: Final = 64
_SAID: Final = ("reason", "person")
"""Why, and who: further members."""
ExceptionState = Literal["acknowledged", "resolved", "discarded"]


def void_event(
    target_source: str, target_id: str, *, source: str, directive_id: str | None = None, **more: str
) -> bytes:
    """Undoes what an event did, at its own effective time.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> batch = engine.apply([came, void_event("wms", "1", source="wms")], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").on_hand
    Decimal('0')
    """
    return directive("event.voided", source, directive_id, more, target=_target(target_source, target_id))


def correct_event(
    target_source: str,
    target_id: str,
    event: Mapping[str, Any],
    *,
    source: str,
    directive_id: str | None = None,
    **more: str,
) -> bytes:
    """Replaces an event by `event`, a stock event without `id` and `source`.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> event = {"type": "stock.received", "sku": "LAMP", "location": "DC1", "quantity": 6}
    >>> batch = engine.apply([came, correct_event("wms", "1", event, source="wms")], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").on_hand
    Decimal('6')
    """
    target = _target(target_source, target_id)
    return directive("event.corrected", source, directive_id, more, target=target, event=dict(event))


def approve(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Lets what waits under an exception be posted.

    >>> import json
    >>> json.loads(approve(7, reason="counted again"))["data"]
    {'exception': 7, 'reason': 'counted again'}
    """
    return directive("approval.granted", source, directive_id, more, exception=exception)


def deny(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Drops what waits under an exception.

    >>> import json
    >>> json.loads(deny(7))["type"]
    'approval.denied'
    """
    return directive("approval.denied", source, directive_id, more, exception=exception)


def acknowledge(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Marks an exception as one that somebody works on.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> batch = engine.apply([b"{}", acknowledge(1)])
    >>> engine.exception(1)["state"]
    'acknowledged'
    """
    return move_on("acknowledged", exception, source=source, directive_id=directive_id, **more)


def resolve(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Marks an exception as resolved: its reason is gone.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> batch = engine.apply([b"{}", resolve(1, reason="a test")], first_sequence=1, log_time_ns=0)
    >>> engine.open_exceptions()
    []
    """
    return move_on("resolved", exception, source=source, directive_id=directive_id, **more)


def discard(exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Marks an exception as one about which nothing will be done.

    >>> import json
    >>> json.loads(discard(7, directive_id="d1"))["id"]
    'd1'
    """
    return move_on("discarded", exception, source=source, directive_id=directive_id, **more)


def assign(exception: int, team: str, *, source: str = OPERATOR, directive_id: str | None = None, **more: str) -> bytes:
    """Passes an exception on to a team: one that is built in, or one of `exceptions.teams` of the configuration.

    >>> from tallystick import Engine
    >>> engine = Engine('{"exceptions": {"teams": ["carriers"]}}')
    >>> batch = engine.apply([b"{}", assign(1, "carriers", person="ana")], first_sequence=1, log_time_ns=0)
    >>> found = engine.exception(1)
    >>> found["owner"], found["person"]
    ('carriers', 'ana')
    """
    return directive("exception.assigned", source, directive_id, more, exception=exception, team=team)


def move_on(
    state: ExceptionState, exception: int, *, source: str = OPERATOR, directive_id: str | None = None, **more: str
) -> bytes:
    """Moves an exception to another state.

    >>> import json
    >>> json.loads(move_on("resolved", 7))["type"]
    'exception.resolved'
    """
    return directive(f"exception.{state}", source, directive_id, more, exception=exception)


def configure(
    config: str | Mapping[str, Any] | None,
    mode: Literal["act", "shadow", "end_shadow"] = "act",
    *,
    source: str = OPERATOR,
    directive_id: str | None = None,
    **more: str,
) -> bytes:
    """Replaces tables of the configuration for what follows in the log, or tries an ownership policy in the shadow.

    `config` is text (TOML or JSON) or tables, None to end a trial.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> batch = engine.apply([came, configure({"safety_stock": {"default": 2}})], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").atp
    Decimal('3')
    """
    members = {} if config is None else {"config": config if isinstance(config, str) else dict(config)}
    return directive("configuration.changed", source, directive_id, more, **members, mode=mode)


def directive(kind: str, source: str, directive_id: str | None, more: Mapping[str, str], **members: Any) -> bytes:
    """Makes a directive of any type; `members` become its data. Raises ValueError and TypeError as all of them do.

    >>> import json
    >>> json.loads(directive("item.retired", "erp", "r1", {}, sku="LAMP"))["data"]
    {'sku': 'LAMP'}
    """
    for name in _SAID:
        if len(more.get(name, "").encode()) > REASON_BYTES_MAX:
            raise ValueError(f"a {name} has at most {REASON_BYTES_MAX} bytes")
    known = {name: value for name, value in more.items() if name not in _SAID}
    if unknown := sorted(set(known) - {"time", "correlationid", "causationid"}):
        raise TypeError(f"a directive has no {unknown[0]}")
    data = members | {name: value for name, value in more.items() if name in _SAID}
    envelope = {"specversion": "1.0", "id": directive_id or str(uuid.uuid4()), "source": source, "type": kind, **known}
    return exact_json.dumps({**envelope, "data": data})


def _target(source: str, event_id: str) -> dict[str, str]:
    return {"source": source, "id": event_id}
