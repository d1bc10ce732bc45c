"""Schema forms: what a text, a number or a member of an event may look like. It knows no type."""

from collections.abc import Mapping as Values
from typing import Any, Final

Schema = dict[str, Any]

# Written out, because what some dialects call a digit is more than 0 to 9, and what they call an end comes too early.
_DAY: Final = (
    r"([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|([0-9][0-9](0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_MINUTE: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_CLOCK: Final = rf"[Tt ]{_MINUTE}:[0-5][0-9](\.[0-9]{{1,9}}0*)?([Zz]|[+-]{_MINUTE})"
_DECIMAL: Final = r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,3}0*)?"
_ZERO: Final = r"-?0(\.0+)?"
WITH_CONTROLS: Final[Schema] = {"pattern": "[\\u0000-\\u001f\\u007f-\\u009f]"}
GIVEN: Final[Schema] = {"not": {"type": "null"}}
"""There, and not null, which is absence."""
NAMED: Final[Schema] = {"type": "string", "minLength": 1}


def ref(name: str) -> Schema:
    """A definition by its name."""
    return {"$ref": f"#/$defs/{name}"}


def nullable(form: Schema) -> Schema:
    """Null is absence."""
    return {"anyOf": [form, {"type": "null"}]}


def text(least: int, most: int) -> Schema:
    """A text of so many characters, without control characters."""
    return {"type": "string", "minLength": least, "maxLength": most, "not": WITH_CONTROLS}


def shared(known: Values[str, Any]) -> dict[str, Schema]:
    """The definitions that types refer to, within the limits of the contract."""
    limits, most = known["limits"], known["quantity_max"]
    return {
        "id": text(1, limits["id"]),
        "source": text(1, limits["source"]),
        "name": text(1, limits["name"]),
        "optional_name": text(0, limits["name"]),
        "correlation": text(0, limits["correlation"]),
        "unit": text(0, limits["unit"]),
        "unit_name": text(1, limits["unit"]),
        "reply": text(1, limits["reply"]),
        "time": {"type": "string", "pattern": f"^{_DAY}{_CLOCK}$", "not": WITH_CONTROLS},
        "due": {"type": "string", "pattern": f"^{_DAY}({_CLOCK})?$", "not": WITH_CONTROLS},
        "counted": {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1},
                {"type": "string", "pattern": "^0*[1-9][0-9]{0,17}$", "not": WITH_CONTROLS},
            ]
        },
        "line": {
            "anyOf": [
                {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
                text(0, limits["line"]),
            ]
        },
        "quantity": _amount({"minimum": -most, "maximum": most}, f"^-?{_DECIMAL}$"),
        "quantity_signed": {
            **_amount({"minimum": -most, "maximum": most}, f"^-?{_DECIMAL}$"),
            "not": {"anyOf": [{"const": 0}, {"type": "string", "pattern": f"^{_ZERO}$"}]},
        },
        "quantity_count": _amount({"minimum": 0, "maximum": most}, f"^{_DECIMAL}$"),
        "quantity_positive": {
            **_amount({"exclusiveMinimum": 0, "maximum": most}, f"^{_DECIMAL}$"),
            "not": {"type": "string", "pattern": f"^{_ZERO}$"},
        },
        "duration": {"type": "string", "pattern": "^(none|0*[1-9][0-9]{0,5}(ms|s|m|h|d))$", "not": WITH_CONTROLS},
        "mode": {"enum": list(known["modes"])},
        "target": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": ref("id"), "source": nullable(ref("source"))},
        },
        "reservation_line": _reservation_line(),
        "reservation_lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": limits["lines"],
            "items": ref("reservation_line"),
        },
        "quantities": {
            "type": "array",
            "minItems": 1,
            "maxItems": limits["lines"],
            "items": ref("quantity_count"),
            "contains": ref("quantity_positive"),
        },
    }


def _amount(bounds: Schema, pattern: str) -> Schema:
    return {"anyOf": [{"type": "number", **bounds}, {"type": "string", "pattern": pattern, "not": WITH_CONTROLS}]}


PLACED: Final[Schema] = {
    "oneOf": [
        {"required": ["location"], "properties": {"location": GIVEN, "group": {"type": "null"}}},
        {
            "required": ["group"],
            "properties": {
                "group": GIVEN,
                **{name: {"type": "null"} for name in ("location", "version")},
                **{name: {"enum": [None, ""]} for name in ("lot", "owner")},
            },
        },
    ]
}
"""At a location, or at a group."""


def _reservation_line() -> Schema:
    names = ("location", "lot", "owner", "group", "channel")
    return {
        "type": "object",
        "required": ["sku", "quantity"],
        "properties": {
            "sku": ref("name"),
            "quantity": ref("quantity_positive"),
            **{name: nullable(ref("name")) for name in names},
            "due": nullable(ref("due")),
            "line": nullable(ref("line")),
            "version": nullable(VERSION),
        },
        "allOf": [PLACED],
    }


VERSION: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1}

_TEAM_BYTES_MAX: Final = 32  # as the engine has it; its table of limits does not tell
_BY_NAME: Final = {"type": "object", "additionalProperties": ref("quantity_count"), "propertyNames": ref("name")}

MEMBERS: Final[dict[str, Schema]] = {
    "target": ref("target"),
    "exception": {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1},
    "team": text(1, _TEAM_BYTES_MAX),
    "event": ref("event_of_stock"),
    "config": {"type": ["string", "object"]},
    "mode": ref("mode"),
    "units": {
        "type": "object",
        "additionalProperties": ref("quantity_positive"),
        "propertyNames": ref("unit_name"),
    },
    "unit_cost": ref("quantity_count"),
    "safety_stock": {"anyOf": [ref("quantity_count"), _BY_NAME]},
    "aliases": {
        "type": "object",
        "additionalProperties": {"anyOf": [ref("name"), {"type": "array", "items": ref("name")}]},
        "propertyNames": ref("source"),
    },
    "time_zone": {"type": "string", "minLength": 1},
    "supplier": ref("name"),
    "kind": ref("name"),
    "side": {"enum": ["supply", "demand"]},
    "quantities": ref("quantities"),
    "rest": {"enum": ["release", "keep"]},
    "ttl": ref("duration"),
    "reply": ref("reply"),
    "channel": ref("name"),
    "group": ref("name"),
    "protected": ref("quantity_count"),
    "capped": ref("quantity_count"),
    "from": ref("name"),
    "to": ref("name"),
    "locations": {"type": "array", "items": ref("name")},
    "groups": {"type": "array", "items": ref("name")},
    "policy": {"enum": ["all", "partial"]},
    "version": VERSION,
    "lines": ref("reservation_lines"),
}
"""What the members of directives look like, those that are no fields."""
