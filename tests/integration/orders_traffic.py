"""Orders that several systems tell of: shops that hold, an ERP, an OMS and two warehouses. Holds no test.

What ERP, OMS and warehouses say has the time at which it happened, and comes late, twice, and in any order.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nats.aio.client import Client

from tests.integration.daemon import SUBJECT
from tests.integration.shoppers import LOCATIONS, SKUS, Caller, Hours, day

DELAY_S = 1.2
WAREHOUSES = dict(zip(LOCATIONS, ("wms-1", "wms-2"), strict=True))


def moment(offset_s: float = 0.0) -> str:
    """A time so many seconds from now, to the microsecond."""
    return f"{datetime.now(UTC) + timedelta(seconds=offset_s):%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass
class Courier:
    """Brings messages late: each after a delay of its own, some of them twice, some two at a time."""

    client: Client
    rng: random.Random
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, event: dict[str, Any]) -> None:
        for _ in range(1 + (self.rng.random() < 0.15)):
            task = asyncio.create_task(self._bring(json.dumps(event).encode(), self.rng.random() ** 2 * DELAY_S))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _bring(self, message: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self.client.publish(SUBJECT, message)

    async def drain(self) -> None:
        """Waits until everything has come."""
        await asyncio.gather(*self._under_way)


@dataclass(frozen=True)
class Item:
    """One line of an order, as the customer wants it."""

    document: str
    line: int
    sku: str
    location: str
    quantity: int
    due: str | None

    def request(self) -> dict[str, Any]:
        return self.place() | {"quantity": self.quantity} | ({"due": self.due} if self.due else {})

    def place(self) -> dict[str, Any]:
        return {"sku": self.sku, "location": self.location, "line": self.line}


Step = tuple[str, dict[str, Any]]


@dataclass
class Telling:
    """What the other systems say of an item, in the order in which it happens."""

    rng: random.Random
    item: Item

    def steps(self) -> Iterator[Step]:
        """Types and members of events."""
        yield from self._by_the_erp()
        yield from self._by_the_oms()
        yield from self._by_the_warehouse()

    def _happens(self, chance: float) -> bool:
        return self.rng.random() < chance

    def _part(self) -> int:
        return self.rng.randint(1, self.item.quantity)

    def _by_the_erp(self) -> Iterator[Step]:
        if self._happens(0.85):
            ordered = self.item.quantity + self.rng.choice([0, 0, 0, 1, -1])
            yield "demand.scheduled", {"quantity": max(1, ordered), "due": self.item.due or day(0)}
        if self._happens(0.2):
            yield "demand.rescheduled", {"quantity": self._part()}
        if self._happens(0.1):
            yield "demand.rescheduled", {"due": day(self.rng.choice([1, 3]))}
        if self._happens(0.07):
            yield self.rng.choice([("demand.cancelled", {}), ("demand.rescheduled", {"quantity": 0})])

    def _by_the_oms(self) -> Iterator[Step]:
        if self._happens(0.15):
            yield "stock.reserved", {"quantity": self.item.quantity}
            if self._happens(0.3):
                yield "stock.unreserved", {"quantity": self._part()}
            elif self._happens(0.5):
                yield "stock.allocated", {"quantity": self._part(), "from_status": "reserved"}

    def _by_the_warehouse(self) -> Iterator[Step]:
        if self._happens(0.7):
            yield "stock.allocated", {"quantity": self.item.quantity}
            if self._happens(0.2):
                yield self.rng.choice(["stock.deallocated", "stock.short_picked"]), {"quantity": self._part()}
        # Some orders are sent from another place than they were promised from.
        elsewhere = {"location": self.rng.choice(LOCATIONS)} if self._happens(0.15) else {}
        picked = self._part() if self._happens(0.3) else self.item.quantity
        if self._happens(0.65):
            yield "stock.picked", {"quantity": picked} | elsewhere
            if self._happens(0.15):
                yield "stock.unpicked", {"quantity": self.rng.randint(1, picked)} | elsewhere
        if self._happens(0.55):
            final = {"reason": "final"} if self._happens(0.2) else {}
            yield "stock.shipped", {"quantity": picked} | elsewhere | final


@dataclass
class Buyer(Caller):
    """A client of a shop: orders, and lets the courier bring what the others say of it."""

    courier: Courier = field(kw_only=True)
    _orders: int = 0

    async def shop(self, hours: Hours) -> None:
        """One order after the other."""
        while not hours.are_over():
            self._orders += 1
            items = list(self._items(f"SO-{self.mark}{self._orders}"))
            for index, (kind, event) in enumerate(self._events(items)):
                self.courier.take({"id": f"{event['document']}-{index}", "type": kind, **event})
            await self._hold(items)
            await asyncio.sleep(self.rng.random() * 0.5)

    def _items(self, document: str) -> Iterator[Item]:
        for line in range(1, self.rng.choice([1, 1, 2, 3]) + 1):
            due = day(self.rng.choice([2, 4, 9])) if self.rng.random() < 0.3 else None
            place = self.rng.choice(SKUS), self.rng.choice(LOCATIONS)
            yield Item(document, line, *place, self.rng.randint(1, 6), due)

    def _events(self, items: list[Item]) -> Iterator[Step]:
        rng, at_s = self.rng, -0.4
        for item in items:
            for kind, more in Telling(rng, item).steps():
                at_s += rng.random() * 0.1
                place = item.place() | {key: more[key] for key in more if key == "location"}
                source = {"demand": "erp", "stock": WAREHOUSES[place["location"]]}[kind.partition(".")[0]]
                source = "oms" if kind.endswith("reserved") or "from_status" in more else source
                yield kind, {"source": source, "time": moment(at_s), "document": item.document, **place, **more}
        if rng.random() < 0.5:
            kind = rng.choice(["document.closed", "document.closed", "document.cancelled"])
            at_s += rng.random() - 0.4
            yield kind, {"source": "erp", "time": moment(at_s), "document": items[0].document}

    async def _hold(self, items: list[Item]) -> None:
        rng = self.rng
        document = {"document": items[0].document}
        together = [items] if len(items) > 1 and rng.random() < 0.5 else [[item] for item in items]
        for held in together:
            if rng.random() < 0.1:
                continue
            lines = [item.request() for item in held]
            body = document | (lines[0] if len(lines) == 1 else {"lines": lines})
            if rng.random() < 0.9:
                body["ttl"] = rng.choice(["1s", "1s", "2s", "4s", "none", "none"])
            if rng.random() < 0.3:
                body["policy"] = "partial"
            if rng.random() < 0.4:
                body["time"] = moment(-rng.random() * 0.3)
            early = await self._settle_early() if rng.random() < 0.05 else None
            answer = await self._ask("reserve", body)
            if early is not None:
                await self._until_answered("post", early)
            # Now and then somebody settles what was never granted.
            if answer["status"] in ("granted", "partly") or rng.random() < 0.1:
                for _ in range(rng.choice([0, 1, 1, 2, 3])):
                    await self._settle(answer["id"], held)

    async def _settle_early(self) -> dict[str, Any]:
        """Posts what the next request will ask for; nobody hears the answer before that was asked."""
        number = self._number + 1
        target = {"source": self.name, "id": f"{self.mark}reserve-{number}"}
        post = {"source": self.name, "id": f"{self.mark}early-{number}", "target": target}
        await self.client.publish(SUBJECT, json.dumps({"type": "reservation.posted", **post}).encode())
        return post

    async def _settle(self, id_: str, items: list[Item]) -> None:
        rng = self.rng
        if rng.random() < 0.15:
            await self._until_answered(*rng.choice(self._sent))
        await asyncio.sleep(rng.random() * 0.15)
        body: dict[str, Any] = {"target": {"source": self.name, "id": id_}}
        kind = rng.choice(["post", "post", "void", "change"])
        if kind == "change":
            body |= rng.choice([{"ttl": "2s"}, {"ttl": "none"}]) if len(items) > 1 or rng.random() < 0.3 else {}
        if len(items) == 1 and (rng.random() < 0.5 or (kind == "change" and "ttl" not in body)):
            body["quantity"] = rng.randint(1, items[0].quantity + 1)
            body |= {"rest": "keep"} if kind == "post" and rng.random() < 0.5 else {}
        if rng.random() < 0.3:
            body["time"] = moment(-rng.random() * 0.3)
        await self._ask(kind, body)


async def work_in_the_warehouses(client: Client, rng: random.Random, hours: Hours) -> None:
    """Receipts, counts, sales over the counter and picks without documents, one every few milliseconds."""
    number = 0
    while not hours.are_over():
        events = []
        for _ in range(rng.choice([1, 1, 2])):
            number += 1
            kind = rng.choices(["received", "picked", "sold", "counted"], [8, 1, 1, 1])[0]
            location = rng.choice(LOCATIONS)
            quantity = rng.randrange(150) if kind == "counted" else rng.randint(1, 12)
            source = "till" if kind == "sold" else WAREHOUSES[location]
            events.append({"id": f"w{number}", "source": source, "type": f"stock.{kind}",
                           "sku": rng.choice(SKUS), "location": location, "quantity": quantity})  # fmt: skip
        await client.publish(SUBJECT, b"\n".join(json.dumps(event).encode() for event in events))
        await asyncio.sleep(rng.random() * 0.02)
