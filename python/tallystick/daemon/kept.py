"""Kept: whether an output stream still holds what it was sent, by what it held at earlier looks.

A purge leaves a stream that takes messages as if nothing had happened. It shows in what is gone though it was there at
a look, or came after it, and though no limit of the stream let it go. It asks nobody.
"""

import time
from typing import Final

_LOOKS_MAX: Final = 64
_APART_S: Final = 1.0


class Kept:
    """Looks at a stream: which message was its last one, and when."""

    def __init__(self) -> None:
        self._looks: list[tuple[int, float]] = []

    def begin(self, sequence: int) -> None:
        """Notes that this message of the stream, and what comes after it, is to be kept from now on."""
        self._looks = [(sequence, time.monotonic())]

    def note(self, sequence: int) -> None:
        """Notes how far the stream is now."""
        now = time.monotonic()
        if self._looks and (self._looks[-1][0] >= sequence or now - self._looks[-1][1] < _APART_S):
            return
        self._looks.append((sequence, now))
        if len(self._looks) > _LOOKS_MAX:
            self._looks = [self._looks[0], *self._looks[2::2]]

    def has_lost(self, lost_through: int, age_s: float) -> bool:
        """Whether a message is gone that was the last one at a look, or came later, and cannot be too old since then.

        `lost_through` is the last message that is gone, `age_s` the greatest age in the stream, 0 for any.
        """
        now = time.monotonic()
        looks = (sequence for sequence, at in self._looks if not age_s or now - at < age_s / 2)
        return any(lost_through >= sequence for sequence in looks)
