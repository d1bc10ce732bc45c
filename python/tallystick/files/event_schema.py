"""Event schema: the JSON Schema of all that producers may send, made from the rule table and the directive table.

Which types there are, what each asks of its fields, which members a directive has and how long a text may be is told
by the engine, under the configuration in force. What a schema cannot know stands in `UNKNOWABLE`.
"""

from collections.abc import Mapping as Values
from typing import Any, Final

from tallystick.files import schema_forms as forms
from tallystick.files.schema_directives import DIRECTIVES, Asked

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
UNKNOWABLE: Final = (
    "A text is bounded in bytes of UTF-8; a schema counts characters.",
    "A member that stands twice in an object, or in `data` and beside it, is malformed; here all fields stand in one.",
    "A whole number written with a fraction (`1.0`) is malformed; a schema takes it for 1.",
    "A number has at most three digits after its point; a schema counts them in texts only.",
    "An event has at most 64 KiB, and 16 levels of nesting.",
    "A time zone must exist, `config` must be one, and a group cannot hold itself.",
    "`from` and `to` of a moved protection are two channels.",
    "What depends on the source's order (`sequence`), on its sync (`hops`), on keys, time and stock.",
)
"""Where what the schema accepts may be refused all the same."""


def event_schema(config: str = "") -> Schema:
    """Returns the schema of one event under a configuration of the engine, given as text."""
    known = _known(config)
    shared = forms.shared(known)
    definitions = {**shared, "attributes": _attributes(known), "fields": _fields(known)}
    definitions["event_of_stock"] = _replacement(known)
    by_type = {}
    for name, rule in known["types"].items():
        by_type[name] = _of_stock(rule)
    for name, members in known["directives"].items():
        by_type[name] = _of_directive(name, members)
    for name, fields in by_type.items():
        definitions[name] = _either(fields)
    return {
        "$schema": DIALECT,
        "title": "An event for Tallystick",
        "description": "CloudEvents 1.0 in JSON, or the compact form. Not known to a schema: " + " ".join(UNKNOWABLE),
        "allOf": [
            forms.ref("attributes"),
            {"properties": {"type": {"enum": list(by_type)}}},
            *({"if": _is_type(name), "then": forms.ref(name)} for name in by_type),
        ],
        "$defs": definitions,
    }


def field_names(config: str = "") -> list[str]:
    """Returns the names of what one value can say: attributes, fields, and members of directives."""
    known = _known(config)
    members = {member for names in known["directives"].values() for member in names} | {*DIRECTIVES_MEMBERS}
    texts = {name for name in members if name not in _NO_TEXTS}
    return sorted({*_attributes(known)["properties"], *_fields(known)["properties"], *texts})


_NO_TEXTS: Final = frozenset(
    {"target", "event", "config", "units", "aliases", "quantities", "lines", "locations", "groups"}
    | {"exception", "version"}
)
DIRECTIVES_MEMBERS: Final = tuple(dict.fromkeys(name for asked in DIRECTIVES.values() for name in asked.members))
"""Members of requests, which the directive table leaves to their reader."""


def _known(config: str) -> Values[str, Any]:
    from tallystick._engine import event_types

    known: Values[str, Any] = event_types(config)
    return known


def _attributes(known: Values[str, Any]) -> Schema:
    """The envelope, in which all types are alike."""
    return {
        "type": "object",
        "required": ["id", "source", "type"],
        "properties": {
            "specversion": True,
            "id": forms.ref("id"),
            "source": forms.ref("source"),
            "type": {"type": "string", "maxLength": known["limits"]["type"]},
            "time": forms.nullable(forms.ref("time")),
            "sequence": forms.nullable(forms.ref("counted")),
            "correlationid": forms.nullable(forms.ref("correlation")),
            "causationid": forms.nullable(forms.ref("correlation")),
            "originsource": forms.nullable(forms.ref("source")),
            "originid": forms.nullable(forms.ref("id")),
            "hops": forms.nullable(forms.ref("counted")),
        },
        "anyOf": [
            {
                "properties": {"originsource": {"not": {"type": "null"}}, "originid": {"not": {"type": "null"}}},
                "required": ["originsource", "originid"],
            },
            {"properties": {"originsource": {"type": "null"}, "originid": {"type": "null"}}},
        ],
    }


