"""The question side of the daemon: a NATS micro service (ADR-32) that answers what can be promised, and what is wrong.

It reads the ledger and changes nothing. Endpoints: `atp` (request `{"sku": …, "location": …?}`), `status`
(request empty or `{"state_hash": true}`), and those of `questions`.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tallystick.quantity import to_decimal
from tallystick.questions import QUESTIONS, Question

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.micro.request import Request
    from nats.micro.service import Service

    from tallystick._engine import Engine, Position

NAME: Final = "tallystick"
ATP_SUBJECT: Final = "tallystick.atp"
STATUS_SUBJECT: Final = "tallystick.status"
QUANTITIES: Final = (
    "on_hand",
    "reserved",
    "allocated",
    "picked",
    "in_transit",
    "quarantine",
    "damaged",
    "safety_stock",
    "atp",
)
_NAME_BYTES_MAX: Final = 64
_CURE: Final = 'send {"sku": "…"} or {"sku": "…", "location": "…"}'


async def serve(client: "Client", engine: "Engine", status: Callable[[], dict[str, Any]]) -> "Service":
    """Starts the service. `status` gives what the pipeline knows: sequence, lag and so on. Stop it with `stop()`."""
    from nats.errors import FlushTimeoutError
    from nats.micro.request import ServiceError
    from nats.micro.service import EndpointConfig, Service, ServiceConfig

    async def atp(request: "Request") -> None:
        try:
            sku, location = parse_question(request.data)
        except ValueError as error:
            raise ServiceError("400", f"{error}; {_CURE}") from error
        # In a worker, because the engine answers only between two batches and the event loop must not wait for that.
        await request.respond(await asyncio.to_thread(answer, engine, sku, location))

    async def tell_status(request: "Request") -> None:
        import orjson

        facts = status()
        try:
            wanted = _json_object(request.data) if request.data else {}
        except ValueError as error:
            raise ServiceError("400", f'{error}; send nothing or {{"state_hash": true}}') from error
        if wanted.get("state_hash"):
            facts["state_hash"] = await asyncio.to_thread(engine.state_hash)
        await request.respond(orjson.dumps(facts))

    version = _semantic_version()
    description = "What can be promised, and how fresh that is"
    service = Service(client, ServiceConfig(NAME, version, description))
    # Its subscriptions are made again with every connection; what times out is the wait for a server that is away.
    with contextlib.suppress(FlushTimeoutError):
        await service.start()
    await service.add_endpoint(EndpointConfig("atp", atp, subject=ATP_SUBJECT))
    await service.add_endpoint(EndpointConfig("status", tell_status, subject=STATUS_SUBJECT))
    for question in QUESTIONS:
        handler = _handler(client, engine, question)
        await service.add_endpoint(EndpointConfig(question.name, handler, subject=question.subject))
    return service


def _handler(client: "Client", engine: "Engine", question: Question) -> Callable[["Request"], Awaitable[None]]:
    """What answers one kind of question, in a worker as `atp` does, one at a time: a dry run takes a copy of all."""
    from nats.micro.request import ServiceError

    alone = asyncio.Lock()

    async def handle(request: "Request") -> None:
        bytes_max = client.max_payload
        try:
            members = question.parse(request.data)
            async with alone:
                found = await asyncio.to_thread(question.answer, engine, members, bytes_max)
        except ValueError as error:
            raise ServiceError("400", f"{error}; {question.cure}") from error
        if len(found) > bytes_max:
            raise ServiceError(
                "413", f"the answer has {len(found)} bytes and a message at most {bytes_max}; ask for less at once"
            )
        await request.respond(found)

    return handle


def parse_question(data: bytes) -> tuple[str, str | None]:
    """The sku and the location, if one is named. Raises ValueError."""
    question = _json_object(data)
    if unknown := sorted(set(question) - {"sku", "location"}):
        raise ValueError(f"unknown field {unknown[0][:32]!r}")
    sku, location = question.get("sku"), question.get("location")
    for name, value in (("sku", sku), ("location", location)):
        if value is None and name == "location":
            continue
        if not isinstance(value, str) or not 0 < len(value.encode()) <= _NAME_BYTES_MAX:
            raise ValueError(f"{name} must be a text of 1 to {_NAME_BYTES_MAX} bytes")
    assert isinstance(sku, str), "checked above"
    return sku, location


def answer(engine: "Engine", sku: str, location: str | None) -> bytes:
    """The JSON answer to a question: what is unknown has no positions."""
    import orjson

    found = [position for position in engine.positions_of(sku) if location in (None, position.location)]
    return orjson.dumps({"sequence": engine.sequence, "positions": [_as_json(position) for position in found]})


def _as_json(position: "Position") -> dict[str, Any]:
    import orjson

    names = {"sku": position.sku, "location": position.location, "lot": position.lot, "owner": position.owner}
    # A fragment is a JSON number with all its digits; a float would not be exact.
    numbers = {name: orjson.Fragment(str(to_decimal(getattr(position, name)))) for name in QUANTITIES}
    return {name: value for name, value in names.items() if value is not None} | numbers | {"version": position.version}


def _json_object(data: bytes) -> dict[str, Any]:
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the request is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("the request is no JSON object")  # noqa: TRY004 (a wrong value to whoever asks)
    return value


def _semantic_version() -> str:
    from tallystick._engine import VERSION

    return VERSION if re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", VERSION) else "0.0.0"
