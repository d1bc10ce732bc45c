"""Never oversold: many clients, few SKUs, a daemon that is killed, and every decision worked out again from the log."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.reader import read
from tests.integration.daemon import EVENTS, ask, has_reached, publish, until, write_config
from tests.integration.ledger_model import Key, Model
from tests.integration.shoppers import (
    GROUP,
    LOCATIONS,
    SKUS,
    Hours,
    Said,
    Shopper,
    beginning,
    connected,
    is_one_answer,
    work_in_the_warehouse,
)
from tests.integration.test_crash import has_begun, said, start

CLIENTS = 64
CONNECTIONS = 8
KILLS = 5
SHOPPING_S = 14.0
KINDS = ("granted/applied", "partly/applied", "insufficient/insufficient", "posted/applied", "voided/applied",
         "refused/unknown_reference")  # fmt: skip
"""What must have been answered to somebody: the test is none if nothing of a kind happened."""
TABLES: Mapping[str, Mapping[str, Any]] = {"snapshots": {"interval_s": 0.3}, "output": {"publish_interval_ms": 20}}


async def test_no_promise_is_given_twice_and_each_is_kept_whatever_is_killed(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, TABLES)
    await publish(bus, beginning(rng))
    told = Said()
    async with AsyncExitStack() as stack:
        clients = [await connected(stack, server.url) for _ in range(CONNECTIONS)]
        hours = Hours.of(told, KINDS, SHOPPING_S)
        shopping = [
            asyncio.create_task(
                Shopper(f"shop-{number}", clients[number % CONNECTIONS], random.Random(rng.random()), told).shop(hours)
            )
            for number in range(CLIENTS)
        ]
        shopping.append(asyncio.create_task(work_in_the_warehouse(clients[0], random.Random(rng.random()), hours)))
        daemon = start(path)
        try:
            for _ in range(KILLS):
                await until(partial(has_begun, tmp_path, daemon))
                await asyncio.sleep(rng.random() * 2)
                assert daemon.poll() is None, said(tmp_path, daemon)
                daemon.kill()
                daemon.wait()
                daemon = start(path)
            await asyncio.gather(*shopping)
            model = await _check_the_end(bus)
        finally:
            for task in shopping:
                task.cancel()
            await asyncio.gather(*shopping, return_exceptions=True)
            daemon.terminate()
            assert daemon.wait(30) == 0, said(tmp_path, daemon)
    _check_answers(told, model)
    happened = Counter(f"{answer['status']}/{answer['outcome']}" for answer in model.answers.values())
    print(f"{dict(happened)}, {model.expired} expired, {model.repeated} repeated, {told.unanswered} heard nothing")
    assert min(happened[kind] for kind in KINDS) > 0
    assert min(model.expired, model.repeated, told.unanswered) > 0


async def _worked_out(bus: JetStream) -> tuple[Model, int]:
    """The whole log, worked through from its beginning, and how long it is."""
    info = await bus.stream(EVENTS)
    assert info is not None
    model, sequence = Model(LOCATIONS), 0
    async for messages in read(bus, info, 1):
        for message in messages:
            sequence += 1
            assert message.sequence == sequence
            model.apply(sequence, message.time_ns, message.data)
    assert sequence == info.last_sequence
    return model, sequence


async def _check_the_end(bus: JetStream) -> Model:
    """After the last restart the daemon holds what the log says, no more and no less."""
    async with asyncio.timeout(30):
        while True:
            model, sequence = await _worked_out(bus)
            await until(partial(has_reached, bus.client, sequence))
            found = await ask(bus.client, {"limit": 1_000}, "reservations")
            places = [{"sku": sku, "location": location} for sku in SKUS for location in LOCATIONS]
            answer = await ask(bus.client, {"positions": places}, "promise")
            if found["sequence"] == answer["sequence"] == sequence:  # Else a tick came in between.
                break
    held = sorted(
        ((one["source"], one["id"]), (line["sku"], line["location"]), line["held"])
        for one in found["reservations"]
        for line in one["lines"]
    )
    assert found["total"] == len(found["reservations"]) == len(model.live)
    assert held == sorted(model.holdings())
    figures = [model.figure((place["sku"], place["location"]), 0, []) for place in places]
    assert [one["available"] for one in answer["answers"]] == figures
    return model


def _check_answers(told: Said, model: Model) -> None:
    """Each answer that anybody got is the decision at its place in the log, and each key had one answer."""
    for key, answers in told.answers.items():
        assert is_one_answer(answers), key
        _check_answer(key, json.loads(answers[0]), model.answers[key])
    assert told.answers.keys() <= model.answers.keys()


def _check_answer(key: Key, answer: dict[str, Any], decided: dict[str, Any]) -> None:
    for name in ("source", "id", "status", "outcome", "quantity", "sequence"):
        assert answer[name] == decided[name], f"{key}: {answer} but {decided}"
    if decided["status"] in ("granted", "partly") or len(decided.get("told", ())) == 1:
        for line, worked_out in zip(answer["lines"], decided["told"], strict=True):
            short = worked_out["quantity"] < worked_out["wanted"]
            refused = decided["status"] == "insufficient"
            assert line["quantity"] == (0 if refused else worked_out["quantity"]), f"{key}: {answer} but {decided}"
            if short:
                assert line["available"] == worked_out["available"], f"{key}: {answer} but {decided}"
            if line.get("group") == GROUP and not refused:
                parts = [{"location": part.spot[1], "quantity": part.held} for part in worked_out["given"]]
                assert line.get("parts", []) == parts, f"{key}: {answer} but {decided}"
