"""The compiled engine. Checked against the extension by stubtest.

Quantities are integers in thousandths of a unit (`SCALE` = 1000 per unit), times are
integers in nanoseconds since 1970-01-01T00:00:00Z, sequences are log sequences.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

__all__ = [
    "BUILD_PROFILE",
    "OUTCOMES",
    "SCALE",
    "SNAPSHOT_FORMAT",
    "VERSION",
    "Applied",
    "Batch",
    "ConfigError",
    "Engine",
    "EngineFault",
    "ExceptionRecord",
    "Flush",
    "ForkError",
    "Inbox",
    "InboxBatch",
    "Position",
    "Positions",
    "Reference",
    "SequenceError",
    "SnapshotError",
    "TallystickError",
    "atp_figures",
    "check_config",
    "default_rules",
    "verify_snapshot",
]

SCALE: Final[int]
VERSION: Final[str]
SNAPSHOT_FORMAT: Final[int]
BUILD_PROFILE: Final[str]
OUTCOMES: Final[dict[str, int]]

class TallystickError(Exception): ...
class ConfigError(TallystickError): ...
class SequenceError(TallystickError): ...
class SnapshotError(TallystickError): ...
class EngineFault(TallystickError): ...

class ForkError(TallystickError):
    """The engine was made before `os.fork()`, and this is the child. Make it in the child."""

class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

@final
class Positions:
    @property
    def sku(self) -> list[str]: ...
    @property
    def location(self) -> list[str]: ...
    @property
    def lot(self) -> list[str | None]: ...
    @property
    def owner(self) -> list[str | None]: ...
    @property
    def on_hand(self) -> NDArray[np.int64]: ...
    @property
    def reserved(self) -> NDArray[np.int64]: ...
    @property
    def allocated(self) -> NDArray[np.int64]: ...
    @property
    def picked(self) -> NDArray[np.int64]: ...
    @property
    def in_transit(self) -> NDArray[np.int64]: ...
    @property
    def quarantine(self) -> NDArray[np.int64]: ...
    @property
    def damaged(self) -> NDArray[np.int64]: ...
    @property
    def ordered(self) -> NDArray[np.int64]: ...
    @property
    def unpicked(self) -> NDArray[np.int64]: ...
    @property
    def safety_stock(self) -> NDArray[np.int64]: ...
    @property
    def on_hand_atp(self) -> NDArray[np.int64]: ...
    @property
    def atp(self) -> NDArray[np.int64]: ...
    @property
    def version(self) -> NDArray[np.uint64]: ...
    def __len__(self) -> int: ...

@final
class Position:
    @property
    def sku(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def lot(self) -> str | None: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def on_hand(self) -> int: ...
    @property
    def reserved(self) -> int: ...
    @property
    def allocated(self) -> int: ...
    @property
    def picked(self) -> int: ...
    @property
    def in_transit(self) -> int: ...
    @property
    def quarantine(self) -> int: ...
    @property
    def damaged(self) -> int: ...
    @property
    def ordered(self) -> int: ...
    @property
    def unpicked(self) -> int: ...
    @property
    def safety_stock(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def on_hand_atp(self) -> int: ...
    @property
    def atp(self) -> int: ...
    @property
    def version(self) -> int: ...
    def as_dict(self) -> dict[str, Any]: ...

@final
class ExceptionRecord:
    @property
    def number(self) -> int:
        """Of the item of work that it opened, or adds to."""
    @property
    def severity(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def team(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def log_time_ns(self) -> int: ...
    @property
    def source(self) -> str | None: ...
    @property
    def id(self) -> str | None: ...
    @property
    def correlation_id(self) -> str | None: ...
    @property
    def causation_id(self) -> str | None: ...
    @property
    def sku(self) -> str | None: ...
    @property
    def location(self) -> str | None: ...
    @property
    def cause(self) -> str: ...
    @property
    def cure(self) -> str: ...
    @property
    def fields(self) -> list[str]: ...
    @property
    def missing(self) -> tuple[int, int] | None: ...
    @property
    def event(self) -> bytes: ...
    @property
    def event_bytes_total(self) -> int: ...
    def as_dict(self) -> dict[str, Any]: ...

@final
class Batch:
    @property
    def sequences(self) -> NDArray[np.uint64]: ...
    @property
    def indices(self) -> NDArray[np.uint32]: ...
    @property
    def outcomes(self) -> NDArray[np.uint8]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def released(self) -> list[tuple[int, int, int]]:
        """Sequence, index and final outcome of elements that were held, in the order in which they were applied."""

    @property
    def held(self) -> int:
        """Elements of this batch that are held, as far as `settle` knows."""

    def settle(self, later: Batch) -> int:
        """Takes over the final outcomes of this batch's elements that a batch released, this one or a later one.

        `counts` and `outcome_lines` have them then, `outcomes` stays. Returns how many elements are still held.
        """

    @property
    def availability(self) -> Positions | None: ...
    @property
    def exceptions(self) -> list[ExceptionRecord]: ...
    @property
    def answers(self) -> list[tuple[str, bytes]]:
        """Answers to requests that asked for one: subject and JSON, in log order."""

    def outcome_lines(self, first_n: int) -> bytes: ...
    def __len__(self) -> int: ...

@final
class Flush:
    @property
    def from_sequence(self) -> int: ...
    @property
    def through(self) -> int: ...
    @property
    def positions(self) -> int: ...
    @property
    def availability(self) -> list[tuple[str, bytes]]: ...
    @property
    def exceptions(self) -> list[tuple[str, bytes]]: ...

@final
class Applied:
    """What came of messages that were applied from an inbox, in sum."""

    @property
    def events(self) -> int: ...
    @property
    def positions(self) -> int: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def answers(self) -> list[tuple[str, bytes]]:
        """Answers to requests that asked for one: subject and JSON, in log order."""

    @property
    def held_output_bytes(self) -> int:
        """Bytes of exceptions that wait for the next flush, about."""

    @property
    def log_time_ns(self) -> int:
        """The log's time afterwards, in nanoseconds since 1970."""

    @property
    def last_sequence(self) -> int | None: ...
    @property
    def last_message(self) -> bytes | None: ...

