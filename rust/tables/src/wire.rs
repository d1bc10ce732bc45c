//! The bytes of a snapshot: chunks with a checksum each, and a seal over all. Knows nothing of what is in them.
//!
//! Layout: magic (8), format (u32), then chunks of `length u32 · CRC32C u32 · bytes`, a chunk of length zero, and 32
//! bytes of BLAKE3 over everything before them. All integers little endian. Every length is bounded before it is
//! believed.

use std::borrow::Cow;

/// First bytes of every snapshot.
pub const MAGIC: [u8; 8] = *b"TALLYSNP";
/// The format that this version writes. 7 says until when an event is held that waits for those before
/// it; 8 has replenishment signals; 9 says of exceptions who moved them and the numbers that they are about, and has
/// stamps of the bus that are not believed.
pub const FORMAT: u32 = 9;
/// The oldest format that it reads.
pub const OLDEST_FORMAT: u32 = 6;

const CHUNK_BYTES: usize = 1 << 20;
/// Its length and its checksum.
const CHUNK_HEAD_BYTES: usize = 8;
const SEAL_BYTES: usize = 32;
const SEAL_CONTEXT: &str = "tallystick 2026 snapshot seal v1";

/// Why bytes are no snapshot that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotError {
    /// Not a snapshot at all.
    Foreign,
    /// Written by a newer version.
    NewerFormat(u32),
    /// Written by an older version in a format that is not read any more.
    OlderFormat(u32),
    /// Cut short, flipped, or otherwise not what was written.
    Damaged(&'static str),
    /// Written under another configuration.
    OtherConfiguration,
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no Tallystick snapshot"),
            Self::NewerFormat(format) => {
                write!(f, "the snapshot has format {format} and this version reads {OLDEST_FORMAT} to {FORMAT}; run the version that wrote it, or a newer one")
            }
            Self::OlderFormat(format) => {
                write!(f, "the snapshot has format {format} and this version reads {OLDEST_FORMAT} to {FORMAT}; rebuild from the log without the snapshot, or run the version that wrote it")
            }
            Self::Damaged(what) => write!(f, "the snapshot is damaged: {what}"),
            Self::OtherConfiguration => f.write_str(
                "the snapshot was made under another configuration of [engine], [sources], [types], [ownership], [approvals], [safety_stock] or another table that changes results; restore that configuration, or rebuild from the log without the snapshot",
            ),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Writes values into chunks. Each is written where it stays, and is summed and hashed while the cache still holds it.
///
/// ```
/// use tallystick_tables::wire::{Reader, SnapshotError, Writer};
///
/// let mut writer = Writer::default();
/// writer.i64(-5_000);
/// writer.bytes(b"LAMP");
/// let mut snapshot = writer.finish();
/// let mut reader = Reader::open(&snapshot).unwrap();
/// assert_eq!((reader.i64(), reader.text()), (Ok(-5_000), Ok("LAMP".into())));
/// snapshot[20] ^= 1;
/// let flipped = Reader::open(&snapshot).unwrap_err();
/// assert_eq!(flipped, SnapshotError::Damaged("its seal does not match its bytes"));
/// ```
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// Where the values of the open chunk begin; its length and checksum will stand before them.
    chunk_start: usize,
    seal: Box<blake3::Hasher>,
}

impl Default for Writer {
    fn default() -> Self {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        let mut seal = Box::new(blake3::Hasher::new_derive_key(SEAL_CONTEXT));
        seal.update(&out);
        let mut writer = Self { out, chunk_start: 0, seal };
        writer.open_chunk();
        writer
    }
}

impl Writer {
    /// Appends raw bytes.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.room() {
            self.out.extend_from_slice(bytes);
        } else {
            self.raw_across(bytes);
        }
    }

    /// Appends bytes for which the open chunk is too short.
    #[cold]
    fn raw_across(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.room() == 0 {
                self.close_chunk();
                self.open_chunk();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.out.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Appends bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Appends an integer.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }

    /// Appends an integer.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends an integer.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends an integer.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// Seals and gives the snapshot.
    pub fn finish(mut self) -> Vec<u8> {
        if self.out.len() > self.chunk_start {
            self.close_chunk();
        } else {
            self.out.truncate(self.chunk_start - CHUNK_HEAD_BYTES);
        }
        let end = 0_u32.to_le_bytes();
        self.out.extend_from_slice(&end);
        self.seal.update(&end);
        self.out.extend_from_slice(self.seal.finalize().as_bytes());
        self.out
    }

    fn room(&self) -> usize {
        CHUNK_BYTES - (self.out.len() - self.chunk_start)
    }

    fn open_chunk(&mut self) {
        self.out.extend_from_slice(&[0; CHUNK_HEAD_BYTES]);
        self.chunk_start = self.out.len();
    }

    fn close_chunk(&mut self) {
        let (head, chunk) = self.out[self.chunk_start - CHUNK_HEAD_BYTES..].split_at_mut(CHUNK_HEAD_BYTES);
        let (length, sum) = head.split_at_mut(4);
        length.copy_from_slice(&u32::try_from(chunk.len()).expect("a chunk is at most 1 MiB").to_le_bytes());
        sum.copy_from_slice(&crc32c::crc32c(chunk).to_le_bytes());
        self.seal.update(&self.out[self.chunk_start - CHUNK_HEAD_BYTES..]);
    }
}

