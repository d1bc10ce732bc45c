"""What one line of an order claims (docs/claims.md §2 and §3), worked out anew from the set of its facts each time.

It shares nothing with the engine, and knows what the test of orders sends and no more: no facts without a line, no
lots. Days are ordinals (0: at once), times nanoseconds, quantities whole units.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain

from tests.integration.holds_model import AT_ONCE, FOREVER, NEVER, Hold, Spot


@dataclass(frozen=True)
class Fact:
    """What was said of a line at a spot. An order may say a quantity, a day, or both."""

    kind: str
    spot: Spot
    time: int
    quantity: int | None = None
    day: int | None = None


@dataclass(frozen=True)
class Wants:
    """What a line wants at one spot: O, R, A, H and posts by day, T, G, and when its voices spoke last."""

    order: int
    due: int
    stated: int
    reserved: int
    allocated: int
    held: list[tuple[int, int]]
    posted: list[tuple[int, int]]
    taken: int
    gone: int
    shipped: int
    said: tuple[int, int, int] = (NEVER, NEVER, NEVER)
    is_shut: bool = False

    def ordered(self, day: int) -> int:
        return self.order if self.due <= day else 0

    def hard(self, day: int) -> int:
        return min(_sum(self.posted, day), max(0, self.taken))

    def held_and_posted(self, day: int) -> int:
        return _sum(self.held, day) + self.hard(day)

    def voices(self, day: int) -> tuple[int, int, int, int]:
        """O, R, A and H + T, as they count in sums over spots."""
        return self.ordered(day), max(0, self.reserved), max(0, self.allocated), self.held_and_posted(day)

    def layers(self, day: int) -> list[int]:
        """What is claimed by the order alone, what is held or reserved, and what is allocated or posted."""
        if self.is_shut:
            return [0, 0, 0]
        order, reserved, allocated, held = self.voices(day)
        hard = max(0, max(allocated, self.hard(day)) - self.gone)
        soft = max(hard, max(reserved, allocated, held) - self.gone)
        return [max(soft, order - self.gone) - soft, soft - hard, hard]


def _sum(dated: Iterable[tuple[int, int]], until: int) -> int:
    return sum(quantity for at, quantity in dated if at <= until)


@dataclass
class Line:
    """All that was said of one line. The closings are those of its document."""

    closings: list[int]
    facts: list[Fact] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def closed(self, spot: Spot, until: int = FOREVER) -> int:
        """When it was closed by word last."""
        own = (fact.time for fact in self.facts if fact.kind == "closed" and fact.spot[1] == spot[1])
        return max((time for time in chain(own, self.closings) if time <= until), default=NEVER)

    def opened(self) -> int:
        """When a request last found it closed by quantity and opened it; NEVER."""
        opened = NEVER
        for time in sorted({hold.time for hold in self.holds}):
            if is_full(self.wants(time, opened, is_asked=False)):
                opened = time
        return opened

    def stands(self) -> dict[Spot, Wants]:
        """What it wants at each spot by all that was said."""
        return self.wants(FOREVER, self.opened())

    def has_ended(self, hold: Hold) -> bool:
        """Whether a closing ended it, by word, or by quantity before a request opened the line again."""
        return hold.time <= self.closed(hold.spot) or hold.time < self.opened()

    def wants(self, until: int, opened: int, *, is_asked: bool = True) -> dict[Spot, Wants]:
        """What it wants by what is effective by then; without `is_asked` leaving out requests of that very time."""
        holds = [hold for hold in self.holds if hold.time < until or (is_asked and hold.time == until)]
        facts = [fact for fact in self.facts if fact.time <= until]
        spots = sorted({fact.spot for fact in facts} | {hold.spot for hold in holds}, key=lambda spot: spot[1])
        return {spot: self._wants_at(spot, facts, holds, until, opened) for spot in spots}

    def _wants_at(self, spot: Spot, facts: list[Fact], holds: list[Hold], until: int, opened: int) -> Wants:
        facts = [fact for fact in facts if fact.spot == spot]
        holds = [hold for hold in holds if hold.spot == spot]
        closed = self.closed(spot, until)
        opening = (fact.time for fact in facts if fact.kind in ("reserved", "allocated", "order") and fact.quantity)
        if closed == NEVER or any(time > closed for time in chain(opening, (hold.time for hold in holds))):
            return wants(facts, holds, until, closed, opened)
        past = wants([fact for fact in facts if fact.time <= closed], [], closed, NEVER, NEVER)
        now = wants(facts, [], until, closed, opened)
        order, reserved, allocated, _ = (min(voice, now.gone) for voice in past.voices(FOREVER))
        # What was held there ended, and counts like what was refused.
        return replace(now, order=order, due=AT_ONCE, stated=past.stated, reserved=reserved, allocated=allocated,
                       held=[(AT_ONCE, now.gone)], posted=[], taken=0, is_shut=True)  # fmt: skip


def wants(facts: list[Fact], holds: list[Hold], until: int, closed: int, opened: int) -> Wants:
    """§2, of the facts and holds of one spot, if it was closed and opened last at these times."""
    since = max(closed, opened)

    def total(kind: str, to: int = until, after: int = NEVER) -> int:
        return sum(fact.quantity or 0 for fact in facts if fact.kind == kind and after < fact.time <= to)

    def gone(to: int) -> int:
        return max(total("picked", to) - total("unpicked", to), total("shipped", to))

    def claimed(kind: str, to: int = until) -> int:
        return total(kind, to, since)

    def latest(kind: str) -> int:
        return max((fact.time for fact in facts if fact.kind == kind and fact.time > since), default=NEVER)

    orders = [fact for fact in facts if fact.kind == "order" and fact.time > closed]
    stated = max((fact.time for fact in orders if fact.quantity is not None), default=NEVER)
    dated = max((fact.time for fact in orders if fact.day is not None), default=NEVER)
    folds = [(hold, hold.fold(until)) for hold in holds if hold.time > closed and hold.time >= opened]
    # What was put back before anything else left has not gone.
    put_back = (fact.time for fact in facts if fact.kind == "unpicked" and since < fact.time <= until)
    base = min(map(gone, (since, *put_back))) if since > NEVER else 0
    posted = [(time, hold.day, quantity) for hold, fold in folds for time, quantity in fold.posted]
    # What lapsed counts as posted as far as it was allocated or had gone by then, and nobody had posted it.
    posts, counted = list(posted), 0
    for time, day, quantity in sorted((at, hold.day, much) for hold, fold in folds for at, much in fold.lapsed):
        most = max(claimed("allocated", time) - claimed("deallocated", time), gone(time) - base)
        part = min(quantity, max(0, most - sum(much for at, _, much in posts if at <= time) - counted))
        posted.append((time, day, part))
        counted += part
    given_back = max(0, claimed("deallocated") - claimed("allocated") - base)
    unreserved = max(0, claimed("unreserved") - (gone(until) - base))
    return Wants(
        order=max((fact.quantity or 0 for fact in orders if fact.time == stated), default=0),
        due=min((fact.day for fact in orders if fact.time == dated and fact.day is not None), default=AT_ONCE),
        stated=stated,
        reserved=base + claimed("reserved") - min(claimed("converted"), claimed("deallocated")) - unreserved,
        allocated=base + claimed("allocated") - claimed("deallocated"),
        held=[(hold.day, fold.live) for hold, fold in folds],
        posted=[(AT_ONCE, base), *((day, quantity) for _, day, quantity in posted)],
        taken=base + sum(quantity for *_, quantity in posted) - given_back,
        gone=gone(until),
        shipped=total("shipped"),
        said=(latest("reserved"), latest("allocated"),
              max((time for hold, fold in folds for time in (hold.time, *fold.raised)), default=NEVER)),
    )  # fmt: skip


def is_full(stands: dict[Spot, Wants]) -> bool:
    """§3, closed by quantity: all that was ordered was shipped, and no voice that spoke later wants more."""
    if not stands:
        return False
    ordered, *voices = (sum(column) for column in zip(*(each.voices(FOREVER) for each in stands.values()), strict=True))
    stated = max((each.stated for each in stands.values() if each.ordered(FOREVER) > 0), default=NEVER)
    louder = (
        voice > ordered and max(each.said[index] for each in stands.values()) > stated
        for index, voice in enumerate(voices)
    )
    return 0 < ordered <= sum(each.shipped for each in stands.values()) and not any(louder)


def claims(stands: dict[Spot, Wants], day: int) -> dict[Spot, list[int]]:
    """§2, several positions: what a line claims at each spot up to a day, in the layers of `Wants.layers`."""
    if not stands or is_full(stands):
        return {}
    layers = {spot: each.layers(day) for spot, each in stands.items()}
    if any(each.order > 0 and not each.is_shut for each in stands.values()):
        most = max(sum(column) for column in zip(*(each.voices(day) for each in stands.values()), strict=True))
        most = max(0, most - sum(each.gone for each in stands.values()))
        beyond = max(0, sum(map(sum, layers.values())) - most)
        for index in range(3):
            for each in layers.values():
                part = min(beyond, each[index])
                each[index] -= part
                beyond -= part
    return layers


def need(stands: dict[Spot, Wants], spot: Spot, day: int) -> int:
    """§4: what holds and posts want of a spot up to a day, beyond what has gone."""
    return max(0, stands[spot].held_and_posted(day) - stands[spot].gone) if spot in stands else 0
