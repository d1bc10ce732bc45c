"""Records: what the engine answers, as typed dicts.

Quantities are in units and exact: int, or `Decimal`, never a float. Times are RFC 3339 in UTC. What stands under
`NotRequired` is absent where there is nothing to say. They have no code.

>>> from tallystick import Engine
>>> stats: ExceptionStats = Engine().exception_stats()
>>> stats["open"]
0
"""

from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

Amount = int | Decimal
"""A quantity in units."""


Version = TypedDict("Version", {"field": str, "was": str, "is": str})
"""A field in which two events under one key differ."""


class ExceptionItem(TypedDict):
    """One exception as an item of work (docs/truth.md §7)."""

    number: int
    subject: str
    """What it is about: what is raised again about the same adds to its count."""
    state: str
    escalated: bool
    count: int
    first_seen: str
    last_seen: str
    code: str
    severity: str
    owner: str
    """The team that works on it."""
    sequence: int
    index: int
    cause: str
    cure: str
    event_bytes_total: int
    outcome: NotRequired[str]
    source: NotRequired[str]
    id: NotRequired[str]
    correlationid: NotRequired[str]
    causationid: NotRequired[str]
    sku: NotRequired[str]
    location: NotRequired[str]
    fields: NotRequired[list[str]]
    missing_from: NotRequired[int]
    missing_to: NotRequired[int]
    event: NotRequired[str]
    event_hex: NotRequired[str]
    """The original where it is no UTF-8."""
    moved_by: NotRequired[str]
    moved_at: NotRequired[str]
    person: NotRequired[str]
    """Who spoke for the operator that moved it."""
    note: NotRequired[str]
    document: NotRequired[str]
    quantity: NotRequired[Amount]
    """As it was sent."""
    before: NotRequired[Amount]
    after: NotRequired[Amount]
    """What was on hand before and after, or would be."""
    versions: NotRequired[list[Version]]
    at_stake: NotRequired[Amount]
    """How much it is about: what is missing, what would change, or what was sent."""
    waiting: NotRequired[int]
    """Events that wait for its decision, where it is one for many."""
    value: NotRequired[Amount]
    """What that costs, where a unit's cost is known."""


class CodeCount(TypedDict):
    """Unresolved exceptions of one code."""

    code: str
    open: int
    acknowledged: int
    oldest: str
    owner: str
    severity: str


class ExceptionStats(TypedDict):
    """How many exceptions there are, by state and by code."""

    kept: int
    open: int
    acknowledged: int
    resolved: int
    discarded: int
    escalated: int
    spilled: int
    by_code: list[CodeCount]
    teams: list[str]
    operators: list[str]
    codes: list[str]
    """All that there are."""


Gap = TypedDict("Gap", {"from": int, "to": int, "sku": NotRequired[str], "location": NotRequired[str]})
"""Numbers that a source owes; of a position where it counts by position."""


class SourceReport(TypedDict):
    """What is known of one source (docs/truth.md §9). One that never sent anything has no counts."""

    source: str
    registered: bool
    order: str
    held: int
    open_gaps: list[Gap]
    team: NotRequired[str]
    replay_procedure: NotRequired[str]
    quality_percent: NotRequired[int]
    events: NotRequired[int]
    refusals: NotRequired[int]
    quality: NotRequired[str]
    """Accepted events in percent, with two digits."""
    outcomes: NotRequired[dict[str, int]]
    last_sequence: NotRequired[int]
    last_log_time: NotRequired[str]
    watermark_time: NotRequired[str]
    watermark_sequence: NotRequired[int]
    lag_s: NotRequired[str]
    alerts: NotRequired[list[str]]


class ShadowRow(TypedDict):
    """Where a policy on trial says something else."""

    source: str
    type: str
    role: str
    shadow_role: str
    count: int
    places: list[list[int]]
    """Log sequence and index of some of them."""


class ShadowReport(TypedDict):
    """What a policy on trial would have said otherwise (docs/truth.md §4)."""

    active: bool
    rows: list[ShadowRow]
    since_sequence: NotRequired[int]


class Movement(TypedDict):
    """One movement of a position."""

    time: str
    quantity: Amount


class Count(TypedDict):
    """One count of a position."""

    time: str
    quantity: Amount
    source: str
    id: str
    is_barrier: bool


class Trail(TypedDict):
    """The recent movements and counts of a position, oldest first."""

    movements: list[Movement]
    counts: list[Count]
    dropped_through: NotRequired[str]


class Tried(TypedDict):
    """What would become of one event."""

    outcome: str
    cause: NotRequired[str]
    source: NotRequired[str]
    id: NotRequired[str]


class TriedPosition(TypedDict):
    """A position that would change, as it is and as it would be: lines of the balances file."""

    sku: str
    location: str
    after: dict[str, str | Amount]
    before: NotRequired[dict[str, str | Amount]]
    lot: NotRequired[str]
    owner: NotRequired[str]


class WhatIf(TypedDict):
    """What messages would do if they came now."""

    sequence: int
    outcomes: list[Tried]
    positions: list[TriedPosition]
    exceptions: list[ExceptionItem]
    resolved: list[int]
    """Numbers of the exceptions that would be settled."""


