"""Decides again what the engine decided: reads the log in its order and judges every request by the model of claims.

It shares nothing with the engine. What is sent: stock with documents and without, schedule lines, closings, requests
for lines of orders with all that becomes of them.
"""

import json
from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from tests.integration import claims_model
from tests.integration.claims_model import Fact, Line
from tests.integration.holds_model import AT_ONCE, FOREVER, Deed, Hold, Key, LineKey, Reservation, Spot, deed

HORIZON = 12
"""Nothing that is sent is due later than in ten days, so every later day is as the last one."""
TTL = "900s"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOVES = {"stock.received": 1, "stock.sold": -1, "stock.picked": -1, "stock.unpicked": 1}
FACTS = {
    "stock.reserved": ["reserved"],
    "stock.unreserved": ["unreserved"],
    "stock.allocated": ["allocated"],
    "stock.deallocated": ["deallocated"],
    "stock.short_picked": ["deallocated"],
    "stock.picked": ["picked"],
    "stock.unpicked": ["unpicked"],
    "stock.shipped": ["shipped"],
}


def nanoseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1) * 1_000


def written(time: int) -> str:
    """A time as answers write it."""
    whole, rest = divmod(time, 10**9)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{EPOCH + timedelta(seconds=whole):%Y-%m-%dT%H:%M:%S}{fraction}Z"


@dataclass
class Shelf:
    """What is known of a spot beside its lines: movements, counts, picks without a document, and what is to come."""

    moves: list[tuple[int, int]] = field(default_factory=list)
    counted: tuple[int, str, str, int] = (-1, "", "", 0)
    """The latest count."""
    batches: int = 0
    supply: list[tuple[int, int]] = field(default_factory=list)

    @property
    def on_hand(self) -> int:
        time, *_, quantity = self.counted
        return quantity + sum(moved for at, moved in self.moves if at > time)


@dataclass
class Standing:
    """What one line comes to, computed once for as long as nothing is told of it."""

    line: Line
    today: int

    @cached_property
    def stands(self) -> dict[Spot, claims_model.Wants]:
        return self.line.stands()

    @cached_property
    def claims(self) -> list[dict[Spot, list[int]]]:
        """By day."""
        return [claims_model.claims(self.stands, self.today + ahead) for ahead in range(HORIZON)]

    def claim(self, spot: Spot, ahead: int) -> int:
        return sum(self.claims[ahead].get(spot, ()))

    def need(self, spot: Spot, ahead: int) -> int:
        return claims_model.need(self.stands, spot, self.today + ahead)

    def is_closed(self, spot: Spot) -> bool:
        return claims_model.is_full(self.stands) or (spot in self.stands and self.stands[spot].is_shut)

    @cached_property
    def unpicked(self) -> dict[Spot, int]:
        """What was shipped and not picked, at most what was shipped."""
        sums: dict[tuple[str, Spot], int] = defaultdict(int)
        for fact in self.line.facts:
            sums[fact.kind, fact.spot] += fact.quantity or 0
        picked = {spot: sums["picked", spot] - sums["unpicked", spot] for spot in self.stands}
        return {spot: min(sums["shipped", spot], max(0, sums["shipped", spot] - picked[spot])) for spot in self.stands}


