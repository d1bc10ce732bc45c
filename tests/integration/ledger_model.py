"""What may be promised, worked out anew in a few lines: the whole log from the beginning, one message after the other.

It shares nothing with the engine. It knows what the test of overselling sends and no more: receipts, counts, picks,
scheduled supply, one group, and reservations with all that becomes of them. Quantities are whole units.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

HORIZON = 90
TTL_NS = 15 * 60 * 10**9
Key = tuple[str, str]
Spot = tuple[str, str]


@dataclass
class Part:
    """What is held at one location for one line, and for which day; None: it is taken from what is there."""

    line: int
    spot: Spot
    day: date | None
    held: int


@dataclass
class Reservation:
    key: Key
    expires_ns: int | None
    parts: list[Part]

    @property
    def held(self) -> int:
        return sum(part.held for part in self.parts)


@dataclass
class Model:
    """State, and the answers that were given."""

    group: list[str]
    now_ns: int = 0
    on_hand: dict[Spot, int] = field(default_factory=lambda: defaultdict(int))
    allocated: dict[Spot, int] = field(default_factory=lambda: defaultdict(int))
    supply: dict[Spot, list[tuple[date, int]]] = field(default_factory=lambda: defaultdict(list))
    demand: dict[Spot, list[tuple[date, int]]] = field(default_factory=lambda: defaultdict(list))
    live: dict[Key, Reservation] = field(default_factory=dict)
    known: set[Key] = field(default_factory=set)
    """Reservations that were granted, the closed ones among them."""
    seen: set[Key] = field(default_factory=set)
    answers: dict[Key, dict[str, Any]] = field(default_factory=dict)
    expired: int = 0
    repeated: int = 0

    def apply(self, sequence: int, time_ns: int, message: bytes) -> None:
        """Takes one message of one event."""
        self.now_ns = max(self.now_ns, time_ns)
        for one in [one for one in self.live.values() if one.expires_ns is not None and one.expires_ns <= self.now_ns]:
            del self.live[one.key]
            self.expired += 1
        event = json.loads(message)
        event = {**event.get("data", {}), **event}
        key = event["source"], event["id"]
        if key in self.seen:
            self.repeated += 1
            return
        self.seen.add(key)
        judge = getattr(self, event["type"].replace(".", "_"))
        if (answer := judge(key, event)) is not None:
            self.answers[key] = {"source": key[0], "id": key[1], "sequence": sequence, **answer}

    # Stock

    def stock_received(self, _key: Key, event: dict[str, Any]) -> None:
        self.on_hand[event["sku"], event["location"]] += event["quantity"]

    def stock_counted(self, _key: Key, event: dict[str, Any]) -> None:
        self.on_hand[event["sku"], event["location"]] = event["quantity"]

    def stock_picked(self, _key: Key, event: dict[str, Any]) -> None:
        self.on_hand[event["sku"], event["location"]] -= event["quantity"]
        self.allocated[event["sku"], event["location"]] -= event["quantity"]

    def supply_scheduled(self, _key: Key, event: dict[str, Any]) -> None:
        due = date.fromisoformat(event["due"])
        self.supply[event["sku"], event["location"]].append((due, event["quantity"]))

    def group_defined(self, _key: Key, event: dict[str, Any]) -> None:
        assert event["locations"] == self.group

    def tick(self, _key: Key, _event: dict[str, Any]) -> None:
        pass

    # Promises

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now_ns / 1e9, UTC).date()

    def levels(self, spot: Spot, taken: list[Part]) -> list[int]:
        """What is there at the end of each day if nothing more is promised, `taken` being promised already."""
        claims = [part for one in self.live.values() for part in one.parts] + taken
        days = [0] * HORIZON
        # Picks without a document may take more than was posted; that gives nothing to anybody.
        days[0] = self.on_hand[spot] - max(0, self.allocated[spot])
        for due, quantity in self.supply[spot]:
            ahead = (due - self.today).days
            if 0 <= ahead < HORIZON:  # What is late is not counted on.
                days[ahead] += quantity
        for day, quantity in self.demand[spot]:
            days[max(0, (day - self.today).days)] -= quantity
        for part in claims:
            if part.spot == spot:
                days[0 if part.day is None else max(0, (part.day - self.today).days)] -= part.held
        level, levels = 0, []
        for change in days:
            level += change
            levels.append(level)
        return levels

    def figure(self, spot: Spot, ahead: int, taken: list[Part]) -> int:
        """What can be promised for a day without a shortage on it or on any day behind it."""
        return min(self.levels(spot, taken)[ahead:])

    def reservation_requested(self, key: Key, event: dict[str, Any]) -> dict[str, Any]:
        lines = event.get("lines") or [event]
        partial = event.get("policy") == "partial"
        taken: list[Part] = []
        told = []
        for number, line in enumerate(lines):
            due = date.fromisoformat(line["due"]) if "due" in line else None
            ahead = max(0, (due - self.today).days) if due else 0
            places = self.group if "group" in line else [line["location"]]
            wanted = line["quantity"]
            available, granted, parts = 0, 0, []
            for location in places:
                spot = line["sku"], location
                there = max(0, self.figure(spot, ahead, taken))
                quantity = min(wanted - granted, there)
                available, granted = available + there, granted + quantity
                if quantity:
                    parts.append(Part(number, spot, due if ahead else None, quantity))
            # A copy: what is held becomes less when some of it is given back.
            given = [replace(part) for part in parts]
            told.append({"available": available, "quantity": granted, "wanted": wanted, "given": given})
            taken += parts
        granted = sum(part.held for part in taken)
        if not granted or (not partial and any(line["quantity"] < line["wanted"] for line in told)):
            return {"status": "insufficient", "outcome": "insufficient", "quantity": 0, "told": told}
        ttl = event.get("ttl")
        expires_ns = self.now_ns + (int(ttl[:-1]) * 10**9 if ttl else TTL_NS) if ttl != "none" else None
        self.live[key] = Reservation(key, expires_ns, taken)
        self.known.add(key)
        self._check_not_oversold(taken)
        whole = all(line["quantity"] == line["wanted"] for line in told)
        status = "granted" if whole else "partly"
        return {"status": status, "outcome": "applied", "quantity": granted, "told": told}

    def _check_not_oversold(self, taken: list[Part]) -> None:
        """Whatever was decided: on no day from the promised one on is more gone than there is."""
        for part in taken:
            ahead = 0 if part.day is None else max(0, (part.day - self.today).days)
            assert min(self.levels(part.spot, [])[ahead:]) >= 0, f"{part.spot} is oversold"

    def reservation_posted(self, key: Key, event: dict[str, Any]) -> dict[str, Any]:
        target = event["target"]["source"], event["target"]["id"]
        if target not in self.known:
            return {"status": "refused", "outcome": "unknown_reference", "quantity": 0}
        found = self.live.get(target)
        if found is None or event.get("quantity", 0) > found.held:
            return {"status": "insufficient", "outcome": "insufficient", "quantity": 0}
        left = posted = event.get("quantity", found.held)
        for part in found.parts:
            quantity = min(left, part.held)
            left -= quantity
            if part.day is None:
                self.allocated[part.spot] += quantity
            else:
                self.demand[part.spot].append((part.day, quantity))
        del self.live[target]
        return {"status": "posted", "outcome": "applied", "quantity": posted}

    def reservation_voided(self, key: Key, event: dict[str, Any]) -> dict[str, Any]:
        target = event["target"]["source"], event["target"]["id"]
        if target not in self.known:
            return {"status": "refused", "outcome": "unknown_reference", "quantity": 0}
        found = self.live.get(target)
        if found is None:
            return {"status": "voided", "outcome": "applied", "quantity": 0}
        voided = min(event.get("quantity", found.held), found.held)
        if voided == found.held:
            del self.live[target]
        else:
            (part,) = found.parts
            part.held -= voided
        return {"status": "voided", "outcome": "applied", "quantity": voided}

    def holdings(self) -> Iterator[tuple[Key, Spot, int]]:
        """Who holds how much where."""
        for one in self.live.values():
            for part in one.parts:
                yield one.key, part.spot, part.held
