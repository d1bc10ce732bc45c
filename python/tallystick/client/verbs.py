"""Verbs: what became of a decision about an exception, in one honest sentence, and whether it is as was asked.

It looks at an exception before and after, and asks nobody.
"""

from dataclasses import dataclass
from typing import Final

from tallystick import exact_json
from tallystick.client.repair import REPEATABLE
from tallystick.client.work import WorkItem, sentence
from tallystick.errors import UsageError

DECIDABLE: Final = ("pending_approval", "mass_change")
"""Codes under which something waits for a decision."""
DECISIONS: Final = {"approve": "granted", "deny": "denied"}
DONE: Final = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "discard": "discarded",
    "approve": "approved",
    "deny": "denied",
    "assign": "assigned",
}
_NOUNS: Final = {"stock.counted": "count", "stock.adjusted": "adjustment"}


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody is told of a decision."""

    words: str
    holds: bool
    """Whether it is now as was asked, whoever brought it about."""


def check(what: str, number: int, item: WorkItem | None) -> WorkItem:
    """Raises UsageError for what can never be decided so, before anything is in the log."""
    if item is None:
        raise UsageError(f"there is no exception {number}; see: tallystick exceptions list")
    if what in DECISIONS and item.code not in DECIDABLE:
        raise UsageError(f"exception {number} is {item.code}; only {' and '.join(DECIDABLE)} wait for a decision")
    return item


def already(what: str, item: WorkItem, team: str | None = None) -> Told | None:
    """Returns what is to be said where nothing is to be done any more; None where the decision can be made."""
    if what == "assign":
        is_so = item.owner == team
    elif what in DECISIONS:
        is_so = item.moved_by == DECISIONS[what] and not item.is_unresolved
    else:
        is_so = item.state == DONE[what]
    if item.is_unresolved and not is_so:
        return None
    now = _state(item) if what != "assign" or not is_so else f"assigned to {team}"
    words = f"Exception {item.number} was {now} already{_by(item)}; nothing changed."
    if item.state == "discarded" and not is_so:
        words += f" It is not opened again{way_back(item)}"
    return Told(words, is_so)


def way_back(item: WorkItem) -> str:
    """What can be done after all about an exception that was discarded."""
    if item.code in REPEATABLE:
        return f"; to count its event after all: tallystick exceptions repair {item.number}"
    return "; what goes wrong anew gets an exception of its own."


def done(what: str, item: WorkItem, now: WorkItem | None, outcome: str | None, cause: str | None) -> Told:
    """Returns what became of a decision. `outcome` is None where it was refused by its form or by who said it."""
    name = f"Exception {item.number}"
    if outcome == "unknown_reference" or outcome is None:
        if now is not None and (meanwhile := already(what, now, item.owner)) is not None and what != "assign":
            return Told(meanwhile.words.replace(" already", " meanwhile", 1), meanwhile.holds)
        return Told(f"{name} was not {DONE[what]}: {cause or 'the daemon does not say why'}", False)
    if what == "assign":
        return Told(f"{name} assigned to {now.owner if now is not None else 'another team'}.", True)
    if what not in DECISIONS:
        return Told(f"{name} {DONE[what]}.", True)
    thing = _thing(item)
    if what == "deny":
        return Told(f"{name} denied; {thing} was dropped.", True)
    if outcome == "applied":
        return Told(f"{name} approved; {thing} was posted.", True)
    if outcome == "absorbed":
        return Told(f"{name} approved; {thing} changed nothing, because a later count has the last word.", True)
    reason = sentence(cause) if cause else f"It is {outcome}."
    return Told(f"{name} approved, but {thing} was refused. {reason}", False)


def _thing(item: WorkItem) -> str:
    """What waited under it."""
    if item.code == "mass_change":
        return "all that waited"
    try:
        kind = exact_json.loads(item.original or b"").get("type")
    except (ValueError, AttributeError):
        kind = None
    return f"the {_NOUNS.get(kind, 'event')}"


def _state(item: WorkItem) -> str:
    by_decision = {moved: DONE[what] for what, moved in DECISIONS.items()}
    return by_decision.get(item.moved_by or "", item.state)


def _by(item: WorkItem) -> str:
    """Who, and when: `, by ana at 2026-12-01 08:00:00Z`."""
    mover = f"by {item.person}" if item.person is not None else item.mover
    if item.moved_by in DECISIONS.values() and item.person is None:
        mover = ""
    moment = f"{item.moved_at[:10]} {item.moved_at[11:19]}Z" if item.moved_at else ""
    return "".join([f", {mover}" if mover else "", f" at {moment}" if moment else ""])
