"""One order counts once: shops, ERP, OMS and warehouses tell of the same orders, late, twice and swapped.

The daemon is killed again and again. A slow model of claims reads the log and decides everything anew.
"""

import asyncio
import json
import random
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.reader import read
from tests.integration.daemon import EVENTS, ask, has_reached, last_availability, publish, until, write_config
from tests.integration.holds_model import Key
from tests.integration.orders_model import Model
from tests.integration.orders_traffic import Buyer, Courier, work_in_the_warehouses
from tests.integration.shoppers import LOCATIONS, SKUS, Hours, Said, beginning, connected, is_one_answer
from tests.integration.test_crash import has_begun, said, start

CLIENTS = 64
CONNECTIONS = 8
SHOPS = ("shop-1", "shop-2")
KILLS = 6
SHOPPING_S = 11.0
KINDS = (
    *(f"{status}/applied" for status in ("granted", "partly", "posted", "voided", "changed")),
    *(f"{status}/absorbed" for status in ("posted", "voided", "changed")),
    *("insufficient/insufficient", "refused/insufficient"),
)
"""What must have been answered to somebody: the test is none if nothing of a kind happened."""
TABLES: dict[str, dict[str, Any]] = {
    "snapshots": {"interval_s": 0.3},
    "output": {"publish_interval_ms": 20},
    "ownership": {"preset": "wms_erp_oms"},
}


async def test_an_order_is_promised_once_whoever_tells_of_it_and_whatever_is_killed(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, TABLES)
    await publish(bus, beginning(rng))
    told, model = Said(), Model()
    async with AsyncExitStack() as stack:
        clients = [await connected(stack, server.url) for _ in range(CONNECTIONS)]
        shopping = _go_shopping(clients, rng, told)
        daemon = start(path)
        try:
            for _ in range(KILLS):
                await until(partial(has_begun, tmp_path, daemon))
                await asyncio.sleep(rng.random())
                assert daemon.poll() is None, said(tmp_path, daemon)
                daemon.kill()
                daemon.wait()
                daemon = start(path)
            await asyncio.gather(*shopping)
            await _check_the_end(bus, model, tmp_path / "log.ndjson")
        finally:
            for task in shopping:
                task.cancel()
            await asyncio.gather(*shopping, return_exceptions=True)
            daemon.terminate()
            assert daemon.wait(30) == 0, said(tmp_path, daemon)
    await _check_what_was_published(bus, model)
    _check_that_much_happened(told, model)
    _check_answers(told, model)


def _go_shopping(clients: list[Any], rng: random.Random, told: Said) -> list[asyncio.Task[None]]:
    """Everybody begins, and ends after a while."""
    hours = Hours.of(told, KINDS, SHOPPING_S)

    async def shop(number: int) -> None:
        client, draw = clients[number % CONNECTIONS], random.Random(rng.random())
        courier = Courier(client, draw)
        name = SHOPS[number % len(SHOPS)]
        await Buyer(name, client, draw, told, mark=f"c{number}-", courier=courier).shop(hours)
        await courier.drain()

    warehouse = work_in_the_warehouses(clients[0], random.Random(rng.random()), hours)
    return [asyncio.create_task(each) for each in (*map(shop, range(CLIENTS)), warehouse)]


async def _read_on(bus: JetStream, model: Model, log: Path) -> None:
    """Works the log through, from where the model is. The file keeps it, so that a failure can be replayed."""
    info = await bus.stream(EVENTS)
    assert info is not None
    with log.open("a") as file:
        async for messages in read(bus, info, model.sequence + 1):
            for message in messages:
                assert message.sequence == model.sequence + 1
                file.write(f"{json.dumps([message.sequence, message.time_ns, message.data.decode()])}\n")
                model.apply(message.sequence, message.time_ns, message.data)
    assert model.sequence >= info.last_sequence


async def _check_the_end(bus: JetStream, model: Model, log: Path) -> None:
    """After the last restart the daemon holds and promises what the log says, no more and no less."""
    places = [{"sku": sku, "location": location} for sku in SKUS for location in LOCATIONS]
    await _read_on(bus, model, log)  # This takes longer than whatever comes in meanwhile.
    async with asyncio.timeout(30):
        while True:
            await _read_on(bus, model, log)
            await until(partial(has_reached, bus.client, model.sequence))
            found = await ask(bus.client, {"limit": 1_000}, "reservations")
            answer = await ask(bus.client, {"positions": places, "horizon": True}, "promise")
            balances = [await ask(bus.client, place, "atp") for place in places]
            if {one["sequence"] for one in (found, answer, *balances)} == {model.sequence}:
                break  # Else a tick came in between.
    listed = Counter(
        ((one["source"], one["id"]), (line["sku"], line["location"]), line["held"])
        for one in found["reservations"]
        for line in one["lines"]
    )
    # A reservation of several lines is listed for as long as one of them is open, with the closed ones or without.
    assert model.holdings(of_closed=False) <= listed <= model.holdings(of_closed=True)
    for place, one, balance in zip(places, answer["answers"], balances, strict=True):
        spot = place["sku"], place["location"]
        shown = model.shown(spot)
        assert list(map(tuple, one["horizon"])) == model.figures(spot), place
        (position,) = balance["positions"]
        assert {name: position[name] for name in shown if name in position} == {
            name: figure for name, figure in shown.items() if name in position
        }, place


async def _check_what_was_published(bus: JetStream, model: Model) -> None:
    """Whoever listens to the availability stream believes the same."""
    for spot, position in (await last_availability(bus)).items():
        shown = model.shown(spot)
        assert {name: position.get(name, 0) for name in shown} == shown, spot


def _check_answers(told: Said, model: Model) -> None:
    """Each answer that anybody got is the decision at its place in the log, and each key had one answer."""
    wrong = []
    for key, answers in told.answers.items():
        answer = json.loads(answers[0])
        answer.pop("why", None)
        if answer["status"] == "waiting":
            expected = {"outcome": "held", "quantity": 0, "sequence": model.told_to_wait[key]}
            assert answer == {"source": key[0], "id": key[1], "status": "waiting", **expected}
        elif answer != model.answers[key] or not is_one_answer(answers):
            wrong.append(f"{key}: {sorted(set(answers))} but {model.answers[key]}")
        if answer["status"] in ("granted", "partly"):
            _check_it_was_honoured(key, model)
    assert not wrong, f"{len(wrong)} of {len(told.answers)} answers: " + "\n".join(wrong)


def _check_it_was_honoured(key: Key, model: Model) -> None:
    """What was granted is still held, or the log says why it is not."""
    reservation = model.reservations[key]
    for hold in reservation.holds:
        fold = hold.fold()
        assert fold.live or reservation.deeds or reservation.is_over or model.has_no_say(hold), f"{key}: {hold}"
        assert fold.kept <= hold.granted or fold.raised, f"{key}: {hold}"


def _check_that_much_happened(told: Said, model: Model) -> None:
    happened = Counter(f"{answer['status']}/{answer['outcome']}" for answer in model.answers.values())
    print(f"{model.sequence} messages: {dict(happened)}, {model.expired} expired, {model.repeated} repeated, "
          f"{model.waited} waited, {told.unanswered} heard nothing")  # fmt: skip
    assert min(happened[kind] for kind in KINDS) > 0
    assert min(model.expired, model.repeated, model.waited, told.unanswered) > 0