class ReservationLine(TypedDict):
    """What one line of a reservation holds."""

    sku: str
    location: str
    held: Amount
    lot: NotRequired[str]
    owner: NotRequired[str]
    due: NotRequired[str]
    channel: NotRequired[str]


class Reservation(TypedDict):
    """One live reservation."""

    source: str
    id: str
    lines: list[ReservationLine]
    leak: bool
    end: str
    """`live`, or how it ended."""
    document: NotRequired[str]
    expires: NotRequired[str]


class Reservations(TypedDict):
    """Live reservations, oldest first, and how many there are in all."""

    sequence: int
    total: int
    reservations: list[Reservation]


class ClaimPosition(TypedDict):
    """What is said of an order line at one position, and what it claims there."""

    location: str
    open: bool
    ordered: Amount
    reserved: Amount
    allocated: Amount
    held: Amount
    posted: Amount
    gone: Amount
    claim: Amount
    lot: NotRequired[str]
    owner: NotRequired[str]
    closed: NotRequired[str]


class ClaimLine(TypedDict):
    """One order line."""

    document: str
    sku: str
    shipped_whole: bool
    positions: list[ClaimPosition]
    documents: NotRequired[str]
    line: NotRequired[int | str]


class Claims(TypedDict):
    """Order lines by document and line, and how many there are in all."""

    sequence: int
    total: int
    lines: list[ClaimLine]


class RecentDemand(TypedDict):
    """What was sold in the window of a rule."""

    days: int
    quantity: Amount


class Signal(TypedDict):
    """That a position is to be filled up (docs/replenish.md)."""

    sku: str
    location: str
    state: str
    reason: str
    quantity: Amount
    available: Amount
    reorder_point: Amount
    target: Amount
    lead_time_days: int
    sequence: int
    log_time: str
    recent_demand: NotRequired[RecentDemand]


class Signals(TypedDict):
    """What is to be ordered, and how many signals stand in all."""

    sequence: int
    total: int
    signals: list[Signal]


class AtpPosition(TypedDict):
    """A position: what can be promised of it today, and all that makes that up (docs/claims.md §6)."""

    sku: str
    location: str
    atp: Amount
    on_hand: Amount
    reserved: Amount
    allocated: Amount
    picked: Amount
    in_transit: Amount
    quarantine: Amount
    damaged: Amount
    ordered: Amount
    unpicked: Amount
    safety_stock: Amount
    pending: Amount
    on_hand_atp: Amount
    version: int
    lot: NotRequired[str]
    owner: NotRequired[str]


class Atp(TypedDict):
    """The positions of a SKU; what is unknown has none."""

    sequence: int
    positions: list[AtpPosition]


class Part(TypedDict):
    """What was granted of a location of a group."""

    location: str
    quantity: Amount


class GrantedLine(TypedDict):
    """What was granted of a line; where that is not all: how much there is, and from when on there is enough."""

    sku: str
    quantity: Amount
    location: NotRequired[str]
    group: NotRequired[str]
    lot: NotRequired[str]
    owner: NotRequired[str]
    available: NotRequired[Amount]
    earliest: NotRequired[str | None]
    parts: NotRequired[list[Part]]


class Reserved(TypedDict):
    """The engine's answer to a request for a promise (docs/promise.md §3)."""

    source: str
    id: str
    status: Literal["granted", "partly", "insufficient", "changed", "refused"]
    """`changed`: the position has another version than the one that was named."""
    outcome: str
    quantity: Amount
    """Granted in all."""
    lines: list[GrantedLine]
    sequence: int
    expires: NotRequired[str | None]
    version: NotRequired[int]
    why: NotRequired[str]


class Settled(TypedDict):
    """The engine's answer to a post, a void or a change of a reservation."""

    source: str
    id: str
    status: Literal["posted", "voided", "changed", "waiting", "insufficient", "refused"]
    """`waiting`: nobody requested the reservation yet."""
    outcome: str
    quantity: NotRequired[Amount]
    sequence: NotRequired[int]
    why: NotRequired[str]


class Blocked(TypedDict):
    """What the daemon cannot do just now."""

    what: str
    reason: str
    cure: str
    since: str


class SnapshotTaken(TypedDict):
    """The newest snapshot. Times and sizes are None where an earlier process wrote it."""

    sequence: int
    at: str | None
    age_s: Amount | None
    took_s: Amount | None
    bytes: int | None


class Connection(TypedDict):
    """The daemon's connection to its server: since when, and why it was not there."""

    state: str
    since: str
    reason: str | None


class Status(TypedDict):
    """How the daemon is, and how far (docs/daemon.md)."""

    state: Literal["running", "catching up", "blocked", "disconnected", "stopping"]
    headline: str
    """The whole in one sentence for people."""
    ready: bool
    not_ready: list[str]
    sequence: int
    """Log sequence that is applied."""
    stream_end: int
    lag: int
    lag_s: Amount
    published_sequence: int
    unpublished: int
    events: int
    outcomes: dict[str, int]
    positions: int
    snapshot_sequence: int
    snapshot: SnapshotTaken
    blocked: list[Blocked]
    answers: int
    answers_failed: int
    requests_pending: int
    ticks: int
    reconnects: int
    waiting_messages: int
    """That arrived and wait to be applied."""
    unpublished_bytes: int
    published_messages: int
    config_fingerprint: str
    connection: Connection
    intake_closed: str | None
    state_hash: NotRequired[str]
