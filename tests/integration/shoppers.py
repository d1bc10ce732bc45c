"""Shoppers: many clients that reserve, post, void and repeat themselves over the real bus. Holds no test."""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from tallystick.bus.connection import connect
from tallystick.config import Nats
from tests.integration.daemon import SUBJECT

SKUS = [f"hot-{number}" for number in range(10)]
LOCATIONS = ["dc-1", "dc-2"]
GROUP = "everywhere"
ANSWER_S = 1.0
SERVICES = ("reserve", "post", "void")
"""What the service takes; the rest goes straight into the log."""
Key = tuple[str, str]


def day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


def beginning(rng: random.Random) -> list[bytes]:
    """Some stock everywhere, some that is to come, and the group."""
    events: list[dict[str, Any]] = [
        {"id": "g", "source": "mdm", "type": "group.defined", "group": GROUP, "locations": LOCATIONS,
         "time": "2026-01-01T00:00:00Z"},
    ]  # fmt: skip
    for sku in SKUS:
        for location in LOCATIONS:
            place = {"sku": sku, "location": location}
            name = f"{sku}-{location}"
            events += [
                {"id": name, "source": "wms", "type": "stock.received", **place, "quantity": rng.randrange(20, 120)},
                {"id": name, "source": "erp", "type": "supply.scheduled", **place, "document": name, "due": day(4),
                 "quantity": rng.randrange(10, 60)},
            ]  # fmt: skip
    return [json.dumps(event).encode() for event in events]


