"""The client beside a real daemon: everything that can be asked and said, each answer of its type, and exact."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from numpy import datetime64, float32, int64

import tallystick
from tallystick import Outcome, UsageError
from tallystick.aio import Client
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.client.blocking import Client as BlockingClient
from tallystick.client.blocking import Exceptions as BlockingExceptions
from tallystick.client.client import Event
from tallystick.client.exceptions import Exceptions
from tallystick.errors import OperationError, RequestRefused
from tests.integration.desk import COUNTED, TABLES, at_work
from tests.shapes import fits

CAME: dict[str, Any] = {"source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1"}
LAMP: Any = {"sku": "LAMP", "location": "DC1"}
UNSHARED = {"connect", "close", "ask", "answer_to", "put", "put_all", "until_applied", "request", "connection"} | {
    "each", "decide", "send_again", "say_repaired", "check_speaker",
}  # fmt: skip
"""What needs an event loop, or stands below what is documented."""


@pytest.fixture
async def client(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> AsyncIterator[Client]:
    """A client beside a daemon that has 12.5 lamps, and proves at its end what it published."""
    tables: dict[str, Mapping[str, Any]] = {**TABLES, 'sources."wms"': {"team": "dock"}}
    path = tmp_path / "tallystick.toml"
    async with at_work(tmp_path, server, bus, [CAME | {"id": "0", "quantity": "12.5"}], tables) as end:
        async with Client(server.url, timeout_s=60) as connected:
            assert path.exists()
            yield connected
        await end()


def typed(answer: Any, method: Any) -> Any:
    """The answer, once it is what the method says that it is."""
    kind = get_type_hints(method)["return"]
    assert fits(answer, kind) == ""
    return answer


async def test_every_question_is_answered_as_its_type_says(client: Client) -> None:
    status = typed(await client.status(state_hash=True), Client.status)
    assert (status["sequence"], status["state"], len(status["state_hash"]) > 30) == (1, "running", True)
    (position,) = typed(await client.atp("LAMP"), Client.atp)["positions"]
    assert (position["atp"], position["on_hand"]) == (Decimal("12.5"), Decimal("12.5"))
    assert (await client.atp("LAMP", "DC2"))["positions"] == []
    found = typed(await client.promise(LAMP, quantity="12.6", horizon=True), Client.promise)
    (answer,) = found["answers"]
    assert (answer["available"], answer["enough"], answer["freshness"]) == (Decimal("12.5"), False, "firm")
    assert len((await client.promise([LAMP, {"sku": "NONE", "location": "DC1"}]))["answers"]) == 2
    order = tallystick.promise.schedule("demand", "SO-7", LAMP, "2099-01-01", "0.5", source="erp", line=1)
    assert [one.outcome for one in await client.publish(order, wait=True)] == [Outcome.OBSERVED]
    (line,) = typed(await client.claims(document="SO-7"), Client.claims)["lines"]
    assert line["positions"][0]["ordered"] == Decimal("0.5")
    assert typed(await client.replenish(sku="LAMP"), Client.replenish)["signals"] == []
    assert {one["source"] for one in typed(await client.sources(), Client.sources)} == {"wms", "erp"}
    (wms,) = await client.sources("wms")
    assert (wms["team"], wms["events"]) == ("dock", 1)
    movements = typed(await client.trail("LAMP", "DC1"), Client.trail)["movements"]
    assert [one["quantity"] for one in movements] == [Decimal("12.5")]
    assert await client.trail("LAMP", "DC2") is None
    tried = typed(await client.what_if(CAME | {"id": "9", "quantity": Decimal("0.125")}), Client.what_if)
    assert tried["positions"][0]["after"]["on_hand"] == Decimal("12.625")
    assert await client.answers([("wms", "0"), ("wms", "9")]) == ["applied", None]


async def test_a_reservation_lives_from_the_first_word_to_the_last(client: Client) -> None:
    held = typed(
        await client.reserve(LAMP | {"quantity": "10.5"}, source="shop", id="r1", ttl="1h", document="SO-1", line=1),
        Client.reserve,
    )
    assert (held["status"], held["quantity"], held["lines"][0]["quantity"]) == ("granted", *[Decimal("10.5")] * 2)
    again = await client.reserve(LAMP | {"quantity": "10.5"}, source="shop", id="r1", ttl="1h", document="SO-1", line=1)
    assert again == held, "the same key gets the same answer, and takes nothing more"
    short = typed(await client.reserve(LAMP | {"quantity": 3}, source="shop"), Client.reserve)
    assert (short["status"], short["lines"][0]["available"]) == ("insufficient", 2)
    part = await client.reserve([LAMP | {"quantity": 3}], source="shop", id="r2", policy="partial")
    assert (part["status"], part["quantity"]) == ("partly", 2)
    found = typed(await client.reservations(sku="LAMP"), Client.reservations)
    assert (found["total"], {one["id"] for one in found["reservations"]}) == (2, {"r1", "r2"})
    assert (await client.reservations(source="shop", id="r2"))["reservations"][0]["end"] == "live"
    changed = typed(await client.change("shop", "r1", Decimal("4.5"), ttl="2h"), Client.change)
    assert (changed["status"], changed["quantity"]) == ("changed", Decimal("4.5"))
    posted = typed(await client.post("shop", "r1", "0.5", keep=True), Client.post)
    assert (posted["status"], posted["quantity"]) == ("posted", Decimal("0.5"))
    voided = typed(await client.void("shop", "r1"), Client.void)
    assert (voided["status"], (await client.void("shop", "r2"))["quantity"]) == ("voided", 2)
    assert (await client.atp("LAMP", "DC1"))["positions"][0]["atp"] == 12
    early = await client.post("shop", "nobody-yet")
    assert (early["status"], early["outcome"]) == ("waiting", "held")


async def test_what_is_published_has_its_outcome(client: Client) -> None:
    @dataclass
    class Received:
        id: str
        quantity: Decimal
        source: str = "erp"
        type: str = "stock.received"
        sku: str = "LAMP"
        location: str = "DC1"

    good = CAME | {"id": "1", "quantity": Decimal("0.001")}
    events: list[Event] = [
        good,
        good,
        json.dumps(CAME | {"id": "0", "quantity": 7}),
        Received("d1", Decimal("1.250")),
        CAME | {"id": "2", "quantity": 1, "type": "stock.teleported"},
        b'{"id":"3","source":"wms"}',
        b"no event at all",
        COUNTED | {"location": "DC1", "sku": "LAMP"},
    ]
    found = typed(await client.publish(events, wait=True), Client.publish)
    assert [one.outcome for one in found] == [
        Outcome.APPLIED,
        Outcome.APPLIED,
        Outcome.CONFLICT,
        Outcome.APPLIED,
        Outcome.UNKNOWN_TYPE,
        Outcome.MALFORMED,
        Outcome.MALFORMED,
        Outcome.PENDING_APPROVAL,
    ]
    assert [one.sequence for one in found] == list(range(2, 10))
    refused = [one for one in found if one.exception is not None]
    assert [one.source for one in refused] == ["wms", "wms", "wms", ""]
    for one in refused:
        item = await client.exceptions.show(one.exception or 0)
        assert item is not None
        assert (item.cause, item.code) == (one.cause, str(one.outcome))
    # The good one is no conflict because somebody else was one under its key.
    (same,) = await client.publish(CAME | {"id": "0", "quantity": "12.5"}, wait=True)
    assert (same.outcome, same.exception) == (Outcome.APPLIED, None)
    (position,) = (await client.atp("LAMP"))["positions"]
    assert position["on_hand"] == Decimal("13.751")
    (unwaited,) = await client.publish(CAME | {"id": "4", "quantity": 1})
    assert (unwaited.source, unwaited.id, unwaited.outcome) == ("wms", "4", None)
    assert await client.publish([]) == []
    (voided,) = await client.publish(tallystick.void_event("wms", "1", source="wms"), wait=True)
    assert voided.outcome is Outcome.OBSERVED


async def test_each_event_of_a_message_has_its_outcome(client: Client) -> None:
    good, bad = CAME | {"id": "g1", "quantity": 1}, CAME | {"id": "g2", "quantity": -1}
    array = json.dumps([good, bad, 7, CAME | {"id": "g3", "quantity": 1}])
    in_lines = b'{"id": "g1"}\n\nno event\n' + json.dumps(CAME | {"id": "0", "quantity": 7}).encode() + b"\nnone"
    for sent in (array, array.encode()):
        found = typed(await client.publish(sent, wait=True), Client.publish)
        assert [(one.id, one.index) for one in found] == [("g1", 0), ("g2", 1), ("", 2), ("g3", 3)]
        outcomes = [one.outcome for one in found]
        assert outcomes == [Outcome.APPLIED, Outcome.QUANTITY_INVALID, Outcome.MALFORMED, Outcome.APPLIED]
        assert len({one.sequence for one in found}) == 1
        assert (found[1].cause, found[2].exception is not None) == (
            "quantity -1 of stock.received must be greater than zero", True)  # fmt: skip
    found = await client.publish([in_lines, good], wait=True)
    malformed = Outcome.MALFORMED
    assert [one.outcome for one in found] == [malformed, malformed, Outcome.CONFLICT, malformed, Outcome.APPLIED]
    assert [one.index for one in await client.publish(in_lines)] == [0, 1, 2, 3]
    (broken,) = await client.publish('{\n "id": "g4",\n "source": \n', wait=True)
    assert broken.outcome is malformed


async def test_exceptions_are_worked_on(client: Client) -> None:
    wrong = CAME | {"id": "w1", "source": "robot", "type": "stock.teleported", "quantity": 2}
    await client.publish([wrong, wrong | {"id": "w2"}, COUNTED | LAMP, COUNTED | LAMP | {"id": "c2"}], wait=True)
    exceptions = client.exceptions
    items = typed(await exceptions.list(code="unknown_type", source="robot"), Exceptions.list)
    assert [item.id for item in items] == ["w1", "w2"]
    assert await exceptions.list(sort="age", limit=1) == items[:1]
    assert await exceptions.list("resolved") == []
    stats = typed(await exceptions.stats(), Exceptions.stats)
    assert (stats["open"], stats["operators"]) == (4, ["operator"])
    with pytest.raises(UsageError, match="reason: it has more than 64 bytes; say it shorter"):
        await exceptions.ack(1, reason="x" * 65)
    with pytest.raises(UsageError, match="person: it has more than 64 bytes"):
        await exceptions.repair(1, {"type": "stock.received"}, person="x" * 65)
    (said,) = await exceptions.ack(1, reason="asked", person="ana")
    assert (said.outcome, said.message, said.holds) == ("applied", "Exception 1 acknowledged.", True)
    (again,) = await exceptions.ack(1)
    assert (again.outcome, again.holds) == ("unchanged", True)
    assert (await exceptions.assign(2, "finance")).message == "Exception 2 assigned to finance."
    changes = {"type": "stock.received", "quantity": Decimal("1.5")}
    with pytest.raises(UsageError, match="reason: it has more than 56 bytes"):
        await exceptions.repair(1, changes, reason="x" * 57)
    repaired = await exceptions.repair(1, changes, reason="they meant this", person="bo")
    assert (repaired.outcome, repaired.is_taken, repaired.raised) == (Outcome.APPLIED, True, ())
    assert repaired.item is not None
    assert repaired.item.state == "resolved"
    with pytest.raises(OperationError, match="would be refused again as unknown_type"):
        await exceptions.repair(2)
    with pytest.raises(OperationError, match="Exception 1 was resolved already"):
        await exceptions.repair(1, {"type": "stock.received"})
    assert [one.holds for one in await exceptions.discard(2, reason="a test")] == [True]
    pending = await exceptions.list(code="pending_approval")
    assert [one.holds for one in await exceptions.approve(pending[0].number)] == [True]
    assert [one.holds for one in await exceptions.deny(pending[1].number)] == [True]
    assert [one.holds for one in await exceptions.resolve(2)] == [False], "it was discarded"
    assert [(deed.what, deed.who, deed.note) for deed in await exceptions.history(1)][1:] == [
        ("acknowledged", "ana", "asked"),
        ("acknowledged", "bo", "repair: they meant this"),
        ("resolved", None, None),
    ]
    sold = CAME | {"id": "w3", "type": "stock.sold", "quantity": -30_000}
    await client.publish(sold, wait=True)
    (wrong_sale,) = await exceptions.list(code="quantity_invalid")
    harmful = await exceptions.repair(wrong_sale.number, {"quantity": 30_000})
    assert [(one.code, one.sku) for one in harmful.raised] == [("negative_stock", "LAMP")]
    assert [one.number for one in await exceptions.list(code="negative_stock")] == [harmful.raised[0].number]
    assert await exceptions.show(99) is None


async def test_mistakes_are_told_before_anything_is_in_the_log(client: Client) -> None:
    before = (await client.status())["stream_end"]
    lamps = LAMP | {"quantity": 1}
    broken: Any = 2.5
    none: Any = "none"
    half_hour: Any = 30
    mistakes: list[tuple[Any, type[Exception], str]] = [
        (client.reserve(LAMP | {"quantity": 1.5}, source="shop"), TypeError, "1.5 is a float"),
        (client.reserve(LAMP | {"quantity": "1.2345"}, source="shop"), UsageError, "more than 3 fraction digits"),
        (client.reserve(LAMP | {"quantity": 0}, source="shop"), UsageError, "quantity: 0 cannot be held"),
        (client.reserve(lamps | {"due": "tomorrow"}, source="shop"), UsageError, "due: tomorrow is no day"),
        (client.reserve(lamps, source="shop", ttl="soon"), UsageError, "ttl: soon is no time"),
        (
            client.reserve(lamps, source="shop", ttl=half_hour),
            UsageError,
            r"ttl: 30 \(int\) is no time to hold it; give 90s",
        ),
        (client.reserve(lamps | {"due": date(2026, 1, 1)}, source="shop"), UsageError, "due: .* is no day; give 2026"),
        (
            client.reserve(LAMP | {"quantity": float32(1)}, source="shop"),
            TypeError,
            "quantity: .* is no quantity; give",
        ),
        (
            client.reserve(LAMP | {"quantity": [1]}, source="shop"),
            TypeError,
            "quantity: .* is no quantity; give an int",
        ),
        (client.change("shop", "r1", ttl=half_hour), UsageError, "ttl: 30"),
        (client.post("shop", "r1", [1, broken]), TypeError, "quantity: 2.5 is a float"),
        (client.post("shop", "r1", [0]), UsageError, "quantity: 0 cannot be held"),
        (client.publish(CAME | {"time": datetime64("2026-01-01")}), TypeError, "message 0: time is of type datetime64"),
        (client.reserve(lamps, source="x" * 65), UsageError, "source: .* is no name"),
        (client.reserve(lamps | {"sku": 4711}, source="shop"), UsageError, "sku: 4711 is no text"),
        (client.reserve(lamps | {"skew": 1}, source="shop"), UsageError, "refuses the question: unknown field 'skew'"),
        (client.post("shop", "r1", broken), TypeError, "2.5 is a float"),
        (client.change("shop", "r1"), ValueError, "give a quantity, a ttl, or both"),
        (client.promise(LAMP, quantity=broken), TypeError, "2.5 is a float"),
        (client.promise(LAMP, mode=none), UsageError, "refuses the question: .*mode"),
        (client.publish([CAME, CAME | {"quantity": 0.5}]), TypeError, "message 1: quantity 0.5 is a float"),
        (client.publish(CAME | {"note": "x" * 2_000_000}), UsageError, "and the server takes 1,0"),
        (client.claims(limit=0), UsageError, "limit must be a whole number"),
        (client.exceptions.list(sort="size"), UsageError, 'sort: there is no "size"'),
        (client.exceptions.list("opne"), UsageError, "state is one of"),
        (client.exceptions.ack(), UsageError, "give the numbers of exceptions"),
        (client.exceptions.ack(1), UsageError, "there is no exception 1"),
        (client.exceptions.ack(1, operator="stranger"), UsageError, 'operator: there is no "stranger"'),
        (client.exceptions.assign(1, "nobody"), UsageError, 'team: there is no "nobody"'),
        (client.exceptions.discard(1), UsageError, "without a reason"),
    ]
    for work, error, words in mistakes:
        with pytest.raises(error, match=words):
            await work
    assert (await client.status())["stream_end"] == before


async def test_whole_numbers_of_numpy_are_whole_numbers(client: Client) -> None:
    one: Any = int64(1)
    held = await client.reserve(LAMP | {"quantity": int64(2)}, source="shop", id="n1")
    assert (held["status"], held["quantity"]) == ("granted", 2)
    assert (await client.post("shop", "n1", one))["quantity"] == 1
    assert (await client.promise(LAMP, quantity=one))["answers"][0]["enough"] is True
    (stored,) = await client.publish(CAME | {"id": "n2", "quantity": int64(1)}, wait=True)
    assert stored.outcome is Outcome.APPLIED


async def test_what_the_engine_refuses_is_raised_with_its_answer(client: Client) -> None:
    assert (await client.reserve(LAMP | {"quantity": 1}, source="shop", id="k1"))["status"] == "granted"
    with pytest.raises(RequestRefused) as other:
        await client.reserve(LAMP | {"quantity": 2}, source="shop", id="k1")
    words = "refused as conflict: shop/k1 was used before for another request (different: "
    assert str(other.value).startswith(words)
    assert str(other.value).endswith("); ask for something else under a new id")
    with pytest.raises(RequestRefused, match="refused as unknown_reference") as raised:
        await client.reserve({"sku": "LAMP", "group": "north", "quantity": 1}, source="shop", id="g1")
    assert (raised.value.outcome, raised.value.answer["id"]) == ("unknown_reference", "g1")
    with pytest.raises(RequestRefused, match="unknown_reference"):
        await client.post("shop", "g1")


async def test_a_call_that_is_cancelled_leaves_the_client_as_it_was(client: Client) -> None:
    for _ in range(20):
        task = asyncio.create_task(client.reserve(LAMP | {"quantity": "0.001"}, source="shop"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await client.atp("LAMP"))["positions"] != []
    answers = await asyncio.gather(*(client.reserve(LAMP | {"quantity": "0.1"}, source="shop") for _ in range(100)))
    assert {one["status"] for one in answers} == {"granted"}


def test_the_blocking_client_has_all_that_the_other_has() -> None:
    for blocking, other in ((BlockingClient, Client), (BlockingExceptions, Exceptions)):
        names = {name for name in dir(other) if not name.startswith("_")} - UNSHARED
        assert {name for name in names if name not in dir(blocking)} == set()
        assert all(getattr(blocking, name).__doc__ == getattr(other, name).__doc__ for name in names)
        assert all(getattr(other, name).__doc__ for name in names)
