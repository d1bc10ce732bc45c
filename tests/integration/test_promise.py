"""Promises over the real bus: asked for, kept, taken and given back; in silence, under floods, and after kill -9."""

import asyncio
import json
import random
from functools import partial
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from tallystick import Engine
from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import Nats, load
from tallystick.daemon.intake import Intake
from tallystick.daemon.run import run
from tallystick.daemon.service import serve
from tallystick.daemon.ticker import Ticker
from tests.integration.daemon import (
    EVENTS,
    SMALL_STEPS,
    SUBJECT,
    ask,
    configure,
    has_reached,
    prove,
    publish,
    run_to_end,
    stored,
    until,
    write_config,
)
from tests.integration.desk import Say, at_work, lines
from tests.integration.shoppers import day
from tests.integration.test_crash import has_begun, said, start

RECEIVED = {"id": "r1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 10}
PLACE = {"sku": "A", "location": "L"}
COMING = {"id": "p1", "source": "erp", "type": "supply.scheduled", **PLACE, "document": "PO-1", "quantity": 20}


def request(number: int, quantity: int = 3, **more: Any) -> dict[str, Any]:
    return {"source": "shop", "id": f"c{number}", **PLACE, "quantity": quantity, **more}


def about(number: int, **more: Any) -> dict[str, Any]:
    return {"source": "shop", "target": {"source": "shop", "id": f"c{number}"}, **more}


async def available(client: Client, **more: Any) -> Any:
    answer = await ask(client, {**PLACE, **more}, "promise")
    return answer["answers"][0]["available"]


async def test_what_is_reserved_is_taken_and_given_back(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    events = [RECEIVED, {**COMING, "due": day(3)}]
    async with at_work(tmp_path, server, bus, events) as end:
        client = bus.client
        granted = await ask(client, request(1), "reserve")
        assert (granted["status"], granted["outcome"], granted["quantity"]) == ("granted", "applied", 3)
        assert await available(client) == 7
        assert await available(client, due=day(3)) == 27
        assert await ask(client, request(1), "reserve") == granted, "the same key gets the same answer"
        assert await available(client) == 7
        refused = await ask(client, request(2, 8), "reserve")
        (line,) = refused["lines"]
        assert (refused["status"], line["available"], line["earliest"]) == ("insufficient", 7, day(3))
        some = await ask(client, request(3, 8, policy="partial"), "reserve")
        assert (some["status"], some["quantity"]) == ("partly", 7)
        posted = await ask(client, about(1, quantity=2), "post")
        assert (posted["status"], posted["quantity"]) == ("posted", 2)
        voided = await ask(client, about(3, quantity=5), "void")
        assert (voided["status"], voided["quantity"]) == ("voided", 5)
        stranger = await ask(client, about(3) | {"source": "thief"}, "post")
        assert (stranger["status"], stranger["outcome"]) == ("refused", "not_owner")
        early = await ask(client, about(9), "post")
        assert (early["status"], early["outcome"]) == ("waiting", "held"), "its request may still come"
        assert early["why"] == "there is no reservation shop/c9 yet; it waits for it"
        (position,) = (await ask(client, PLACE))["positions"]
        assert (position["reserved"], position["allocated"], position["atp"]) == (2, 2, 6)
        live = await ask(client, {}, "reservations")
        assert [(one["id"], one["lines"][0]["held"]) for one in live["reservations"]] == [("c3", 2)]
        await end()


async def test_bad_requests_are_told_how_to_ask(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        for subject, question, words in (
            ("reserve", b"{", "Expecting"),
            ("reserve", b'{"sku": "A"}', 'source is needed; send {"source"'),
            ("post", b'{"source": "s", "target": {}, "ttl": "1s"}', "unknown field 'ttl'"),
            ("promise", b"[]", 'send {"positions"'),
            ("promise", b'{"sku": "A", "location": "L", "due": "soon"}', "due"),
            ("reservations", b'{"leaks": 1}', "leaks is true or false"),
        ):
            reply = await bus.client.request(f"tallystick.{subject}", question, 5)
            assert reply.headers is not None, subject
            assert reply.headers["Nats-Service-Error-Code"] == "400"
            assert words in reply.headers["Nats-Service-Error"], subject
        # What has the form of a request gets into the log, and the engine refuses it.
        answer = await ask(bus.client, request(1, -1), "reserve")
        assert (answer["status"], answer["outcome"]) == ("refused", "quantity_invalid")
        await end()


async def test_answers_go_to_the_subject_that_the_event_names(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        client = bus.client
        answers = await client.subscribe("shop.answers")
        replies = ["shop.answers"] * 4 + ["tallystick.availability", "$JS.API.STREAM.DELETE.X", "a\r\nPUB b 0"]
        made = [json.dumps(request(number, type="reservation.requested", reply=reply)).encode()
                for number, reply in enumerate(replies)]  # fmt: skip
        await client.publish(SUBJECT, b"\n".join(made))
        found = [json.loads((await answers.next_msg(5)).data) for _ in range(4)]
        assert [(one["id"], one["status"]) for one in found] == [
            ("c0", "granted"), ("c1", "granted"), ("c2", "granted"), ("c3", "insufficient"),
        ]  # fmt: skip
        await until(partial(_has_failed, client, 2))
        assert (await ask(client, {}, "status"))["answers"] == 4
        await end()


async def _has_failed(client: Client, least: int) -> bool:
    return int((await ask(client, {}, "status"))["answers_failed"]) >= least


async def test_silence_does_not_keep_what_has_expired(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED], {"input": {"tick_after_s": 0.2}}) as end:
        await ask(bus.client, request(1, ttl="1s"), "reserve")
        assert await available(bus.client) == 7

        async def is_back() -> bool:
            return bool(await available(bus.client) == 10)

        await until(is_back)
        assert (await ask(bus.client, {}, "status"))["ticks"] > 0
        assert b'"type":"tick"' in (await stored(bus, EVENTS))[-1].data
        assert (await ask(bus.client, about(1), "post"))["status"] == "insufficient"
        await end()


async def test_a_daemon_that_may_not_speak_waits_for_the_next_event(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED], {"input": {"tick_after_s": 0}}) as end:
        await ask(bus.client, request(1, ttl="1s"), "reserve")
        await asyncio.sleep(2.5)
        assert await available(bus.client) == 7
        await publish(bus, [json.dumps({**RECEIVED, "id": "r2"}).encode()])
        await until(partial(has_reached, bus.client, 3))
        assert await available(bus.client) == 20
        await end()


async def test_several_daemons_send_one_tick(server: EmbeddedServer, bus: JetStream) -> None:
    """A day passes by one tick: whoever else says the same is not stored."""
    await publish(bus, [json.dumps(COMING | {"due": day(1), "id": "p"}).encode()])
    engine = Engine()
    (message,) = await stored(bus, EVENTS)
    noon_ns = message.time_ns - 86_400 * 10**9 * 2
    engine.apply([json.dumps(COMING | {"due": "2026-11-20", "id": "q"}).encode()], 1, noon_ns)
    due_ns = engine.next_due_ns
    assert due_ns is not None
    assert noon_ns < due_ns <= noon_ns + 86_400 * 10**9, "the next day begins within one"
    other = await connect(Nats(url=server.url))
    tickers = [Ticker(client, SUBJECT, 1.0, bus.server_time_ns) for client in (bus.client, other)]
    for ticker in tickers * 2:
        await ticker.tick_if_overdue(due_ns, noon_ns)
        await ticker.tick_if_overdue(due_ns, due_ns)
        await ticker.tick_if_overdue(None, noon_ns)
        await ticker.tick_if_overdue(message.time_ns + 10**13, noon_ns)
    await asyncio.gather(bus.client.flush(), other.flush())
    _, tick = await stored(bus, EVENTS)
    engine.apply([tick.data], 2, tick.time_ns)
    assert engine.next_due_ns is not None
    assert engine.next_due_ns > tick.time_ns, "one tick is believed after two silent days: two clocks agree"
    await other.close()


async def test_who_asked_before_a_kill_is_answered_after_it(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, SMALL_STEPS)
    await publish(bus, [json.dumps(RECEIVED | {"quantity": 150}).encode()])
    answers: dict[str, set[bytes]] = {}
    asked = [json.dumps(request(number, 1) | {"type": "reservation.requested", "reply": "shop.answers"}).encode()
             for number in range(200)]  # fmt: skip

    async def note(message: Any) -> None:
        answers.setdefault(json.loads(message.data)["id"], set()).add(message.data)

    await bus.client.subscribe("shop.answers", cb=note)
    for at in range(0, len(asked), 40):
        daemon = start(path)
        if rng.random() < 0.8:
            await until(partial(has_begun, tmp_path, daemon))
        await publish(bus, asked[at : at + 40])
        await asyncio.sleep(rng.random() * 0.1)
        assert daemon.poll() is None, said(tmp_path, daemon)
        daemon.kill()
        daemon.wait()
    report = await run_to_end(config := load(path, {}))
    await bus.client.flush()
    assert len(answers) == 200
    assert all(len(found) == 1 for found in answers.values())
    granted = [id_ for id_, (found,) in answers.items() if json.loads(found)["status"] == "granted"]
    assert sorted(granted) == sorted(f"c{number}" for number in range(150))
    await prove(bus, config, report)


async def test_a_restart_keeps_what_was_promised(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [json.dumps(RECEIVED).encode()])
    answers = []
    for _ in range(2):
        stop = asyncio.Event()
        running = asyncio.create_task(run(config, stop=stop))
        await until(partial(has_reached, bus.client, 1))
        answers.append(await ask(bus.client, request(1), "reserve"))
        assert await available(bus.client) == 7
        stop.set()
        await prove(bus, config, await asyncio.wait_for(running, 30))
    assert answers[0] == answers[1]


async def test_ten_thousand_unknown_skus_create_nothing(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        places = [{"sku": f"no-{number}", "location": "L"} for number in range(10_000)]
        answer = await ask(bus.client, {"positions": places}, "promise")
        assert len(answer["answers"]) == 10_000
        assert {(one["available"], one["known"]) for one in answer["answers"]} == {(0, False)}
        assert (await ask(bus.client, {}, "status"))["positions"] == 1
        reply = await bus.client.request("tallystick.promise", json.dumps({"positions": [*places, PLACE]}).encode(), 5)
        assert reply.headers is not None
        assert "10,000" in reply.headers["Nats-Service-Error"].replace("10000", "10,000")
        long = {"positions": [PLACE] * 10_000, "horizon": True, "explain": True, "quantity": 99}
        reply = await bus.client.request("tallystick.promise", json.dumps(long).encode(), 5)
        assert reply.headers is not None
        assert reply.headers["Nats-Service-Error-Code"] == "413"
        assert "ask for fewer positions at once" in reply.headers["Nats-Service-Error"]
        await end()


async def test_a_request_that_no_stream_takes_is_told_so(server: EmbeddedServer) -> None:
    own = await connect(Nats(url=server.url))
    intake = Intake(own, SUBJECT)
    await intake.open()
    service = await serve(own, Engine(), dict, intake=intake)
    # Over the same connection, so that the server knows of the service before it is asked.
    reply = await own.request("tallystick.reserve", json.dumps(request(1)).encode(), 5)
    assert reply.headers is not None
    assert reply.headers["Nats-Service-Error-Code"] == "503"
    assert "send it again under the id c1" in reply.headers["Nats-Service-Error"]
    await service.stop()
    await intake.close()
    await own.close()


async def test_the_command_line_reserves(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    events = [RECEIVED, {**COMING, "due": day(3)}]
    async with at_work(tmp_path, server, bus, events) as end:
        taken = ("reserve", "A", "L", "4", "--source", "shop", "--id", "c1", "--document", "SO-1", "--ttl", "1h")
        (granted,) = await lines(say, *taken)
        assert (granted["status"], granted["quantity"]) == ("granted", 4)
        assert await lines(say, *taken) == [granted]
        status, shown = await say("reserve", "A", "L", "7", "--source", "shop", "--id", "c2")
        assert status == 9
        assert f"available 6; enough on {day(3)}" in shown
        assert "there is not enough" in shown
        status, shown = await say("reserve", "A", "L", "7", "--partial", "--source", "shop", "--id", "c3")
        assert (status, "shop/c3: partly, 6 held until" in shown) == (0, True)
        status, shown = await say("reserve", "A", "L", "7", "--due", "soon")
        assert (status, "due: soon is no day" in shown) == (2, True)
        status, shown = await say("reservations", "--document", "SO-1")
        assert (status, "shop/c1" in shown, "4 of A@L" in shown, "shop/c3" in shown) == (0, True, True, False)
        assert len(await lines(say, "reservations", "--sku", "A")) == 2
        assert "Nothing leaks." in (await say("reservations", "--leaks"))[1]
        status, shown = await say("atp", "A", "L", "--horizon", "--explain", "--quantity", "7")
        assert (status, "20 ┤" in shown, day(3) in shown) == (0, True, True)
        (answer,) = await lines(say, "atp", "A", "--at", day(3))
        assert answer["available"] == 20
        status, shown = await say("post", "shop/c1", "shop/c3")
        assert (status, "shop/c1: posted 4" in shown, "shop/c3: posted 6" in shown) == (0, True, True)
        status, shown = await say("post", "shop/c1")
        assert (status, "shop/c1 was posted already; nothing changed." in shown) == (0, True)
        status, shown = await say("void", "shop/c9")
        assert (status, "shop/c9 is no reservation" in shown) == (2, True)
        assert (await say("void", "shop/c1"))[0] == 1, "nothing is held any more"
        await end()
