"""Requests: what can be asked of the engine by way of the service, and the event of the log that each becomes.

Daemon and client read the same list, so neither has to know the other. It sends nothing; `daemon.intake` does.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from tallystick import exact_json

_NAME_BYTES_MAX: Final = 64
_ID_BYTES_MAX: Final = 128
_ENVELOPE: Final = ("source", "id", "time", "sequence", "correlationid", "causationid", "traceparent", "reason")


@dataclass(frozen=True, slots=True)
class RequestKind:
    """One kind of request, and the type of event that it becomes."""

    name: str
    type: str
    needed: tuple[str, ...]
    members: tuple[str, ...]
    cure: str
    """An example of a good request, for whoever sent a bad one."""

    @property
    def subject(self) -> str:
        """Where it is sent to."""
        return f"tallystick.{self.name}"

    def event(self, data: bytes, reply: str) -> tuple[str, bytes]:
        """Returns the id of the event that a request becomes, and its bytes.

        `reply` is the subject of whoever asked, empty for nobody. Raises ValueError, which names what is wrong.
        """
        asked = exact_json.loads(data)
        if not isinstance(asked, dict):
            raise ValueError("the request is no JSON object")  # noqa: TRY004 (a wrong value to whoever asks)
        if unknown := sorted(set(asked) - {*_ENVELOPE, *self.members}):
            raise ValueError(f"unknown field {unknown[0][:32]!r}")
        for name in ("source", *self.needed):
            if asked.get(name) is None:
                raise ValueError(f"{name} is needed")
        made = {"id": str(uuid.uuid4())} | asked
        for name, most in (("source", _NAME_BYTES_MAX), ("id", _ID_BYTES_MAX)):
            if not isinstance(made[name], str) or not 0 < len(made[name].encode("utf-8", "surrogatepass")) <= most:
                raise ValueError(f"{name} must be a text of 1 to {most} bytes")
        envelope: dict[str, Any] = {"specversion": "1.0", "type": self.type}
        return made["id"], exact_json.dumps(envelope | made | ({"reply": reply} if reply else {}))


_PLACE: Final = ("sku", "location", "group", "lot", "owner", "quantity", "due", "channel", "version")
RESERVE: Final = RequestKind(
    "reserve",
    "reservation.requested",
    (),
    (*_PLACE, "lines", "ttl", "policy", "mode", "document", "line"),
    'send {"source": "…", "id": "…", "sku": "…", "location": "…", "quantity": 1}, or "group" for "location", or '
    '"lines": [{…}]',
)
POST: Final = RequestKind(
    "post",
    "reservation.posted",
    ("target",),
    ("target", "quantity", "quantities", "rest"),
    'send {"source": "…", "id": "…", "target": {"source": "…", "id": "…"}}, and "quantity" for a part, with '
    '"rest": "keep" where the rest stays held',
)
VOID: Final = RequestKind(
    "void",
    "reservation.voided",
    ("target",),
    ("target", "quantity", "quantities"),
    'send {"source": "…", "id": "…", "target": {"source": "…", "id": "…"}}, and "quantity" for a part',
)
CHANGE: Final = RequestKind(
    "change",
    "reservation.changed",
    ("target",),
    ("target", "quantity", "quantities", "ttl"),
    'send {"source": "…", "id": "…", "target": {"source": "…", "id": "…"}, "quantity": 1}, or "ttl", or both',
)
REQUEST_KINDS: Final = (RESERVE, POST, VOID, CHANGE)
