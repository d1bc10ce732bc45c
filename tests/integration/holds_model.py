"""What became of what was granted (docs/claims.md §1): posts, voids and changes, folded by their effective times.

Part of the model of claims; it shares nothing with the engine. Times are nanoseconds, quantities whole units.
"""

from bisect import insort
from dataclasses import dataclass, field

NEVER = -1
FOREVER = 1 << 63
AT_ONCE = 0
Key = tuple[str, str]
Spot = tuple[str, str]
LineKey = tuple[str, int, str]
"""Document, line and SKU."""


@dataclass(frozen=True, order=True)
class Deed:
    """A post, void or change of a reservation. At one time they count in the order of these members."""

    time: int
    rank: int
    """0: a change, 1: a post, 2: a void with a quantity, 3: one without."""
    size: int
    key: Key
    quantity: int | None = field(compare=False)
    keeps: bool = field(default=False, compare=False)
    end: int | None = field(default=None, compare=False)
    """When a change lets the hold end; None: it says nothing of that."""


def deed(kind: str, time: int, key: Key, quantity: int | None, *, keeps: bool = False, end: int | None = None) -> Deed:
    """A deed in its place: the lesser change comes first, the greater post."""
    rank = {"changed": 0, "posted": 1, "voided": 2 if quantity is not None else 3}[kind]
    size = -(FOREVER if quantity is None else quantity) if kind == "posted" else quantity or 0
    return Deed(time, rank, size, key, quantity, keeps, end)


@dataclass
class Reservation:
    """What was granted under one key: a hold for each line of it that got something."""

    key: Key
    time: int
    end: int
    lines: int
    """How many were asked for."""
    holds: "list[Hold]" = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    is_over: bool = False
    """Whether its end has come by the log's time."""

    def add(self, one: Deed) -> None:
        insort(self.deeds, one)


@dataclass
class Fold:
    """What became of a hold: live, posted and lapsed with their times, and what was live around each deed."""

    live: int
    end: int
    runs_out: int
    """When its time is over, whatever was given back."""
    posted: list[tuple[int, int]] = field(default_factory=list)
    lapsed: list[tuple[int, int]] = field(default_factory=list)
    raised: list[int] = field(default_factory=list)
    steps: dict[Key, tuple[int, int]] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """What is live or was posted."""
        return self.live + sum(quantity for _, quantity in self.posted)

    def lapse(self, time: int) -> None:
        if self.live:
            self.lapsed.append((time, self.live))
            self.live = 0


@dataclass
class Hold:
    """What was granted to one line, and for which day."""

    reservation: Reservation
    line: LineKey
    spot: Spot
    day: int
    granted: int

    @property
    def time(self) -> int:
        return self.reservation.time

    def fold(self, until: int = FOREVER) -> Fold:
        """§1, holds: what the deeds made of it that are effective by then."""
        fold = Fold(self.granted, self.reservation.end, self.reservation.end)
        for one in self.reservation.deeds:
            if one.time > until:
                break
            if fold.end < one.time:
                fold.steps[one.key] = 0, 0
                continue
            before = fold.live
            if one.rank < 2 and not before:
                pass  # Nothing is live at its own time, so it is no part of this.
            elif one.rank == 0:
                if one.quantity is not None:
                    fold.live = one.quantity
                    fold.raised += [one.time] if fold.live > before else []
                fold.end = fold.end if one.end is None else one.end
                fold.runs_out = fold.end
            elif one.rank == 1:
                taken = before if one.quantity is None else min(before, one.quantity)
                fold.posted.append((one.time, taken))
                fold.live = before - taken if one.keeps else 0
            elif one.quantity is not None:
                fold.live = max(0, before - one.quantity)
            else:
                fold.lapse(one.time)
                fold.end = one.time - 1  # Whatever is effective later finds nothing.
            fold.steps[one.key] = before, fold.live
        if self.reservation.is_over and fold.end <= until:
            fold.lapse(fold.end)
        return fold
