"""Seeded events of sources that skip, repeat, take back and leap, and what operators say about them. Holds no test."""

import json
import random
from collections.abc import Mapping
from typing import Any

TABLES: Mapping[str, Mapping[str, Any]] = {
    "sources.scanner": {"order": "source", "gap_wait": "1h", "held_max": 30},
    "approvals": {"absolute": "500"},
}
"""Gaps are given up by their number of held events: how long a test takes must not matter."""
_NEVER = "never-sent"


class Disorder:
    """Draws messages. Some of what is held, pending or waited for is still so at the end."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sent: list[dict[str, Any]] = []
        self._refused: list[dict[str, Any]] = []
        self._mistakes: list[dict[str, Any]] = []
        self._pending: list[str] = []
        self._awaited: list[str] = []
        self._lost: list[dict[str, Any]] = []
        self._scans = 0
        self._number = 0

    def messages(self, count: int) -> list[bytes]:
        """Messages of one to four events each, and at the end some that nothing follows."""
        rng = self._rng
        drawn = [self._message(rng.choice([1, 1, 2, 4])) for _ in range(count)]
        # A void of what never comes, a scan behind one that is lost, and a leap that nobody decides.
        self._scans += 1
        last = [self._void(_NEVER), self._new_scan(), self._leap(), self._stock() | {"quantity": "many"}]
        return [*drawn, *(json.dumps(event).encode() for event in last)]

    @property
    def unanswered(self) -> list[tuple[str, str]]:
        """Keys of a void that waits at the end, and of a scan that is held."""
        return [("wms", f"void-{_NEVER}"), ("scanner", f"scan-{self._scans}")]

    def _message(self, events: int) -> bytes:
        draws = (self._stock, self._scan, self._mistake, self._leap, self._correction, self._said, self._again)
        weights = (6, 5, 1, 1, 2, 2, 1)
        return b"\n".join(json.dumps(draw()).encode() for draw in self._rng.choices(draws, weights, k=events))

    def _stock(self, source: str = "wms") -> dict[str, Any]:
        rng = self._rng
        self._number += 1
        # Some voids came before what they are about.
        awaited = self._awaited.pop() if self._awaited and rng.random() < 0.3 else f"e{self._number}"
        event: dict[str, Any] = {
            "id": awaited,
            "source": source,
            "type": rng.choice(["stock.received", "stock.received", "stock.sold", "stock.counted"]),
            "sku": f"sku-{rng.randrange(8)}",
            "location": f"dc-{rng.randrange(2)}",
            "quantity": rng.randrange(1, 60),
        }
        self._sent.append(event)
        return event

    def _scan(self) -> dict[str, Any]:
        """The scanner counts its events; one in ten is lost at first, and half of the lost ones come late."""
        rng = self._rng
        if self._lost and rng.random() < 0.15:
            return self._lost.pop(rng.randrange(len(self._lost)))
        return self._new_scan()

    def _new_scan(self) -> dict[str, Any]:
        rng = self._rng
        while True:
            self._scans += 1
            event = self._stock("scanner") | {"id": f"scan-{self._scans}", "sequence": self._scans}
            if rng.random() > 0.1:
                return event
            if rng.random() < 0.5:
                self._lost.append(event)

    def _mistake(self) -> dict[str, Any]:
        event = self._stock()
        self._refused.append(event)
        mistake: dict[str, Any] = self._rng.choice([{"type": "stock.teleported"}, {"quantity": -1}])
        self._mistakes.append(event | mistake)
        return self._mistakes[-1]

    def _leap(self) -> dict[str, Any]:
        event = self._stock() | {"type": "stock.counted", "quantity": self._rng.randrange(5_000, 9_000)}
        self._pending.append(event["id"])
        return event

    def _void(self, target: str) -> dict[str, Any]:
        return {"id": f"void-{target}", "source": "wms", "type": "event.voided", "target": {"id": target}}

    def _correction(self) -> dict[str, Any]:
        rng = self._rng
        self._number += 1
        if not self._sent or rng.random() < 0.3:
            self._awaited.append(f"later-{self._number}")
            return self._void(self._awaited[-1])
        said = rng.choice(self._sent)
        if rng.random() < 0.5:
            return self._void(said["id"]) | {"source": said["source"], "sequence": self._number}
        event = {name: said[name] for name in ("type", "sku", "location")} | {"quantity": rng.randrange(1, 60)}
        about = {"target": {"source": said["source"], "id": said["id"]}, "event": event}
        return {"id": f"fix-{self._number}", "source": "wms", "type": "event.corrected", **about}

    def _said(self) -> dict[str, Any]:
        """What an operator says: a decision, or a word about an exception that may or may not be there."""
        rng = self._rng
        self._number += 1
        said: dict[str, Any] = {"id": f"said-{self._number}", "source": "operator"}
        if self._pending and rng.random() < 0.5:
            target = {"source": "wms", "id": self._pending.pop(rng.randrange(len(self._pending)))}
            return said | {"type": rng.choice(["approval.granted", "approval.denied"]), "target": target}
        kind = rng.choice(["exception.acknowledged", "exception.resolved", "exception.discarded"])
        # There are fewer exceptions than events.
        return said | {"type": kind, "exception": rng.randint(1, 1 + self._number // 8)}

    def _again(self) -> dict[str, Any]:
        """A repetition, of a mistake too, or a refused event with its mistake repaired."""
        rng = self._rng
        if self._refused and rng.random() < 0.5:
            return self._refused.pop(rng.randrange(len(self._refused)))
        return rng.choice(rng.choice([self._sent, self._mistakes or self._sent]) or [self._stock()])
