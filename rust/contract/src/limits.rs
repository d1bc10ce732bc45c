//! Every bound of the engine, by name and with its unit. Nothing here is a tuning knob: what a user may
//! change stands in [`crate::config`], within these limits.

/// Largest event, in bytes of JSON without surrounding white space.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;
/// Bytes that an exception keeps of a row of columns, as JSON: every event in the contract's form fits, and rows that
/// share one long text do not multiply it.
pub const ROW_BYTES_MAX: usize = 4 * 1024;
/// Bytes that an exception keeps of a row in a message of the bus that has more rows than its bytes could spell out.
pub const ROW_BYTES_MIN: usize = 512;
/// Bytes of an Arrow message for each of its rows, at least.
pub const ROW_COLUMN_BYTES_MIN: usize = 4;
/// Deepest nesting of arrays and objects in one event; the event itself is level 1.
pub const NESTING_MAX: usize = 16;

/// Longest `id`, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Longest `source`, in bytes.
pub const SOURCE_BYTES_MAX: usize = 64;
/// Longest `type`, in bytes.
pub const TYPE_BYTES_MAX: usize = 96;
/// Longest `correlationid` and `causationid`, in bytes.
pub const CORRELATION_BYTES_MAX: usize = 128;
/// Longest `sku`, `location`, `to_location`, `lot`, `owner`, `document` and `reason`, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Fixed point: thousandths of a unit.
pub const SCALE: i64 = 1_000;
/// Digits after the decimal point that a quantity may have.
pub const FRACTION_DIGITS_MAX: i64 = 3;
/// Largest magnitude of one quantity, in thousandths (10¹² units).
pub const QUANTITY_MAX: i64 = 1_000_000_000_000 * SCALE;
/// Largest magnitude of one account of one position, in thousandths (10¹⁵ units). Far enough below 2⁶³ that sums of a
/// few accounts cannot overflow either.
pub const ACCOUNT_MAX: i64 = 1_000_000_000_000_000 * SCALE;

/// Movements that a position remembers, unless configured.
pub const HISTORY_DEFAULT: u16 = 64;
/// Most movements that a position can be configured to remember.
pub const HISTORY_MAX: u16 = 4_096;

/// Idempotency keys remembered, unless configured.
pub const DEDUP_KEYS_DEFAULT: u64 = 100_000_000;
/// Generations that a dedup window is divided into: a key is remembered between one window and 25/24 of it.
pub const DEDUP_GENERATIONS: i64 = 24;
/// Elements of the log before a conflict among which the first event under its key must be for the fields that differ
/// to be named.
pub const NAMED_ELEMENTS: u64 = 65_536;

/// Events held per source, or per position of one, unless configured.
pub const HELD_DEFAULT: usize = 1_000;
/// Most events that a source can be configured to hold.
pub const HELD_MAX: usize = 1_000_000;
/// Bytes of all events held together. Beyond them the gap that was waited for longest is given up.
pub const HELD_BYTES_MAX: usize = 256 << 20;
/// Ranges of numbers that a source, or one of its positions, remembers as given up.
pub const LOST_RANGES_MAX: usize = 1_024;

/// Events whose content is remembered so that they can be corrected, unless configured.
pub const CORRECTIONS_DEFAULT: u64 = 10_000_000;
/// Most events that can be configured for it.
pub const CORRECTIONS_MAX: u64 = 1_000_000_000;
/// Directives that wait for the event that they are about.
pub const WAITING_MAX: usize = 10_000;
/// Counts of a position that are remembered, so that a void can bring one back.
pub const COUNTS_KEPT: usize = 8;
/// Events that wait for an approval.
pub const PENDING_MAX: usize = 100_000;
/// Their bytes.
pub const PENDING_BYTES_MAX: usize = 64 << 20;
/// Positions that a source may always change within the window of the guard against mass changes, unless configured.
pub const MASS_POSITIONS_DEFAULT: u64 = 20;
/// That window, unless configured.
pub const MASS_WINDOW_DEFAULT_NS: i64 = 600 * SECOND_NS;
/// Exceptions that are kept as work, unless configured.
pub const EXCEPTIONS_KEPT_DEFAULT: usize = 100_000;
/// Their bytes.
pub const EXCEPTIONS_BYTES_MAX: usize = 256 << 20;
/// Elements of one message whose exceptions stand by themselves; what more of them raise is one exception.
pub const FLOOD_ELEMENTS: usize = 100;
/// Hops that an event may have made, unless configured.
pub const HOPS_DEFAULT: u64 = 8;
/// Longest text of a source's registration, in bytes.
pub const REGISTRATION_BYTES_MAX: usize = 1_024;
/// Sources that are watched one by one.
pub const SOURCES_MAX: usize = 10_000;
/// Events of a source over which its refusals are measured.
pub const REFUSALS_RUN: u64 = 1_000;
/// Longest name of a unit of measure, in bytes.
pub const UNIT_BYTES_MAX: usize = 16;

/// Buckets that are looked at, unless configured.
pub const HORIZON_DEFAULT: u32 = 90;
/// Most buckets that can be looked at.
pub const HORIZON_MAX: u32 = 400;
/// How long a reservation lives, unless configured.
pub const TTL_DEFAULT_NS: i64 = 900 * SECOND_NS;
/// Lines of a reservation.
pub const RESERVATION_LINES_MAX: usize = 100;
/// Positions and groups of one question.
pub const QUESTION_POSITIONS_MAX: usize = 10_000;
/// Entries of `[[shipping]]`.
pub const SHIPPING_RULES_MAX: usize = 1_000;
/// Longest line number that is a text, in bytes.
pub const LINE_BYTES_MAX: usize = 32;
/// Longest subject for an answer, in bytes.
pub const REPLY_BYTES_MAX: usize = 255;

/// One second in the unit of all times, nanoseconds.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Default of the dedup window and of `max_age`.
pub const DAY_NS: i64 = 86_400 * SECOND_NS;
/// Default of `gap_wait`.
pub const GAP_WAIT_DEFAULT_NS: i64 = 300 * SECOND_NS;
/// Default of `log_time_jump_max`.
pub const LOG_TIME_JUMP_DEFAULT_NS: i64 = 3_600 * SECOND_NS;
/// Default of `max_ahead`.
pub const AHEAD_DEFAULT_NS: i64 = 300 * SECOND_NS;

/// Distinct strings (SKUs, locations, lots, owners together).
pub const STRINGS_MAX: usize = u32::MAX as usize - 1;
/// Positions in one engine.
pub const POSITIONS_MAX: usize = u32::MAX as usize - 1;
/// Longest configuration text, in bytes.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most parts that an engine's state can be divided into.
pub const SHARDS_MAX: usize = 64;
/// Postings in one rule.
pub const POSTINGS_MAX: usize = 4;

/// Longest name of a team, in bytes.
pub const TEAM_BYTES_MAX: usize = 32;
/// Teams of `[exceptions] teams`.
pub const TEAMS_MAX: usize = 100;
/// Longest name of the person behind an operator, in bytes.
pub const PERSON_BYTES_MAX: usize = 64;

/// Rules of `[[replenish]]`.
pub const REPLENISH_RULES_MAX: usize = 1_000;
/// Days of a lead time, or of demand, in `[[replenish]]`.
pub const REPLENISH_DAYS_MAX: u32 = 366;

/// Whether invariants are checked where state is written. They are, in release too: a broken one stops the process, and
/// what is on disk stays right. `--cfg tallystick_unchecked` leaves them out, to measure what they cost.
pub const CHECKED: bool = !cfg!(tallystick_unchecked);
