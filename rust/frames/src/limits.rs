//! Every bound of the frames, by name and with its unit.

/// Longest control line, line end included, in bytes: nats-server's own default. `INFO` alone may be longer.
pub const CONTROL_LINE_BYTES_MAX: usize = 4 * 1024;
/// Longest `INFO` line, in bytes: it lists the servers of a cluster.
pub const INFO_BYTES_MAX: usize = 1024 * 1024;
/// Largest message, headers included, in bytes: the most that nats-server can be configured to take.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Messages in one segment of the inbox.
pub const SEGMENT_MESSAGES_MAX: usize = 16_384;
/// Bytes in one segment of the inbox before the next message opens another: what one core has just written, another
/// finds in a cache.
pub const SEGMENT_BYTES_MAX: usize = 1024 * 1024;
/// Segments that are remembered after they were handed out, so that their room is used again: as many as usually wait.
pub const SEGMENTS_REUSED_MAX: usize = 24;
