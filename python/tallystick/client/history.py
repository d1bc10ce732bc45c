"""History: who did what about one exception, and when: from the exceptions stream, and the events that moved it.

It looks back through the streams alone, so it works without a daemon and for what the daemon keeps no more.
"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus.jetstream import JetStream
from tallystick.bus.reader import read, sequence_at
from tallystick.client.work import moved_text
from tallystick.errors import StreamError
from tallystick.files.elements import elements, members

if TYPE_CHECKING:
    from tallystick.config import Config

_RAISED: Final = "tallystick.exception"
_CHANGED: Final = "tallystick.exception.changed"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that happened to an exception."""

    time: str
    what: str
    """`raised`, `escalated`, `assigned`, or the state that it has since then."""
    sequence: int
    """Place in the log of what brought it about."""
    index: int
    count: int = 1
    """How often it was raised in a row."""
    who: str | None = None
    """The person who spoke, if a name was given."""
    operator: str | None = None
    """The source that spoke for the person."""
    why: str | None = None
    """What brought it about by itself."""
    note: str | None = None
    team: str | None = None


async def history(bus: JetStream, config: "Config", number: int, since: str | None = None) -> list[Deed]:
    """Returns what happened to an exception, oldest first; nothing if the stream does not know it.

    `since` is a time (RFC 3339) before which it was not raised. Raises OperationError.
    """
    name = config.output.exceptions_stream
    info = await bus.stream(name)
    if info is None:
        raise StreamError(f"there is no stream {name}; give the daemon's configuration with --config")
    first = await sequence_at(bus, name, since) if since is not None else None
    needle = re.compile(rb'"exception":%d[,}]' % number)
    found: list[Deed] = []
    async for messages in read(bus, info, first if first is not None else info.first_sequence):
        for message in messages:
            if needle.search(message.data):
                found += _deeds(message.data, number)
    return [await _with_speaker(bus, config.input.stream, deed) for deed in _in_a_row(found)]


def _deeds(batch: bytes, number: int) -> list[Deed]:
    told = exact_json.loads(batch)
    found = [event for event in told if event.get("data", {}).get("exception") == number]
    return [
        _deed(event["type"], event["time"], event["data"]) for event in found if event["type"] in (_RAISED, _CHANGED)
    ]


def _deed(kind: str, time: str, data: dict[str, Any]) -> Deed:
    place = int(data.get("sequence", 0)), int(data.get("index", 0))
    if kind == _RAISED:
        return Deed(time, "raised", *place, note=data.get("cause"), team=data.get("owner"))
    moved_by = data.get("moved_by")
    return Deed(
        time,
        str(data.get("state")),
        *place,
        who=data.get("person"),
        why=moved_text(moved_by) if moved_by else None,
        operator=moved_by,
        note=data.get("note"),
        team=data.get("owner"),
    )


def _in_a_row(deeds: list[Deed]) -> list[Deed]:
    """What was raised again and again is told once; a state that is the one before was passed on, or escalated."""
    found: list[Deed] = []
    for deed in deeds:
        before = found[-1] if found else None
        if before is not None and deed.what == before.what == "raised":
            found[-1] = replace(before, count=before.count + 1)
        elif deed.what == "open":
            found.append(replace(deed, what="escalated" if deed.operator is None else "assigned"))
        elif before is not None and deed.what == before.what and deed.team != before.team:
            found.append(replace(deed, what="assigned"))
        else:
            found.append(deed)
    return found


async def _with_speaker(bus: JetStream, stream: str, deed: Deed) -> Deed:
    """The deed with the source and the words of the directive that it follows from, if it follows from one."""
    if deed.what in ("raised", "escalated"):
        return deed
    message = await bus.message(stream, deed.sequence)
    event = dict(elements(message.data)).get(deed.index) if message is not None else None
    fields = members(event) if event is not None else None
    kind = str((fields or {}).get("type", ""))
    if fields is None or not kind.startswith(("exception.", "approval.")):
        return replace(deed, operator=None)
    return replace(
        deed, operator=str(fields.get("source")), why=None if deed.operator == fields.get("source") else deed.why
    )