@final
class InboxBatch:
    """Messages that follow each other in the stream, at least one."""

    @property
    def first_sequence(self) -> int: ...
    @property
    def last_sequence(self) -> int: ...
    @property
    def times_ns(self) -> NDArray[np.int64]: ...
    def messages(self) -> list[bytes]: ...
    def __len__(self) -> int: ...

@final
class Inbox:
    """Messages of one stream in order, every one once: what has arrived and was not taken yet."""

    def __new__(cls, expected: int) -> Inbox: ...
    def tap(self, sid: int) -> None: ...
    def untap(self) -> bytes: ...
    def feed(self, chunk: bytes) -> tuple[int, int, list[bytes]]:
        """Messages taken from the connection's bytes, bytes of their payloads, and all other bytes in runs."""

    def feed_buffer(self, buffer: NDArray[np.uint8], chunk_bytes: int) -> tuple[int, int, list[bytes]]:
        """As `feed`, for a chunk at the beginning of a buffer, which nobody may write to meanwhile."""

    @property
    def malformed(self) -> bool: ...
    def follow(self, consumer: str) -> None: ...
    def deliver(self, reply: str, payload: bytes) -> bool: ...
    def push(self, sequence: int, time_ns: int, payload: bytes) -> bool: ...
    def take(self, last_sequence: int | None = None) -> InboxBatch | None:
        """The oldest messages, at most those up to and including `last_sequence`."""

    @property
    def expected(self) -> int: ...
    @property
    def stream_end(self) -> int: ...
    @property
    def delivered(self) -> int: ...
    @property
    def began_well(self) -> bool: ...
    @property
    def missing_until(self) -> int: ...
    @property
    def waiting_messages(self) -> int: ...
    @property
    def waiting_bytes(self) -> int: ...
    @property
    def last_message(self) -> bytes | None: ...

