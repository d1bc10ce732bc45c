"""Rows: events for the growth curves, made by the block as one matrix of bytes; no file and no memory holds them all.

Every row has the same width, so a field is a few columns of the matrix and drawing a block costs less than applying it.
Three commuting types, uniform positions (the worst case for caches), 3 % duplicates. Balances are known by arithmetic.
No event names a document: positions and keys are what grows here, not lines of orders.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_EVENTS: Final = 200_000
LOCATIONS: Final = 20
DUPLICATE_SHARE: Final = 0.03
DUPLICATE_WINDOW: Final = 5_000
EVENTS_PER_MS: Final = 2
"""100 M events stay within the dedup window of 24 hours."""
_TYPES: Final = (b"stock.received", b"stock.adjusted", b"stock.reserved")
_RESERVED: Final = 2
_ROW: Final = (
    b'{"id":"e-#########","source":"wms-##","type":"??????????????","time":"2026-01-05T##:##:##.###Z",'
    b'"sku":"SKU-#######","location":"DC-##","reason":"SO-######","quantity":#}\n'
)
CONFIG: Final = '[engine]\nmax_age = "none"\nnegative_stock = "allow"\ndedup_keys_max = 4000000000\n'


@dataclass(slots=True)
class Rows:
    """A source of blocks over `positions` positions. The first `positions` events touch each of them once."""

    positions: int
    seed: int
    events: int = 0
    """Rows made so far; duplicates included."""
    duplicates: int = 0
    on_hand: int = 0
    """What all positions together must hold, in units."""
    reserved: int = 0
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def blocks(self, events: int) -> Iterator[bytes]:
        """The next `events` rows as NDJSON, a block at a time."""
        for start in range(0, events, BLOCK_EVENTS):
            yield self._block(min(BLOCK_EVENTS, events - start))

    def _block(self, count: int) -> bytes:
        number = np.arange(self.events, self.events + count)
        # A stride that shares no factor with the count visits every position once, scattered.
        scattered = number * 7_368_787 % self.positions
        position = np.where(number < self.positions, scattered, self._rng.integers(0, self.positions, count))
        kind = self._rng.integers(0, len(_TYPES), count)
        quantity = self._rng.integers(1, 10, count)
        rows = np.tile(np.frombuffer(_ROW, np.uint8), (count, 1))
        types = np.array([np.frombuffer(name, np.uint8) for name in _TYPES])
        at = _ROW.index(b"?")
        rows[:, at : at + types.shape[1]] = types[kind]
        ms = number // EVENTS_PER_MS
        clock = (ms // 3_600_000, ms // 60_000 % 60, ms // 1_000 % 60, ms % 1_000)
        location = position % LOCATIONS
        _write_digits(rows, (number, location, *clock, position // LOCATIONS, location, number % 1_000_000, quantity))
        repeats = np.flatnonzero((self._rng.random(count) < DUPLICATE_SHARE) & (number >= self.positions))
        repeats = repeats[repeats >= DUPLICATE_WINDOW]
        originals = repeats - self._rng.integers(1, DUPLICATE_WINDOW, len(repeats))
        fresh = np.ones(count, bool)
        fresh[repeats] = False
        # The original of a repetition must itself stay where it is.
        stays = fresh[originals]
        fresh[repeats[~stays]] = True
        repeats, originals = repeats[stays], originals[stays]
        rows[repeats] = rows[originals]
        self.events += count
        self.duplicates += len(repeats)
        self.reserved += int(quantity[fresh & (kind == _RESERVED)].sum())
        self.on_hand += int(quantity[fresh & (kind != _RESERVED)].sum())
        return rows.tobytes()


def _write_digits(rows: NDArray[np.uint8], values: tuple[NDArray[np.int64], ...]) -> None:
    """Fills the runs of `#` in order, one value each."""
    marks = np.flatnonzero(np.frombuffer(_ROW, np.uint8) == ord("#"))
    runs = np.split(marks, np.flatnonzero(np.diff(marks) > 1) + 1)
    for columns, value in zip(runs, values, strict=True):
        rest = value.copy()
        for column in columns[::-1]:
            rows[:, column] = rest % 10 + ord("0")
            rest //= 10