def _fields(known: Values[str, Any]) -> Schema:
    """What stands under `data`, or beside the attributes, of whatever type."""
    del known
    names = {name: forms.nullable(forms.ref("name")) for name in ("sku", "location", "to_location")}
    loose = {name: forms.nullable(forms.ref("optional_name")) for name in ("lot", "owner", "document", "reason")}
    statuses = {name: {"type": ["string", "null"]} for name in ("from_status", "to_status")}
    return {
        "type": "object",
        "properties": {
            **names,
            "quantity": forms.nullable(forms.ref("quantity")),
            "unit": forms.nullable(forms.ref("unit")),
            **loose,
            "line": forms.nullable(forms.ref("line")),
            "due": forms.nullable(forms.ref("due")),
            **{name: {**form, "not": forms.WITH_CONTROLS} for name, form in statuses.items()},
        },
    }


def _of_stock(rule: Values[str, Any]) -> Schema:
    required = ["sku", "location", "quantity", *(["to_location"] if rule["needs_to_location"] else [])]
    properties: Schema = dict.fromkeys(required, forms.GIVEN)
    properties["quantity"] = forms.ref(f"quantity_{rule['quantity']}")
    for name in ("from_status", "to_status"):
        status = rule[name]
        if status is None:
            properties[name] = {"type": "null"}
            continue
        default = status["default"]
        properties[name] = {"enum": [*status["allowed"], *([] if default is None else [None])]}
        if default is None:
            required.append(name)
        else:
            properties[name]["description"] = f"{default} if it is left away"
    return {"allOf": [forms.ref("fields")], "required": required, "properties": properties}


def _of_directive(name: str, members: list[str]) -> Schema:
    asked = DIRECTIVES.get(name, Asked())
    names = [*members, *asked.members]
    known = {member: forms.MEMBERS[member] for member in names if member in forms.MEMBERS}
    properties: Schema = {member: forms.nullable(form) for member, form in known.items()}
    for member in asked.required:
        given = forms.NAMED if member == "document" else forms.GIVEN  # an empty one is none
        properties[member] = {"allOf": [properties[member], given]} if member in properties else given
    if asked.quantity is not None:
        properties["quantity"] = asked.quantity
    schema: Schema = {"allOf": [forms.ref("fields"), *asked.also], "properties": properties}
    return schema | ({"required": list(asked.required)} if asked.required else {})


def _either(fields: Schema) -> Schema:
    """Fields beside the attributes, or all of them under `data`."""
    names = [*_fields({})["properties"], *fields["properties"]]
    return {
        "anyOf": [
            {**fields, "properties": {**fields["properties"], "data": {"type": "null"}}},
            {
                "required": ["data"],
                "properties": {"data": {"type": "object", **fields}, **{name: {"type": "null"} for name in names}},
            },
        ]
    }


def _replacement(known: Values[str, Any]) -> Schema:
    """The stock event of a correction: without a key of its own, and without `data`."""
    attributes = dict(_attributes(known))
    attributes["required"] = ["type"]
    types = known["types"]
    attributes["properties"] = {
        **{name: forms.nullable(form) for name, form in attributes["properties"].items() if isinstance(form, dict)},
        "type": {"enum": list(types)},
        "data": {"type": "null"},
    }
    return {"allOf": [attributes, *({"if": _is_type(name), "then": _of_stock(rule)} for name, rule in types.items())]}


def _is_type(name: str) -> Schema:
    return {"properties": {"type": {"const": name}}, "required": ["type"]}
