"""The schema for producers against the engine's decoder: what it accepts is accepted, what is malformed it refuses."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from tallystick import config as configuration
from tallystick._engine import Checker, event_types
from tallystick.client.asyncapi import asyncapi
from tallystick.files.event_schema import UNKNOWABLE, event_schema
from tallystick.files.schema_directives import DIRECTIVES
from tallystick.files.schema_forms import MEMBERS

CONFIG = """
[types."goods in"]
alias = "stock.received"
[types."stock.sampled"]
quantity = "positive"
to_status = { allowed = ["damaged", "quarantine"] }
postings = [["on_hand", "to_status"]]
"""
SCHEMA = event_schema(CONFIG)
VALIDATOR = Draft202012Validator(SCHEMA)
CHECKER = Checker(CONFIG)
TYPES = SCHEMA["allOf"][1]["properties"]["type"]["enum"]
# What a schema cannot know, as the decoder says it; `UNKNOWABLE` says the same to producers.
NOT_KNOWN = re.compile(
    r"`time_zone`: |`config`: |`groups`: a group cannot contain itself|`to`: is the same channel"
    r"|is longer than the contract allows|too long|`time` is centuries away|hops between systems"
)
POOL: list[Any] = [
    *(None, True, 0, 1, -1, 7, 1.5, -0.25, 10**13, [], {}, [1], ["A"], ["A", "B"], [0], [0, 2], {"id": "1"}),
    *({"source": "a"}, {"id": "1", "source": "a"}, {"A": 1}, {"A": "x"}, {"A": ["x"]}, {"A": -1}, [{}]),
    *([{"sku": "A", "location": "L", "quantity": 1}], [{"sku": "A", "group": "G", "quantity": 0}]),
    *("", "x", "é" * 20, "x" * 17, "x" * 33, "x" * 65, "x" * 129, "x" * 300, "a\x01", "a\n", "a\x7f", "\ud800"),
    *("2026-03-01", "2026-02-30", "2024-02-29", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00", "2026-03-01T25:00:00Z"),
    *("2026-03-01 10:00:00.25+02:00", "12", "12.5", "-1", "0", "0.000", "1.0005", "abc", "1,5", "05", "٣"),
    *("keep", "release", "act", "shadow", "end_shadow", "supply", "partial", "5m", "0s", "none", "discrete", "5 m"),
    *("on_hand", "damaged", "reserved", "picked", "Europe/Berlin"),
    {"type": "stock.sold", "sku": "A", "location": "L", "quantity": 1},
    {"type": "stock.sold", "sku": "A", "location": "L", "quantity": "1", "data": {}},
    {"type": "stock.moved", "sku": "A", "location": "L", "quantity": 1},
]


SEARCH = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck], phases=[Phase.generate]
)


def _refusal(event: Any) -> dict[str, Any] | None:
    try:
        line = json.dumps(event).encode()
    except UnicodeEncodeError:
        raise AssertionError("escapes carry all") from None
    return next(iter(CHECKER.check(line).refused), None)


def _resolved(schema: Any) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


class _Drawing:
    """Documents drawn from a schema, keyword by keyword."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def one_of(self, options: list[Any]) -> Any:
        return self._data.draw(st.sampled_from(options))

    def value(self, schema: Any) -> Any:  # noqa: C901 (a case for each keyword)
        schema = _resolved(schema)
        for several in ("anyOf", "oneOf"):
            if several in schema and "properties" not in schema:
                return self.value(self.one_of(schema[several]))
        if "enum" in schema:
            return self.one_of(schema["enum"])
        if "const" in schema:
            return schema["const"]
        if "pattern" in schema:
            return self._data.draw(st.from_regex(schema["pattern"], fullmatch=True))
        match schema.get("type"):
            case "string":
                most = schema.get("maxLength", 20)
                letters = self.one_of(["AZ09 -_", "äß", "漢字"])
                size = st.integers(schema.get("minLength", 0), max(most // len(letters[0].encode()), 1))
                return "".join(self.one_of(list(letters)) for _ in range(min(self._data.draw(size), 70)))
            case "integer":
                return self._data.draw(st.integers(schema["minimum"], schema.get("maximum", 1 << 40)))
            case "number":
                least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
                return self._data.draw(st.integers(int(least), 10**12) | st.sampled_from([0.5, 12.25, 1e6, 0.125]))
            case "array":
                count = self._data.draw(st.integers(schema.get("minItems", 0), 3))
                return [self.value(schema.get("contains", schema["items"])) for _ in range(count)]
            case "object" if "additionalProperties" in schema:
                names = [self.value(schema.get("propertyNames", {"type": "string"})) for _ in range(2)]
                return {name: self.value(schema["additionalProperties"]) for name in names}
            case "object" | None:
                return self.object([schema])
            case kinds if isinstance(kinds, list):
                return self.value({"type": kinds[0]}) if kinds[0] != "object" else {}
        return None

    def object(self, schemas: list[Any]) -> dict[str, Any]:
        forms: dict[str, list[Any]] = {}
        required: set[str] = set()
        self._collect(schemas, forms, required)
        made = {}
        for name, several in forms.items():
            if name not in required and not self._data.draw(st.booleans()):
                continue
            drawable = [form for form in several if form is not True and _resolved(form).keys() != {"not"}]
            values = [self.value(form) for form in drawable[::-1]]
            check = Draft202012Validator({"allOf": several, "$defs": SCHEMA["$defs"]})
            good = [value for value in values if check.is_valid(value)]
            if good:
                made[name] = good[0]
        return made

    def _collect(self, schemas: list[Any], forms: dict[str, list[Any]], required: set[str]) -> None:
        for schema in map(_resolved, schemas):
            required.update(schema.get("required", ()))
            for name, form in schema.get("properties", {}).items():
                forms.setdefault(name, []).append(form)
            self._collect(schema.get("allOf", []), forms, required)
            for several in ("anyOf", "oneOf"):
                if several in schema and ("properties" in schema or "type" not in schema):
                    self._collect([self.one_of(schema[several])], forms, required)

    def event(self, name: str) -> dict[str, Any]:
        return self.object([SCHEMA["$defs"]["attributes"], {"$ref": f"#/$defs/{name}"}]) | {"type": name}


def _containers(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield event
    for value in event.values():
        if isinstance(value, dict):
            yield value


def _hold_together(event: dict[str, Any]) -> None:
    refusal = _refusal(event)
    if VALIDATOR.is_valid(event):
        assert refusal is None or NOT_KNOWN.search(refusal["cause"]), (event, refusal)
    elif refusal is None:
        assert _is_narrower(event), (event, [error.message for error in VALIDATOR.iter_errors(event)])


def _is_narrower(event: dict[str, Any]) -> bool:
    """What the decoder takes all the same: fields in both places, and numbers in texts with an exponent."""
    data = event.get("data")
    fields = {name for name, value in event.items() if value is not None} - {
        *SCHEMA["$defs"]["attributes"]["properties"]
    }
    return isinstance(data, dict) and bool(fields - {"data"})


@pytest.mark.slow
@SEARCH
@given(data=st.data())
def test_what_the_schema_makes_the_decoder_takes(data: st.DataObject) -> None:
    event = _Drawing(data).event(data.draw(st.sampled_from(TYPES)))
    _hold_together(event)


@pytest.mark.slow
@SEARCH
@given(data=st.data())
def test_what_the_decoder_calls_malformed_the_schema_refuses(data: st.DataObject) -> None:
    event = copy.deepcopy(_Drawing(data).event(data.draw(st.sampled_from(TYPES))))
    names = sorted({*SCHEMA["$defs"]["attributes"]["properties"], *SCHEMA["$defs"]["fields"]["properties"], *MEMBERS})
    for _ in range(data.draw(st.integers(1, 3))):
        container = data.draw(st.sampled_from([*_containers(event)]))
        name = data.draw(st.sampled_from([*container, *names]))
        if name in container and data.draw(st.booleans()):
            del container[name]
        else:
            container[name] = data.draw(st.sampled_from(POOL))
    _hold_together(event)


def _least(name: str) -> dict[str, Any]:
    """The least event of a type, from the table of directives and the rule table."""
    values = {
        "target": {"id": "1"},
        "event": {"type": "stock.sold", "sku": "A", "location": "L", "quantity": 1},
        "exception": 1,
        "due": "2026-03-01",
        "quantity": 1,
        "protected": 1,
        "from_status": "damaged",
        "to_status": "quarantine",
        "to": "web",
    }
    known = event_types(CONFIG)
    if name in known["types"]:
        rule = known["types"][name]
        needed = ["sku", "location", "quantity", *(["to_location"] if rule["needs_to_location"] else [])]
        needed += [
            status for status in ("from_status", "to_status") if rule[status] and rule[status]["default"] is None
        ]
    else:
        needed = [*DIRECTIVES[name].required]
        more = {"configuration.changed": ["config"], "reservation.requested": ["sku", "location", "quantity"]}
        more |= {"approval.granted": ["exception"], "approval.denied": ["target"], "reservation.changed": ["quantity"]}
        more |= {"supply.rescheduled": ["due"], "demand.rescheduled": ["quantity"]}
        needed += more.get(name, [])
    event = {"id": "1", "source": "s", "type": name}
    return event | {member: values.get(member, "{}" if member == "config" else "A") for member in needed}


@pytest.mark.parametrize("name", TYPES)
def test_nothing_less_than_the_least_event_is_taken(name: str) -> None:
    least = _least(name)
    assert _refusal(least) is None
    VALIDATOR.validate(least)
    under_data = {key: least.pop(key) for key in [*least] if key not in ("id", "source", "type")}
    VALIDATOR.validate({**least, "data": under_data})
    whole = {**least, **under_data}
    for member in whole:
        less = {key: value for key, value in whole.items() if key != member}
        assert not VALIDATOR.is_valid(less), member
        assert _refusal(less) is not None, member


def test_every_directive_and_member_has_its_row() -> None:
    known = event_types()["directives"]
    assert known.keys() == DIRECTIVES.keys()
    fields = SCHEMA["$defs"]["fields"]["properties"].keys()
    members = {member for names in known.values() for member in names}
    members |= {member for asked in DIRECTIVES.values() for member in asked.members}
    assert members - fields == MEMBERS.keys()


def test_types_of_ones_own_are_there_and_strange_ones_are_not() -> None:
    event = {"id": "1", "source": "s", "type": "goods in", "sku": "A", "location": "L", "quantity": 1}
    VALIDATOR.validate(event)
    assert not Draft202012Validator(event_schema()).is_valid(event)
    assert not VALIDATOR.is_valid({**event, "type": "stock.sampled"})
    VALIDATOR.validate({**event, "type": "stock.sampled", "to_status": "damaged"})
    assert not VALIDATOR.is_valid({**event, "type": "stock.sampled", "to_status": "on_hand"})


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"sku": "漢" * 30}, "is longer than the contract allows"),
        ({"sequence": 1.0}, "`sequence`"),
        ({"quantity": 1.0005}, "has 4 fraction digits; at most 3 are kept"),
        ({"note": "x" * 70_000}, "an event has at most 65536"),
        ({"note": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}, "nested more than 16 levels deep"),
        ({"hops": 9}, "hops between systems"),
    ],
)
def test_what_a_schema_cannot_know_is_so(changed: dict[str, Any], cause: str) -> None:
    event = {"id": "1", "source": "s", "type": "stock.sold", "sku": "A", "location": "L", "quantity": 1, **changed}
    VALIDATOR.validate(event)
    refusal = _refusal(event)
    assert refusal is not None
    assert cause in refusal["cause"]
    assert UNKNOWABLE


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator: Validator = VALIDATOR
    assert not validator.is_valid([])