@dataclass
class Said:
    """What all shoppers were told: for each key all answers that came, in bytes."""

    answers: dict[Key, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    unanswered: int = 0
    """Tries that heard nothing: most of them while the daemon was not there."""
    kinds: set[str] = field(default_factory=set)
    """Which answers somebody had: `status/outcome`."""

    def add(self, key: Key, answer: bytes) -> None:
        """An answer came."""
        self.answers[key].append(answer)
        told = json.loads(answer)
        self.kinds.add(f"{told['status']}/{told['outcome']}")


@dataclass
class Hours:
    """For how long shops are open: until the end, or longer, until each of some answers was given to somebody.

    A machine with much else to do hears few answers in the usual time, and a test in which nothing happens is none.
    """

    said: Said
    kinds: frozenset[str]
    end: float
    latest: float

    @classmethod
    def of(cls, said: Said, kinds: Iterable[str], seconds: float) -> "Hours":
        """From now on, for some seconds, and at most ten times as many."""
        now = time.monotonic()
        return cls(said, frozenset(kinds), now + seconds, now + 10 * seconds)

    def are_over(self) -> bool:
        now = time.monotonic()
        return now >= self.latest or (now >= self.end and self.kinds <= self.said.kinds)


@dataclass
class Caller:
    """One client: asks and waits for the answer; asks again when none comes."""

    name: str
    client: Client
    rng: random.Random
    said: Said
    mark: str = ""
    """What its ids begin with, where clients share a name."""
    _number: int = 0
    _sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def _ask(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        asked = {"source": self.name, "id": f"{self.mark}{kind}-{self._number}", **body}
        self._sent.append((kind, asked))
        answer: dict[str, Any] = json.loads(await self._until_answered(kind, asked))
        return answer

    async def _until_answered(self, kind: str, asked: dict[str, Any]) -> bytes:
        """Asks again and again under the same key, by the service or straight into the log."""
        async with asyncio.timeout(30):
            while True:
                try:
                    by_service = kind in SERVICES and "rest" not in asked and self.rng.random() < 0.5
                    answer = await (self._by_service(kind, asked) if by_service else self._by_log(kind, asked))
                except NatsError:
                    answer = None
                if answer is not None:
                    self.said.add((asked["source"], asked["id"]), answer)
                    return answer
                self.said.unanswered += 1
                await asyncio.sleep(0.05 + self.rng.random() * 0.1)

    async def _by_service(self, kind: str, asked: dict[str, Any]) -> bytes | None:
        reply = await self.client.request(f"tallystick.{kind}", json.dumps(asked).encode(), ANSWER_S)
        return None if reply.headers else reply.data

    async def _by_log(self, kind: str, asked: dict[str, Any]) -> bytes:
        types = {"reserve": "requested", "post": "posted", "void": "voided", "change": "changed"}
        inbox = self.client.new_inbox()
        answers = await self.client.subscribe(inbox)
        try:
            event = {"type": f"reservation.{types[kind]}", **asked, "reply": inbox}
            await self.client.publish(SUBJECT, json.dumps(event).encode())
            return (await answers.next_msg(ANSWER_S)).data
        finally:
            await answers.unsubscribe()


@dataclass
class Shopper(Caller):
    """One client that goes on from what it was told."""

    _held: list[tuple[str, int, bool]] = field(default_factory=list)
    """Id, quantity, and whether it is at one place alone."""
    _refused: list[str] = field(default_factory=list)

    async def shop(self, hours: Hours) -> None:
        """Does this and that; what was begun is brought to its end."""
        while not hours.are_over():
            draw = self.rng.random()
            if draw < 0.15 and self._sent:
                await self._until_answered(*self.rng.choice(self._sent))
            elif draw < 0.5 and self._held:
                await self._settle()
            else:
                await self._reserve()
            await asyncio.sleep(self.rng.random() * 0.06)

    async def _reserve(self) -> None:
        rng = self.rng
        lines = [self._line() for _ in range(rng.choice([1, 1, 1, 1, 2, 3]))]
        body: dict[str, Any] = lines[0] if len(lines) == 1 else {"lines": lines}
        if rng.random() < 0.8:
            body["ttl"] = rng.choice(["1s", "1s", "2s", "4s", "none"])
        if rng.random() < 0.3:
            body["policy"] = "partial"
        answer = await self._ask("reserve", body)
        if answer["status"] in ("granted", "partly"):
            alone = len(lines) == 1 and "group" not in lines[0]
            self._held.append((answer["id"], answer["quantity"], alone))
        else:
            self._refused.append(answer["id"])

    def _line(self) -> dict[str, Any]:
        rng = self.rng
        line: dict[str, Any] = {"sku": rng.choice(SKUS), "quantity": rng.randrange(1, 7)}
        line |= {"group": GROUP} if rng.random() < 0.25 else {"location": rng.choice(LOCATIONS)}
        if rng.random() < 0.3:
            line["due"] = day(rng.choice([2, 4, 9]))
        return line

    async def _settle(self) -> None:
        rng = self.rng
        id_, quantity, alone = self._held.pop(rng.randrange(len(self._held)))
        if self._refused and rng.random() < 0.05:
            id_ = rng.choice(self._refused)
        target = {"source": self.name, "id": id_}
        part = {"quantity": rng.randrange(1, quantity + 2)} if alone and rng.random() < 0.4 else {}
        await self._ask(rng.choice(["post", "void", "void"]), {"target": target, **part})


async def work_in_the_warehouse(client: Client, rng: random.Random, hours: Hours) -> None:
    """Receipts, counts and picks, one every few milliseconds."""
    number = 0
    while not hours.are_over():
        number += 1
        kind = rng.choices(["received", "picked", "counted"], [6, 3, 1])[0]
        event = {"id": f"w{number}", "source": "wms", "type": f"stock.{kind}", "sku": rng.choice(SKUS),
                 "location": rng.choice(LOCATIONS), "quantity": rng.randrange(1, 9)}  # fmt: skip
        if kind == "counted":
            event["quantity"] = rng.randrange(150)
        await client.publish(SUBJECT, json.dumps(event).encode())
        await asyncio.sleep(rng.random() * 0.02)


async def connected(stack: AsyncExitStack, url: str) -> Client:
    """A connection that lasts as long as the stack."""
    client = await connect(Nats(url=url))
    stack.push_async_callback(client.close)
    return client


def is_one_answer(answers: Sequence[bytes]) -> bool:
    """Whether everything that was ever said under a key is the same, byte for byte."""
    return len(set(answers)) == 1