fn seal(bytes: &[u8]) -> [u8; SEAL_BYTES] {
    *blake3::Hasher::new_derive_key(SEAL_CONTEXT).update(bytes).finalize().as_bytes()
}

const ENDS_BEFORE: SnapshotError = SnapshotError::Damaged("it ends before its content does");

/// Reads values from the chunks of a verified snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    format: u32,
    chunks: Vec<&'a [u8]>,
    next_chunk: usize,
    current: &'a [u8],
    left: usize,
}

impl<'a> Reader<'a> {
    /// Verifies magic, format, seal and every checksum, and reads from the beginning.
    ///
    /// # Errors
    /// Why the bytes cannot be loaded.
    pub fn open(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(SnapshotError::Foreign)?;
        if *magic != MAGIC {
            return Err(SnapshotError::Foreign);
        }
        let (format, _) = rest.split_first_chunk::<4>().ok_or(SnapshotError::Damaged("it ends within its head"))?;
        // The format comes first: how a newer one is sealed is not known here.
        let format = u32::from_le_bytes(*format);
        if format > FORMAT {
            return Err(SnapshotError::NewerFormat(format));
        }
        let body_end = bytes
            .len()
            .checked_sub(SEAL_BYTES)
            .filter(|end| *end >= 12)
            .ok_or(SnapshotError::Damaged("it is cut short"))?;
        if seal(&bytes[..body_end]) != bytes[body_end..] {
            return Err(SnapshotError::Damaged("its seal does not match its bytes"));
        }
        match format {
            OLDEST_FORMAT..=FORMAT => {}
            1.. => return Err(SnapshotError::OlderFormat(format)),
            0 => return Err(SnapshotError::Damaged("it names a format that never was")),
        }
        let chunks = chunks(&bytes[12..body_end])?;
        let left = chunks.iter().map(|chunk| chunk.len()).sum();
        Ok(Self { format, chunks, next_chunk: 0, current: &[], left })
    }

    /// The format in which the snapshot was written.
    pub const fn format(&self) -> u32 {
        self.format
    }

    /// Reads raw bytes into a buffer.
    ///
    /// # Errors
    /// When the snapshot ends before.
    pub fn fill(&mut self, mut out: &mut [u8]) -> Result<(), SnapshotError> {
        self.left = self.left.checked_sub(out.len()).ok_or(ENDS_BEFORE)?;
        while !out.is_empty() {
            if self.current.is_empty() {
                self.current = self.chunks[self.next_chunk];
                self.next_chunk += 1;
            }
            let count = out.len().min(self.current.len());
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(&self.current[..count]);
            self.current = &self.current[count..];
            out = later;
        }
        Ok(())
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    /// When the snapshot ends before.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        if let Some((bytes, rest)) = self.current.split_first_chunk::<N>() {
            self.current = rest;
            self.left -= N;
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// When the snapshot ends before.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// When the snapshot ends before.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// When the snapshot ends before.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// When the snapshot ends before.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, SnapshotError> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads a number of things that take at least `bytes_each` bytes, so that no false count can claim more memory
    /// than the snapshot has bytes.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, SnapshotError> {
        let count = self.u64()?;
        self.bound(count, bytes_each)
    }

    /// A number of things as [`Self::count`] gives it, where it was not written as one number.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub fn bound(&self, count: u64, bytes_each: usize) -> Result<usize, SnapshotError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count.saturating_mul(bytes_each) > self.left {
            return Err(SnapshotError::Damaged("it counts more than it holds"));
        }
        Ok(count)
    }

    /// Reads bytes with their length, which must be text.
    ///
    /// # Errors
    /// When the snapshot ends before, or the bytes are not UTF-8.
    pub fn text(&mut self) -> Result<Cow<'a, str>, SnapshotError> {
        const NO_TEXT: SnapshotError = SnapshotError::Damaged("a name is not UTF-8");
        let length = self.count(1)?;
        if let Some((bytes, rest)) = self.current.split_at_checked(length) {
            self.current = rest;
            self.left -= length;
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| NO_TEXT);
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| NO_TEXT)
    }

    /// Reads bytes with their length.
    ///
    /// # Errors
    /// When the snapshot ends before.
    pub fn owned(&mut self) -> Result<Box<[u8]>, SnapshotError> {
        let mut bytes = vec![0; self.count(1)?];
        self.fill(&mut bytes)?;
        Ok(bytes.into())
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// When something is left.
    pub const fn finish(&self) -> Result<(), SnapshotError> {
        if self.left == 0 { Ok(()) } else { Err(SnapshotError::Damaged("it holds more than its content")) }
    }
}

/// The chunks between head and seal, each with its checksum verified.
fn chunks(mut body: &[u8]) -> Result<Vec<&[u8]>, SnapshotError> {
    const TORN: SnapshotError = SnapshotError::Damaged("a chunk is torn");
    let mut chunks = Vec::new();
    loop {
        let (length, rest) = body.split_first_chunk::<4>().ok_or(TORN)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return if rest.is_empty() { Ok(chunks) } else { Err(TORN) };
        }
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or(TORN)?;
        if length > CHUNK_BYTES || length > rest.len() {
            return Err(TORN);
        }
        let (chunk, rest) = rest.split_at(length);
        if crc32c::crc32c(chunk) != u32::from_le_bytes(*sum) {
            return Err(SnapshotError::Damaged("a chunk's checksum does not match"));
        }
        chunks.push(chunk);
        body = rest;
    }
}