@dataclass
class Model:
    """State, and the answers that were given."""

    now: int = 0
    sequence: int = 0
    shelves: dict[Spot, Shelf] = field(default_factory=lambda: defaultdict(Shelf))
    lines: dict[LineKey, Line] = field(default_factory=dict)
    closings: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    reservations: dict[Key, Reservation] = field(default_factory=dict)
    refused: set[Key] = field(default_factory=set)
    """Requests whose line was closed before they were effective."""
    seen: set[Key] = field(default_factory=set)
    waiting: dict[Key, list[tuple[Key, Deed]]] = field(default_factory=lambda: defaultdict(list))
    """Deeds that came before the request they are about."""
    told_to_wait: dict[Key, int] = field(default_factory=dict)
    """When whoever told of them was told that they wait."""
    answers: dict[Key, dict[str, Any]] = field(default_factory=dict)
    expired: int = 0
    repeated: int = 0
    waited: int = 0
    _standing: dict[LineKey, Standing] = field(default_factory=dict)
    _at: dict[Spot, set[LineKey]] = field(default_factory=lambda: defaultdict(set))
    _ends: dict[Key, int] = field(default_factory=dict)

    # The log

    def apply(self, sequence: int, time: int, message: bytes) -> None:
        """Takes one message."""
        day = self.today
        self.now, self.sequence = max(self.now, time), sequence
        if self.today != day:
            self._standing.clear()
        for key in [key for key, end in self._ends.items() if end <= self.now]:
            del self._ends[key]
            self.reservations[key].is_over = True
            self._touch(*(hold.line for hold in self.reservations[key].holds))
            self.expired += any(fold.lapsed for fold in (hold.fold() for hold in self.reservations[key].holds))
        for text in message.splitlines():
            event = json.loads(text)
            self._take({**event.get("data", {}), **event})

    def _take(self, event: dict[str, Any]) -> None:
        key = event["source"], event["id"]
        if key in self.seen:
            self.repeated += 1
            return
        self.seen.add(key)
        time = nanoseconds(event["time"]) if "time" in event else self.now
        family, _, what = event["type"].partition(".")
        getattr(self, f"_{family}")(what, key, time, event)
        for about, one in self.waiting.pop(key, ()):
            self.waited += 1
            self._settle(about, key, one)

    @property
    def today(self) -> int:
        return date(1970, 1, 1).toordinal() + self.now // (86_400 * 10**9)

    def line(self, key: LineKey) -> Line:
        return self.lines.setdefault(key, Line(self.closings[key[0]]))

    def standing(self, key: LineKey) -> Standing:
        if key not in self._standing:
            self._standing[key] = Standing(self.line(key), self.today)
        return self._standing[key]

    def _touch(self, *keys: LineKey) -> None:
        for key in keys:
            self._standing.pop(key, None)
            line = self.line(key)
            for spot in (*(fact.spot for fact in line.facts), *(hold.spot for hold in line.holds)):
                self._at[spot].add(key)

    # What is told

    def _tick(self, *_: object) -> None:
        pass

    _group = _tick

    def _stock(self, what: str, key: Key, time: int, event: dict[str, Any]) -> None:
        spot, quantity, kind = (event["sku"], event["location"]), event["quantity"], event["type"]
        shelf = self.shelves[spot]
        if what == "counted":
            shelf.counted = max(shelf.counted, (time, *key, quantity))
        elif kind in MOVES:
            shelf.moves.append((time, MOVES[kind] * quantity))
        if "document" not in event:
            shelf.batches += quantity if what == "picked" else 0
        elif kind in FACTS:
            kinds = FACTS[kind] + (["converted"] if event.get("from_status") == "reserved" else [])
            self._tell(event, *(Fact(name, spot, time, quantity) for name in kinds))
            if event.get("reason") == "final":
                self._tell(event, Fact("closed", spot, time))

    def _tell(self, event: dict[str, Any], *facts: Fact) -> None:
        key = event["document"], event["line"], event["sku"]
        self.line(key).facts.extend(facts)
        self._touch(key)

    def _demand(self, what: str, _key: Key, time: int, event: dict[str, Any]) -> None:
        spot, quantity = (event["sku"], event["location"]), event.get("quantity")
        if what == "cancelled" or quantity == 0:
            self._tell(event, Fact("closed", spot, time))
        else:
            day = date.fromisoformat(event["due"]).toordinal() if "due" in event else None
            self._tell(event, Fact("order", spot, time, quantity, day))

    def _supply(self, _what: str, _key: Key, _time: int, event: dict[str, Any]) -> None:
        due = date.fromisoformat(event["due"]).toordinal()
        self.shelves[event["sku"], event["location"]].supply.append((due, event["quantity"]))

    def _document(self, _what: str, _key: Key, time: int, event: dict[str, Any]) -> None:
        self.closings[event["document"]].append(time)
        self._touch(*(key for key in self.lines if key[0] == event["document"]))

    # Figures

    def unpicked(self, spot: Spot) -> int:
        shipped = sum(self.standing(key).unpicked.get(spot, 0) for key in self._at[spot])
        return max(0, shipped - self.shelves[spot].batches)

    def there(self, spot: Spot, ahead: int) -> int:
        """What is there, or is to come by then, whoever claims it."""
        shelf = self.shelves[spot]
        due = sum(quantity for day, quantity in shelf.supply if self.today <= day <= self.today + ahead)
        return shelf.on_hand - self.unpicked(spot) + due

    def left(self, spot: Spot, ahead: int, without: LineKey | None = None) -> int:
        """What is left of it by the lines, or by all lines but one."""
        others = (self.standing(key) for key in self._at[spot] if key != without)
        return self.there(spot, ahead) - sum(other.claim(spot, ahead) for other in others)

    def figures(self, spot: Spot) -> list[tuple[str, int]]:
        """What can be promised from each day on from which it is another."""
        left = [self.left(spot, ahead) for ahead in range(HORIZON)]
        figures = [min(left[ahead:]) for ahead in range(HORIZON)]
        changes = (ahead for ahead in range(HORIZON) if not ahead or figures[ahead] != figures[ahead - 1])
        return [(date.fromordinal(self.today + ahead).isoformat(), figures[ahead]) for ahead in changes]

    def shown(self, spot: Spot) -> dict[str, int]:
        """The figures of a balance."""
        layers = [self.standing(key).claims[0].get(spot, [0, 0, 0]) for key in self._at[spot]]
        ordered, reserved, allocated = (sum(column) for column in zip(*layers, strict=True)) if layers else (0, 0, 0)
        on_hand, unpicked, batches = self.shelves[spot].on_hand, self.unpicked(spot), self.shelves[spot].batches
        return {"on_hand": on_hand, "reserved": reserved, "allocated": allocated - batches, "ordered": ordered,
                "unpicked": unpicked, "on_hand_atp": on_hand - unpicked - ordered - reserved - allocated,
                "atp": self.figures(spot)[0][1]}  # fmt: skip

    # Requests

    def _reservation(self, what: str, key: Key, time: int, event: dict[str, Any]) -> None:
        if what == "requested":
            self._request(key, time, event)
            return
        end = self._end(event["ttl"]) if "ttl" in event else None
        one = deed(what, time, key, event.get("quantity"), keeps=event.get("rest") == "keep", end=end)
        target = event["target"]["source"], event["target"]["id"]
        if target in self.seen:
            self._settle(key, target, one)
        else:
            self.waiting[target].append((key, one))
            self.told_to_wait[key] = self.sequence

    def _end(self, ttl: str) -> int:
        return FOREVER if ttl == "none" else self.now + int(ttl[:-1]) * 10**9

    def _request(self, key: Key, time: int, event: dict[str, Any]) -> None:
        asked = [event | line for line in event.get("lines", [{}])]
        answer: dict[str, Any] = {"status": "refused", "outcome": "insufficient", "quantity": 0, "lines": [],
                                  "expires": None}  # fmt: skip
        reservation = Reservation(key, time, self._end(event.get("ttl", TTL)), len(asked))
        if any(time <= self._line_of(one).closed((one["sku"], one["location"])) for one in asked):
            self.refused.add(key)
            self._answer(key, answer)
            return
        told = []
        for one in asked:
            quantity, more = self._granted(reservation, one)
            if event.get("policy") != "partial" and quantity < one["quantity"]:
                quantity, more["available"] = 0, quantity
            told.append({"sku": one["sku"], "location": one["location"], "quantity": quantity, **more})
            if quantity:
                self._hold(reservation, one, quantity)
        granted = sum(line["quantity"] for line in told)
        is_whole = all(line["quantity"] == one["quantity"] for line, one in zip(told, asked, strict=True))
        if granted and (is_whole or event.get("policy") == "partial"):
            self.reservations[key] = reservation
            self._ends[key] = reservation.end
            self._check_not_oversold(reservation)
            expires = None if reservation.end == FOREVER else written(reservation.end)
            answer |= {"status": "granted" if is_whole else "partly", "outcome": "applied", "quantity": granted,
                       "expires": expires}  # fmt: skip
        else:
            for hold in reservation.holds:
                self._let_go(hold)
            for line in told:
                line["available"] = line.get("available", line["quantity"])
                line["quantity"] = 0
            answer["status"] = "insufficient"
        self._answer(key, answer | {"lines": told})

    def _answer(self, key: Key, answer: dict[str, Any]) -> None:
        self.answers[key] = {"source": key[0], "id": key[1], **answer, "sequence": self.sequence}

    def _line_of(self, one: dict[str, Any]) -> Line:
        return self.line((one["document"], one["line"], one["sku"]))

    def _granted(self, reservation: Reservation, one: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """How much a line would get, and where that is not all, what its answer says of it."""
        day = date.fromisoformat(one["due"]).toordinal() if "due" in one else self.today
        wanted = one["quantity"]
        left = self._left_by_others(one)
        granted = self._fitting(reservation, one, max(day, self.today), wanted, left)
        if granted == wanted:
            return granted, {}
        days = (self.today + ahead for ahead in range(HORIZON))
        found = (day for day in days if self._fitting(reservation, one, day, wanted, left) == wanted)
        earliest = next((date.fromordinal(day).isoformat() for day in found), None)
        return granted, {"available": granted, "earliest": earliest}

    def _left_by_others(self, one: dict[str, Any]) -> list[int]:
        """What all other lines leave, by day."""
        key, spot = (one["document"], one["line"], one["sku"]), (one["sku"], one["location"])
        return [max(0, self.left(spot, ahead, without=key)) for ahead in range(HORIZON)]

    def _fitting(self, reservation: Reservation, one: dict[str, Any], day: int, wanted: int, left: list[int]) -> int:
        """§4: the greatest quantity whose need fits what all other lines leave, in every bucket."""
        key, spot = (one["document"], one["line"], one["sku"]), (one["sku"], one["location"])
        if reservation.time <= self.line(key).closed(spot):
            return 0
        before = self.standing(key).claims
        for quantity in range(wanted, 0, -1):
            hold = self._hold(reservation, one, quantity, day)
            standing = self.standing(key)
            fits = all(standing.need(spot, ahead) <= left[ahead] for ahead in range(HORIZON))
            fits = fits and self._fits_elsewhere(key, spot, before)
            self._let_go(hold)
            if fits:
                return quantity
        return 0

    def _fits_elsewhere(self, key: LineKey, asked: Spot, before: list[dict[Spot, list[int]]]) -> bool:
        """§4: what the line claims at other spots does not grow beyond what is there."""
        now = self.standing(key)
        for spot in now.stands.keys() - {asked}:
            left = [self.left(spot, ahead, without=key) for ahead in range(HORIZON)]
            for ahead in range(HORIZON):
                claimed = now.claim(spot, ahead)
                if claimed > sum(before[ahead].get(spot, ())) and claimed > max(0, min(left[ahead:])):
                    return False
        return True

    def _hold(self, reservation: Reservation, one: dict[str, Any], quantity: int, day: int | None = None) -> Hold:
        key, spot = (one["document"], one["line"], one["sku"]), (one["sku"], one["location"])
        if day is None:
            day = date.fromisoformat(one["due"]).toordinal() if "due" in one else AT_ONCE
        hold = Hold(reservation, key, spot, day if day > self.today else AT_ONCE, quantity)
        reservation.holds.append(hold)
        self.line(key).holds.append(hold)
        self._touch(key)
        return hold

    def _let_go(self, hold: Hold) -> None:
        """What was only tried."""
        hold.reservation.holds = [one for one in hold.reservation.holds if one is not hold]
        self.line(hold.line).holds = [one for one in self.line(hold.line).holds if one is not hold]
        self._touch(hold.line)

    def _check_not_oversold(self, reservation: Reservation) -> None:
        """Whatever was decided: on no day do all holds and posts together want more of a spot than there is."""
        for hold in reservation.holds:
            for ahead in range(HORIZON):
                if self.standing(hold.line).need(hold.spot, ahead):
                    standings = [self.standing(key) for key in self._at[hold.spot]]
                    promised = sum(min(one.need(hold.spot, ahead), one.claim(hold.spot, ahead)) for one in standings)
                    assert promised <= self.there(hold.spot, ahead), f"{hold.spot} is oversold by {reservation.key}"

    # What becomes of what was granted

    def _settle(self, key: Key, target: Key, one: Deed) -> None:
        reservation = self.reservations.get(target)
        status = {0: "changed", 1: "posted"}.get(one.rank, "voided")
        if reservation is None or (one.quantity is not None and reservation.lines != 1):
            is_refused = target in self.refused
            self._answer(key, {"status": status if is_refused else "refused", "quantity": 0,
                               "outcome": "absorbed" if is_refused else "unknown_reference"})  # fmt: skip
            return
        opened = [hold for hold in reservation.holds if not self.has_no_say(hold) or self._opens(hold, one)]
        if not self._fits(reservation, one, opened):
            told = {"status": "insufficient", "outcome": "insufficient", "quantity": 0}
            self._answer(key, told if opened else told | {"status": status, "outcome": "absorbed"})
            return
        reservation.add(one)
        reservation.is_over &= one.end is None
        steps = [hold.fold().steps[one.key] for hold in opened]
        self._touch(*(hold.line for hold in reservation.holds))
        self._ends[target] = reservation.holds[0].fold().end
        asked = FOREVER if one.quantity is None else one.quantity
        quantity = sum(after if one.rank == 0 else min(before, asked) for before, after in steps)
        self._answer(key, {"status": status, "outcome": "applied" if opened else "absorbed", "quantity": quantity})

    def has_no_say(self, hold: Hold) -> bool:
        """Whether it ended with a closing of its line, or its line is closed."""
        return self.line(hold.line).has_ended(hold) or self.standing(hold.line).is_closed(hold.spot)

    def _fits(self, reservation: Reservation, one: Deed, opened: list[Hold]) -> bool:
        """Whether a post or change finds what it is about, and a change that wants more gets it."""
        if one.rank > 1:
            return True
        if one.rank == 0 and any(hold.fold().runs_out <= self.now for hold in opened):
            return False  # It may be somebody else's by now, whenever the change was effective.
        had = [hold.fold().kept for hold in opened]
        insort(reservation.deeds, one)
        before = [hold.fold().steps[one.key][0] for hold in opened or reservation.holds]
        has = [hold.fold().kept for hold in opened]
        reservation.deeds.remove(one)
        if not any(before):
            return False
        if one.rank == 1 and one.quantity is not None and one.quantity > before[0]:
            return False
        # What was told before, and is effective later, may leave nothing of what it wants more. It may also have
        # given back what a late post takes, beyond what was granted.
        beyond = [now if now > hold.granted else 0 for now, hold in zip(has, opened, strict=True)]
        grown = [now - then for now, then in zip(has if one.rank == 0 else beyond, had, strict=True)]
        if one.rank == 0:
            grown = [min(grown[0], one.quantity - before[0])] if opened and one.quantity is not None else []
        return all(self._is_there(hold, more) for hold, more in zip(opened, grown, strict=False))

    def _is_there(self, hold: Hold, more: int) -> bool:
        """Whether a hold could be granted more."""
        if more <= 0:
            return True
        about = dict(zip(("document", "line", "sku"), hold.line, strict=True)) | {"location": hold.spot[1]}
        trial = Reservation(hold.reservation.key, hold.reservation.time, FOREVER, 1)
        return self._fitting(trial, about, max(hold.day, self.today), more, self._left_by_others(about)) == more

    def _opens(self, hold: Hold, one: Deed) -> bool:
        """Whether a change wants more of a hold whose line is closed, and it is open with that."""
        if one.rank > 0:
            return False
        had = hold.fold().kept
        insort(hold.reservation.deeds, one)
        self._touch(hold.line)
        is_opened = hold.fold().kept > had and not self.has_no_say(hold)
        hold.reservation.deeds.remove(one)
        self._touch(hold.line)
        return is_opened

    def holdings(self, *, of_closed: bool) -> Counter[tuple[Key, Spot, int]]:
        """Who holds how much where, of lines that are open, or of all lines of those that have an open one."""
        found: Counter[tuple[Key, Spot, int]] = Counter()
        for key, reservation in self.reservations.items():
            opened = [hold for hold in reservation.holds if not self.has_no_say(hold)]
            for hold in reservation.holds if of_closed and opened else opened:
                if live := hold.fold().live:
                    found[key, hold.spot, live] += 1
        return found