# AsyncAPI. Its meta-schema is not at hand: what it asks of references, names and words is checked here.


def _references(value: Any, place: str = "#") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield place, value["$ref"]
        for name, member in value.items():
            yield from _references(member, f"{place}/{name}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _references(member, f"{place}/{number}")


def _at(document: Any, pointer: str) -> Any:
    for name in pointer.removeprefix("#/").split("/"):
        document = document[name.replace("~1", "/").replace("~0", "~")]
    return document


def test_asyncapi_is_whole(tmp_path: Any) -> None:
    path = tmp_path / "ts.toml"
    path.write_text(CONFIG)
    document = asyncapi(configuration.load(path))
    assert document["asyncapi"] == "3.0.0"
    assert document["info"].keys() >= {"title", "version"}
    allowed = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert document.keys() <= {*allowed, "x-configuration"}
    references = [*_references(document)]
    assert len(references) > 100
    for place, target in references:
        assert _at(document, target) is not None, place
    for group in ("channels", "operations", *(f"components/{part}" for part in document["components"])):
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in _at(document, f"#/{group}"))
    for channel in document["channels"].values():
        assert channel.keys() <= {"address", "description", "messages"}
        assert channel["messages"]
    for name, operation in document["operations"].items():
        assert operation["action"] in {"send", "receive"}
        assert operation.keys() <= {"action", "channel", "description", "messages", "reply"}
        for asked in (operation, operation.get("reply", operation)):
            channel = asked["channel"]["$ref"]
            assert all(message["$ref"].startswith(f"{channel}/messages/") for message in asked["messages"]), name
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_asyncapi_describes_all_subjects_and_types() -> None:
    from tallystick.bus.questions import QUESTIONS
    from tallystick.bus.requests import REQUEST_KINDS

    document = asyncapi(configuration.load(None))
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses >= {question.subject for question in QUESTIONS} | {kind.subject for kind in REQUEST_KINDS}
    assert addresses >= {"tallystick.events", "tallystick.availability", "tallystick.exceptions", "tallystick.atp"}
    known = event_types()
    assert document["components"]["messages"].keys() == known["types"].keys() | known["directives"].keys()
    positions = document["channels"]["availability"]["messages"]["availability"]["payload"]["properties"]["data"]
    assert {"sku", "atp", "version"} <= positions["properties"]["positions"]["items"]["properties"].keys()
