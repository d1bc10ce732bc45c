"""Schema of directives: what each asks for beside the members that the engine's table names.

`tests/unit/test_event_schema.py` holds every row to the decoder: what is left away is refused, what is given is taken.
"""

from dataclasses import dataclass
from typing import Any, Final

from tallystick.files.schema_forms import GIVEN, PLACED, ref

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a directive asks for."""

    required: tuple[str, ...] = ()
    quantity: Schema | None = None
    also: tuple[Schema, ...] = ()
    members: tuple[str, ...] = ()
    """Members that its own reader knows, and the table does not."""


def _absent(*names: str) -> Schema:
    return {"properties": {name: {"type": "null"} for name in names}}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: GIVEN}}


_POSITIVE: Final = ref("quantity_positive")
_OPTIONAL_POSITIVE: Final[Schema] = {"anyOf": [_POSITIVE, {"type": "null"}]}
_NAMED: Final = ("document", "sku", "location")
_SCHEDULED: Final = Asked((*_NAMED, "due", "quantity"), _POSITIVE)
_CANCELLED: Final = Asked(_NAMED)
_CLOSED: Final = Asked(("document",))
_EXCEPTION: Final = Asked(("exception",))
_DECIDED: Final = Asked(
    also=(
        {
            "oneOf": [
                {"allOf": [_given("target"), _absent("exception")]},
                {"allOf": [_given("exception"), _absent("target")]},
            ]
        },
    )
)
_ONE_QUANTITY: Final[Schema] = {"anyOf": [_absent("quantities"), _absent("quantity")]}
_ANYWHERE: Final[Schema] = {"anyOf": [_absent("group"), _absent("location")]}
_CONFIGURED: Final[Schema] = {
    "anyOf": [
        {"required": ["config"], "properties": {"config": GIVEN, "mode": {"enum": ["act", "shadow", None]}}},
        {"required": ["mode"], "properties": {"mode": {"const": "end_shadow"}, "config": {"type": "null"}}},
    ]
}
_REQUESTED: Final[Schema] = {
    "anyOf": [
        {
            "allOf": [_absent("lines"), PLACED],
            "required": ["sku", "quantity"],
            "properties": {"sku": GIVEN, "quantity": _POSITIVE},
        },
        {
            "allOf": [
                _given("lines"),
                _absent("sku", "location", "quantity", "group", "version", "channel", "due"),
            ]
        },
    ]
}

DIRECTIVES: Final[dict[str, Asked]] = {
    "event.voided": Asked(("target",)),
    "event.corrected": Asked(("target", "event")),
    "approval.granted": _DECIDED,
    "approval.denied": _DECIDED,
    "exception.acknowledged": _EXCEPTION,
    "exception.resolved": _EXCEPTION,
    "exception.discarded": _EXCEPTION,
    "exception.assigned": Asked(("exception", "team")),
    "configuration.changed": Asked(also=(_CONFIGURED,)),
    "item.defined": Asked(("sku",)),
    "item.retired": Asked(("sku",)),
    "location.defined": Asked(("location",)),
    "location.retired": Asked(("location",)),
    "receipt.announced": Asked((*_NAMED, "quantity"), ref("quantity_count")),
    "receipt.closed": Asked(_NAMED),
    "tick": Asked(),
    "supply.scheduled": _SCHEDULED,
    "supply.rescheduled": Asked(_NAMED, _OPTIONAL_POSITIVE, ({"anyOf": [_given("quantity"), _given("due")]},)),
    "supply.cancelled": _CANCELLED,
    "demand.scheduled": _SCHEDULED,
    "demand.rescheduled": Asked(
        _NAMED,
        {"anyOf": [ref("quantity_count"), {"type": "null"}]},
        ({"anyOf": [_given("quantity"), _given("due")]},),
    ),
    "demand.cancelled": _CANCELLED,
    "document.closed": _CLOSED,
    "document.cancelled": _CLOSED,
    "reservation.requested": Asked(
        also=(_REQUESTED,),
        members=("group", "ttl", "policy", "mode", "channel", "version", "reply", "lines"),
    ),
    "reservation.posted": Asked(("target",), _OPTIONAL_POSITIVE, (_ONE_QUANTITY,)),
    "reservation.voided": Asked(("target",), _OPTIONAL_POSITIVE, (_ONE_QUANTITY,)),
    "reservation.changed": Asked(
        ("target",),
        _OPTIONAL_POSITIVE,
        (_ONE_QUANTITY, {"anyOf": [_given("quantity"), _given("quantities"), _given("ttl")]}),
    ),
    "protection.set": Asked(("sku", "channel", "protected"), also=(_ANYWHERE,)),
    "protection.moved": Asked(("sku", "from", "to", "quantity"), _POSITIVE, (_ANYWHERE,)),
    "group.defined": Asked(("group",)),
    "group.retired": Asked(("group",)),
}
"""By type. Every directive of the engine's table has its row."""
