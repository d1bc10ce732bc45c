"""Service: a NATS micro service (ADR-32) that answers what can be promised, and what is wrong.

It reads the ledger and changes nothing. Endpoints: `atp` (request `{"sku": …, "location": …?}`), `status`
(request empty or `{"state_hash": true}`), `promise` (docs/promise.md §7), and those of `bus.questions`. Requests
of `bus.requests` go into the log by way of the intake, and the engine answers them there.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus.questions import ATP_SUBJECT, PROMISE_SUBJECT, QUESTIONS, STATUS_SUBJECT, Question
from tallystick.bus.requests import REQUEST_KINDS, RequestKind
from tallystick.bus.tap import reply_subject
from tallystick.config import Output
from tallystick.daemon import answers, rivals
from tallystick.daemon.intake import Intake, Refused
from tallystick.plain_text import one_line

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.micro.request import Request
    from nats.micro.service import Service

    from tallystick._engine import Engine

NAME: Final = rivals.SERVICE
_CURE: Final = 'send {"sku": "…"} or {"sku": "…", "location": "…"}'
_PROMISE_CURE: Final = 'send {"positions": [{"sku": "…", "location": "…"}], "due": "…", "quantity": 1}'


async def serve(
    client: "Client",
    engine: "Engine",
    status: Callable[[], dict[str, Any]],
    settings: Output | None = None,
    intake: Intake | None = None,
) -> "Service":
    """Starts the service and returns it; `stop()` ends it.

    `status` returns what the pipeline knows: sequence, lag and so on. With `settings`, it tells which streams it
    writes, so that no other daemon does. Without an intake, nothing can be reserved.
    """
    from nats.errors import FlushTimeoutError
    from nats.micro.request import ServiceError
    from nats.micro.service import EndpointConfig, Service, ServiceConfig

    async def atp(request: "Request") -> None:
        try:
            sku, location = answers.parse_atp(request.data)
        except ValueError as error:
            raise ServiceError("400", one_line(f"{error}; {_CURE}")) from error
        # In a worker, because the engine answers only between two batches and the event loop must not wait for that.
        await request.respond(await asyncio.to_thread(answers.atp, engine, sku, location))

    async def tell_status(request: "Request") -> None:
        import orjson

        facts = status()
        try:
            wanted = answers.json_object(request.data) if request.data else {}
        except ValueError as error:
            raise ServiceError("400", one_line(f'{error}; send nothing or {{"state_hash": true}}')) from error
        if wanted.get("state_hash"):
            facts["state_hash"] = await asyncio.to_thread(engine.state_hash)
        await request.respond(orjson.dumps(facts))

    version = _semantic_version()
    description = "What can be promised, and how fresh that is"
    told = rivals.metadata(settings) if settings is not None else None
    service = Service(client, ServiceConfig(NAME, version, description, told))
    # Its subscriptions are made again with every connection; what times out is the wait for a server that is away.
    with contextlib.suppress(FlushTimeoutError):
        await service.start()
    await service.add_endpoint(EndpointConfig("atp", atp, subject=ATP_SUBJECT))
    await service.add_endpoint(EndpointConfig("status", tell_status, subject=STATUS_SUBJECT))
    await service.add_endpoint(EndpointConfig("promise", _promising(client, engine), subject=PROMISE_SUBJECT))
    for question in QUESTIONS:
        handler = _handler(client, engine, question)
        await service.add_endpoint(EndpointConfig(question.name, handler, subject=question.subject))
    for kind in REQUEST_KINDS if intake is not None else ():
        assert intake is not None, "as the line before says"
        await service.add_endpoint(EndpointConfig(kind.name, _taking(intake, kind), subject=kind.subject))
    return service


async def stop_serving(service: "Service", client: "Client") -> None:
    """Ends the service. A connection that is gone needs no goodbye."""
    from nats.errors import Error

    if client.is_connected:
        with contextlib.suppress(Error):  # The connection may break while it says good-bye.
            await service.stop()


def _promising(client: "Client", engine: "Engine") -> Callable[["Request"], Awaitable[None]]:
    """Returns what answers a question for promises. Its bytes go to the engine as they are: a question may be long."""

    async def handle(request: "Request") -> None:
        found = await asyncio.to_thread(engine.promise_json, request.data)
        if found.startswith(b'{"error"'):
            text = one_line(f"{exact_json.loads(found)['error']}; {_PROMISE_CURE}")
            await request.respond_error("400", text, found)
            return
        _check_size(found, client.max_payload, "ask for fewer positions at once, or without horizon and explain")
        await request.respond(found)

    return handle


def _taking(intake: Intake, kind: RequestKind) -> Callable[["Request"], Awaitable[None]]:
    """Returns what takes requests of one kind into the log, without waiting until they are there."""
    from nats.micro.request import ServiceError

    refusing = set[asyncio.Task[None]]()

    async def handle(request: "Request") -> None:
        try:
            stored = await intake.take(*kind.event(request.data, reply_subject(request)))
        except ValueError as error:
            raise ServiceError("400", one_line(f"{error}; {kind.cure}")) from error
        except Refused as error:
            raise ServiceError(error.code, one_line(error)) from error
        stored.add_done_callback(lambda done: _refuse(request, done))

    def _refuse(request: "Request", done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Refused) and reply_subject(request):
            task = asyncio.ensure_future(request.respond_error(error.code, one_line(error)))
            refusing.add(task)
            task.add_done_callback(refusing.discard)

    return handle


def _check_size(found: bytes, bytes_max: int, cure: str) -> None:
    from nats.micro.request import ServiceError

    if len(found) > bytes_max:
        raise ServiceError("413", f"the answer has {len(found)} bytes and a message at most {bytes_max}; {cure}")


def _handler(client: "Client", engine: "Engine", question: Question) -> Callable[["Request"], Awaitable[None]]:
    """Returns what answers one question, in a worker as `atp` does, one at a time: a dry run copies the ledger."""
    from nats.micro.request import ServiceError

    alone = asyncio.Lock()

    async def handle(request: "Request") -> None:
        bytes_max = client.max_payload
        try:
            members = question.parse(request.data)
            async with alone:
                found = await asyncio.to_thread(answers.answer, engine, question, members, bytes_max)
        except ValueError as error:
            raise ServiceError("400", one_line(f"{error}; {question.cure}")) from error
        _check_size(found, bytes_max, "ask for less at once")
        await request.respond(found)

    return handle


def _semantic_version() -> str:
    from tallystick._engine import VERSION

    return VERSION if re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", VERSION) else "0.0.0"
