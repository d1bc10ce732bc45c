"""Questions: what the daemon can be asked over the bus, where, and within which bounds.

Each question is a JSON object, each answer is JSON that fits into one message. Daemon and client read the same list,
so neither has to know the other; `daemon.answers` says how the engine answers.
"""

from dataclasses import dataclass
from typing import Any, Final

from tallystick import exact_json

ATP_SUBJECT: Final = "tallystick.atp"
STATUS_SUBJECT: Final = "tallystick.status"
PROMISE_SUBJECT: Final = "tallystick.promise"
UNRESOLVED: Final = ("open", "acknowledged")
"""States of an exception in which somebody still has to do something."""
STATES: Final = (*UNRESOLVED, "resolved", "discarded")
FILTERS: Final = ("code", "source", "owner", "correlation", "sku", "location", "document", "severity")
LIMIT_MAX: Final = 500
"""Most exceptions in one answer."""
KEYS_MAX: Final = 1_000
"""Most keys in one question for outcomes."""
EVENTS_MAX: Final = 500
"""Most events in one dry run."""
RESERVATIONS_MAX: Final = 1_000
CLAIMS_MAX: Final = 1_000
"""Most order lines in one answer."""
SIGNALS_MAX: Final = 1_000
"""Most replenishment signals in one answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that the daemon can be asked."""

    subject: str
    members: tuple[str, ...]
    cure: str
    """An example of a good question, for whoever sent a bad one."""

    @property
    def name(self) -> str:
        """Its name in the list of endpoints."""
        return self.subject.partition(".")[2].replace(".", "-")

    def parse(self, data: bytes) -> dict[str, Any]:
        """Returns the members of a question; no bytes are no members. Raises ValueError, which names what is wrong."""
        question = exact_json.loads(data) if data else {}
        if not isinstance(question, dict):
            raise ValueError("the request is no JSON object")  # noqa: TRY004 (a wrong value to whoever asks)
        if unknown := sorted(set(question) - set(self.members)):
            raise ValueError(f"unknown field {unknown[0][:32]!r}")
        return question


# Not `tallystick.exceptions`: the exception stream listens to that, and would take a question for a foreign writer.
LIST: Final = Question(
    "tallystick.exceptions.list",
    ("state", *FILTERS, "since", "after", "limit", "events"),
    'send {} or {"state": "unresolved", "code": "…", "source": "…", "owner": "…", "correlation": "…", "sku": "…", '
    '"location": "…", "document": "…", "severity": "…", "since": "2026-12-01T00:00:00Z", '
    '"after": 0, "limit": 100, "events": true}',
)
ONE: Final = Question("tallystick.exception", ("number",), 'send {"number": 1}')
STATS: Final = Question("tallystick.exceptions.stats", (), "send {}")
SOURCES: Final = Question("tallystick.sources", ("source",), 'send {} or {"source": "…"}')
SHADOW: Final = Question("tallystick.shadow", (), "send {}")
TRAIL: Final = Question(
    "tallystick.trail",
    ("sku", "location", "lot", "owner"),
    'send {"sku": "…", "location": "…"}, and lot and owner if the position has them',
)
WHAT_IF: Final = Question("tallystick.whatif", ("events",), 'send {"events": [{"id": "…", …}]}')
ANSWERS: Final = Question(
    "tallystick.answers", ("keys", "unposted"), 'send {"keys": [["source", "id"]]}, and "unposted": true if it counts'
)
RESERVATIONS: Final = Question(
    "tallystick.reservations",
    ("document", "sku", "location", "leaks", "source", "id", "limit"),
    'send {} or {"document": "…", "sku": "…", "location": "…", "leaks": true, "limit": 100}, or '
    '{"source": "…", "id": "…"} for one, live or not',
)
CLAIMS: Final = Question(
    "tallystick.claims",
    ("document", "sku", "location", "limit"),
    'send {} or {"document": "…", "sku": "…", "location": "…", "limit": 100}',
)
REPLENISH: Final = Question(
    "tallystick.replenish",
    ("sku", "location", "limit"),
    'send {} or {"sku": "…", "location": "…", "limit": 100}',
)
QUESTIONS: Final = (LIST, ONE, STATS, SOURCES, SHADOW, TRAIL, WHAT_IF, ANSWERS, RESERVATIONS, CLAIMS, REPLENISH)