@final
class Engine:
    def __new__(cls, config: str = "", *, key: bytes | None = None, shards: int = 1) -> Engine: ...
    @staticmethod
    def restore(snapshot: Buffer, config: str = "", *, shards: int = 1) -> Engine: ...
    @property
    def shards(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def log_time_ns(self) -> int | None: ...
    @property
    def config_fingerprint(self) -> str: ...
    @property
    def notes(self) -> dict[str, str]: ...
    def set_note(self, name: str, value: str) -> None: ...
    def apply(
        self,
        messages: Sequence[bytes] | bytes | bytearray | memoryview,
        first_sequence: int,
        log_time_ns: int | Sequence[int] | NDArray[np.int64] | None = None,
        *,
        hold_output: bool = False,
        keys: bool = False,
    ) -> Batch: ...
    def apply_columns(
        self,
        columns: _ArrowStream | _ArrowArray | Buffer | Mapping[str, Any],
        first_sequence: int,
        log_time_ns: int | None = None,
        *,
        hold_output: bool = False,
        keys: bool = False,
    ) -> Batch:
        """Applies events whose fields are columns, named as in the contract, each row with a sequence of its own.

        Arrow tables and record batches of any library (without a copy), bytes of an Arrow IPC stream or file, or a
        mapping of NumPy columns: integers, `S` and `U` strings, `datetime64` (UTC), `(codes, categories)`, or one
        string for all rows. Raises ValueError for columns that cannot be understood; nothing was changed then.
        """

    def apply_inbox(self, inbox: Inbox, last_sequence: int | None = None, *, events_max: int = 65536) -> Applied:
        """Takes messages out of the inbox and applies them, what arrives meanwhile too, up to and including
        `last_sequence` or until `events_max` elements or more are applied. Output is held until the next flush.
        """

    def release_held(self, *, hold_output: bool = False) -> Batch:
        """Applies what is held as after its wait, as at the end of a replay. The batch has no elements."""

    def flush(self, stream: str, *, positions_per_message: int = 500, bytes_per_message: int = 524288) -> Flush: ...
    def retell(self, stream: str, *, positions_per_message: int = 500, bytes_per_message: int = 524288) -> Flush:
        """All positions and all unsettled exceptions as they stand, encoded for an output stream that lost them.

        Nothing is taken from what waits for the next flush.
        """

    def position(
        self, sku: str, location: str, lot: str | None = None, owner: str | None = None
    ) -> Position | None: ...
    def positions(
        self, keys: Sequence[tuple[str, str] | tuple[str, str, str | None, str | None]]
    ) -> list[Position | None]: ...
    def positions_of(self, sku: str) -> list[Position]: ...
    def columns(self, start: int = 0, stop: int | None = None) -> Positions: ...
    def balance_lines(self, start: int = 0, count: int = 65536) -> bytes: ...
    def exceptions(
        self,
        *,
        state: str | None = None,
        code: str | None = None,
        source: str | None = None,
        owner: str | None = None,
        correlation: str | None = None,
        sku: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> str:
        """Items of `docs/truth.md` §7 as a JSON array, by their numbers; state `unresolved`: open or acknowledged."""

    def exception(self, number: int) -> str | None: ...
    def exception_stats(self) -> str: ...
    def open_exceptions(self) -> list[str]:
        """Code and subject of all that are open or acknowledged, sorted."""

    def promise(self, question: bytes) -> bytes:
        """What can be promised, JSON for JSON (`docs/promise.md` §7)."""

    def claims(self, filter: bytes) -> bytes:  # noqa: A002
        """Order lines, JSON for JSON: of a `document`, `sku` or `location`, what each voice says, and what follows."""

    def reservations(self, filter: bytes) -> bytes:  # noqa: A002
        """Live reservations, JSON for JSON: of a `document`, `sku` or `location`, or those that leak (`leaks`)."""

    @property
    def next_due_ns(self) -> int | None:
        """The log time at which something happens of itself, in nanoseconds since 1970."""

    def sources(self) -> str: ...
    def replenishment(self, sku: str | None = None, location: str | None = None, limit: int | None = None) -> str:
        """Replenishment signals that stand as a JSON array, by SKU and location (`docs/replenish.md`)."""

    def replenishment_total(self, sku: str | None = None, location: str | None = None) -> int:
        """How many of them there are."""

    def shadow_report(self) -> str: ...
    def trail(self, sku: str, location: str, lot: str | None = None, owner: str | None = None) -> str | None: ...
    def what_if(self, messages: Sequence[bytes]) -> str:
        """What the messages would do, tried on a copy; nothing changes."""

    def answers(self, keys: Sequence[tuple[str, str]]) -> list[str | None]:
        """The outcomes that are remembered of keys (source, id)."""

    def state_hash(self) -> str: ...
    def outcome_totals(self) -> dict[str, int]: ...
    def trial_balance(self) -> dict[str, int]: ...
    def memory(self) -> dict[str, int]: ...
    def snapshot(self) -> bytes: ...
    def snapshot_array(self) -> NDArray[np.uint8]:
        """As `snapshot`, without a copy: shape (bytes,)."""

    def __len__(self) -> int: ...

@final
class Reference:
    """The slow, obvious twin, for proofs: same contract, no speed."""

    def __new__(cls, config: str = "") -> Reference: ...
    def apply(
        self,
        messages: Sequence[bytes] | bytes | bytearray | memoryview,
        first_sequence: int,
        log_time_ns: int | Sequence[int] | NDArray[np.int64] | None = None,
    ) -> list[str]: ...
    def release_held(self, sequence: int) -> None: ...
    def balances(self) -> bytes: ...
    def open_exceptions(self) -> list[str]: ...
    def replenishment(self) -> str:
        """As `Engine.replenishment`."""

    def state_hash(self) -> str: ...
    def __len__(self) -> int: ...

def atp_figures(
    on_hand: int,
    supply: list[int],
    demand: list[int],
    safety: list[int],
    mode: str,
    window: int | None,
    fence: int | None,
    carry_shortage: bool,
) -> list[int | None]: ...
def check_config(config: str) -> str: ...
def default_rules() -> str: ...
def verify_snapshot(snapshot: Buffer) -> dict[str, Any]: ...
