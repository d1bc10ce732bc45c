"""AsyncAPI: all subjects of an installation, what is sent there and what comes back, as one document (AsyncAPI 3.0).

Made from what daemon and client speak by: the event schema, the streams of the configuration, the lists of questions
and requests. What comes out is shown by messages that the engine made.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus.questions import ATP_SUBJECT, PROMISE_SUBJECT, QUESTIONS, STATUS_SUBJECT
from tallystick.bus.requests import REQUEST_KINDS
from tallystick.files.event_schema import UNKNOWABLE, event_schema
from tallystick.subjects import source_subject

if TYPE_CHECKING:
    from tallystick.config import Config

Document = dict[str, Any]

_RECEIVED: Final = '{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":12.5}'
_BROKEN: Final = '{"id":"2","source":"wms","type":"stock.sold","sku":"LAMP"}'
_JSON_KINDS: Final = {str: "string", bool: "boolean", int: "number", list: "array", dict: "object", type(None): "null"}
_FAILED: Final = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def asyncapi(settings: "Config") -> Document:
    """Returns the document for a configuration."""
    from tallystick._engine import VERSION

    schemas = _schemas(settings.engine_json)
    types = schemas["event"]["allOf"][1]["properties"]["type"]["enum"]
    messages = {_key(name): _message_of_type(name, schemas) for name in types}
    channels, operations = _streams(settings, messages)
    for name, subject, question, about in _asked():
        _add_question(channels, operations, (name, subject), question, about)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tallystick",
            "version": VERSION,
            "description": "Inventory events in; availability, exceptions and answers out. Not known to a schema: "
            + " ".join(UNKNOWABLE),
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": _host(settings), "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
        "x-configuration": settings.fingerprint,
    }


def _schemas(config: str) -> dict[str, Document]:
    schema = event_schema(config)
    definitions = schema.pop("$defs")
    del schema["$schema"]
    moved: dict[str, Document] = {_key(name): _moved(form) for name, form in {**definitions, "event": schema}.items()}
    return moved


def _moved(form: Any) -> Any:
    """The same with its references into the components of a document."""
    if isinstance(form, list):
        return [_moved(item) for item in form]
    if not isinstance(form, dict):
        return form
    if isinstance(target := form.get("$ref"), str):
        return {"$ref": f"#/components/schemas/{_key(target.removeprefix('#/$defs/'))}"}
    return {name: _moved(value) for name, value in form.items()}


def _key(name: str) -> str:
    """A name as components may have it. Types of somebody's own may be called anything."""
    return re.sub(r"[^A-Za-z0-9._-]", lambda found: f"_{ord(found[0]):x}_", name)


def _message_of_type(name: str, schemas: dict[str, Document]) -> Document:
    payload = [{"$ref": "#/components/schemas/event"}, {"properties": {"type": {"const": name}}}]
    assert _key(name) in schemas
    return {"name": name, "title": name, "contentType": "application/json", "payload": {"allOf": payload}}


def _streams(settings: "Config", messages: dict[str, Document]) -> tuple[dict[str, Document], dict[str, Document]]:
    """The event stream, which Tallystick reads, and its output streams."""
    channels, operations = {}, {}
    known = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    bound = source_subject(settings)
    for number, subject in enumerate([bound] if bound else settings.input.subjects, 1):
        name = "events" if number == 1 else f"events-{number}"
        about = f"The event stream {settings.input.stream} (JetStream): one event, a JSON array of events, or NDJSON."
        channels[name] = {"address": subject, "description": about, "messages": known}
        if bound:
            channels[name]["parameters"] = {"source": {"description": "The events' source, what is no token as %XX."}}
        operations[f"read-{name}"] = _operation(
            "receive", name, known, "Applies each event once, in the stream's order."
        )
    made = _made_by_the_engine()
    output = settings.output
    for name, stream, subject in (
        ("availability", output.availability_stream, output.availability_subject),
        ("exceptions", output.exceptions_stream, output.exceptions_subject),
    ):
        example = made[name]
        message = {"name": name, "payload": _described(example), "examples": [{"payload": example}]}
        channels[name] = {
            "address": subject,
            "description": f"The stream {stream} (JetStream), as docs/events.md §9 has it.",
            "messages": {name: message},
        }
        operations[f"send-{name}"] = _operation("send", name, [name], f"Publishes {name}, each message once.")
    return channels, operations


def _asked() -> Iterable[tuple[str, str, Document, str]]:
    """Name, subject, form and example of all that can be asked."""
    anything: Document = {"type": "object"}
    yield "atp", ATP_SUBJECT, anything, "What can be promised at positions (docs/atp.md)."
    yield "promise", PROMISE_SUBJECT, anything, "What can be promised when (docs/promise.md §7)."
    yield "status", STATUS_SUBJECT, {}, "How far the daemon is (docs/daemon.md)."
    for question in QUESTIONS:
        members: Document = {name: {} for name in question.members}
        form = {"type": "object", "properties": members, "additionalProperties": False}
        yield question.name, question.subject, form, question.cure
    for kind in REQUEST_KINDS:
        form = {"type": "object", "required": ["source", *kind.needed]}
        if kind.type:
            form["description"] = f"Becomes an event of type {kind.type}, without `type` here."
        yield kind.name, kind.subject, form, kind.cure


def _add_question(
    channels: dict[str, Document], operations: dict[str, Document], at: tuple[str, str], form: Document, about: str
) -> None:
    """A subject that is asked, and the inbox that the answer goes to."""
    name, subject = at
    channels[name] = {"address": subject, "messages": {"question": {"name": f"{name}-question", "payload": form}}}
    channels[f"{name}-answer"] = {
        "address": None,
        "description": "The inbox of whoever asked.",
        "messages": {"answer": {"name": f"{name}-answer", "payload": {}}, "failed": {"payload": _FAILED}},
    }
    operations[f"answer-{name}"] = {
        **_operation("receive", name, ["question"], about),
        "reply": {
            "channel": {"$ref": f"#/channels/{name}-answer"},
            "messages": [{"$ref": f"#/channels/{name}-answer/messages/{word}"} for word in ("answer", "failed")],
        },
    }


def _operation(action: str, channel: str, messages: Iterable[str], about: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "description": about,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _made_by_the_engine() -> dict[str, Any]:
    """A message of each output stream, as the engine writes it."""
    from tallystick._engine import Engine

    engine = Engine(key=bytes(16))
    engine.apply([_RECEIVED.encode(), _BROKEN.encode()], 1, 1_700_000_000_000_000_000, hold_output=True)
    flush = engine.flush("TALLYSTICK_EVENTS")
    return {
        "availability": exact_json.loads(flush.availability[0][1]),
        "exceptions": exact_json.loads(flush.exceptions[0][1]),
    }


def _described(value: Any) -> Document:
    """The form of a value that was made: members and their kinds; more may come with later versions."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {name: _described(member) for name, member in value.items()}}
    if isinstance(value, list):
        return {"type": "array", **({"items": _described(value[0])} if value else {})}
    return {"type": _JSON_KINDS.get(type(value), "number")}


def _host(settings: "Config") -> str:
    return re.sub(r"^[a-z+]+://([^@/]*@)?", "", settings.nats.url)
