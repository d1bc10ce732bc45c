"""Outcome: what became of an event, as a number that never changes and in words (docs/events.md §8)."""

from enum import IntEnum
from typing import Final


class Outcome(IntEnum):
    """The one final answer that every event gets. Its number is what `Batch.outcomes` holds, its text is the name.

    >>> Outcome(1), str(Outcome.DUPLICATE), Outcome["HELD"].is_final
    (<Outcome.DUPLICATE: 1>, 'duplicate', False)
    >>> Outcome.DUPLICATE.words
    'same key, same body: it was counted before'
    """

    APPLIED = 0
    DUPLICATE = 1
    CONFLICT = 2
    HELD = 3
    LATE = 4
    ABSORBED = 5
    PENDING_APPROVAL = 6
    OBSERVED = 7
    MALFORMED = 16
    UNKNOWN_TYPE = 17
    NOT_OWNER = 18
    QUANTITY_INVALID = 19
    TIME_OUT_OF_BOUNDS = 20
    SEQUENCE_MISSING = 21
    NEGATIVE_STOCK = 22
    INSUFFICIENT = 23
    UNKNOWN_REFERENCE = 24
    OVERFLOW = 25
    TOO_LARGE = 26
    COUNT_BEYOND_HISTORY = 27
    LOOP = 28

    def __str__(self) -> str:
        """Its name, as everywhere else: `duplicate`."""
        return self.name.lower()

    @property
    def words(self) -> str:
        """What it means, in a few words."""
        return _WORDS[self]

    @property
    def is_final(self) -> bool:
        """Whether it will stay so: what is held, or waits for an approval, gets another one later."""
        return self not in (Outcome.HELD, Outcome.PENDING_APPROVAL)

    @property
    def is_refusal(self) -> bool:
        """Whether the event was refused for what it says: nothing changed, and a person has to look at it."""
        return self >= Outcome.MALFORMED


_WORDS: Final = {
    Outcome.APPLIED: "it changed the ledger",
    Outcome.DUPLICATE: "same key, same body: it was counted before",
    Outcome.CONFLICT: "same key, other body: nothing changed",
    Outcome.HELD: "it waits for its predecessors, or for its target",
    Outcome.LATE: "applied, after its number was given up, taken, or passed",
    Outcome.ABSORBED: "effective at or before the latest count, which already contains it",
    Outcome.PENDING_APPROVAL: "it waits for an approval",
    Outcome.OBSERVED: "recorded; its source only observes",
    Outcome.MALFORMED: "no event in the form of the contract",
    Outcome.UNKNOWN_TYPE: "in no rule table, and no alias",
    Outcome.NOT_OWNER: "the source may not say this",
    Outcome.QUANTITY_INVALID: "a number that breaks its rule",
    Outcome.TIME_OUT_OF_BOUNDS: "effective time outside the source's bounds",
    Outcome.SEQUENCE_MISSING: "the source's order asks for a `sequence`",
    Outcome.NEGATIVE_STOCK: 'would take `on_hand` below zero under `negative_stock = "refuse"`',
    Outcome.INSUFFICIENT: "not granted: not enough to promise",
    Outcome.UNKNOWN_REFERENCE: "it names something that does not exist",
    Outcome.OVERFLOW: "an account would leave ±10¹⁵ units",
    Outcome.TOO_LARGE: "more than 64 KiB",
    Outcome.COUNT_BEYOND_HISTORY: "a count that reaches back further than the position's history",
    Outcome.LOOP: "it made more hops than a sync without a loop makes",
}
