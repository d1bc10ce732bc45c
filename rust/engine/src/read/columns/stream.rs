//! Bytes of an Arrow IPC stream or file → rows. The format's own crate reads the messages' heads; the columns
//! themselves are borrowed from the bytes.
//!
//! Not its reader: that one must own and align the memory, checks columns that nobody asked for, and asserts where
//! bytes lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_ipc as ipc;
use flatbuffers::VerifierOptions;
use tallystick_contract::limits::{ROW_BYTES_MAX, ROW_BYTES_MIN, ROW_COLUMN_BYTES_MIN};

use crate::read::columns::column::{Column, ColumnKind, Dictionary};
use crate::read::columns::memory::Memory;
use crate::read::columns::rows::Rows;
use crate::read::columns::schema::{ContractColumn, Extent, Slot, slots};
use crate::read::malformed::Malformed;

/// What a stream's messages begin with.
const CONTINUATION: [u8; 4] = [0xFF; 4];
/// What a file begins and ends with.
const FILE: &[u8] = b"ARROW1";

const CUT_SHORT: Malformed = Malformed::of_element("the Arrow stream ends within a message");
const DAMAGED: Malformed = Malformed::of_element("the Arrow stream is damaged");
const NO_SCHEMA: Malformed = Malformed::of_element("the Arrow stream does not begin with a schema");
const TOO_MANY: Malformed = Malformed::of_element("the Arrow stream claims more rows than its bytes can hold");
const COMPRESSED: Malformed = Malformed::of_element("the Arrow stream is compressed: write it without compression");
const DELTA: Malformed =
    Malformed::of_element("the Arrow stream changes a dictionary by a delta: write whole dictionaries");

/// Whether a message is columns rather than JSON, which never begins like this.
pub fn is_stream(message: &[u8]) -> bool {
    message.starts_with(&CONTINUATION) || message.starts_with(FILE)
}

/// Reads a message that is an Arrow IPC stream or file whole: its record batches in order.
///
/// # Errors
/// Why it cannot be split into rows.
pub fn read(message: &[u8]) -> Result<Vec<Rows<'_>>, Malformed> {
    let mut reader = Reader { bytes: message, at: 0, slots: None, dictionaries: BTreeMap::new() };
    let mut read = Read { batches: Vec::new(), rows: 0, rows_max: message.len() / ROW_COLUMN_BYTES_MIN };
    if message.starts_with(FILE) {
        reader.read_file(&mut read)?;
        return Ok(read.finish(message.len()));
    }
    while let Some((head, body)) = reader.next()? {
        if let Some(batch) = reader.take(head, body)? {
            read.push(batch)?;
        }
    }
    if reader.slots.is_some() { Ok(read.finish(message.len())) } else { Err(NO_SCHEMA) }
}

/// What was read.
struct Read<'a> {
    batches: Vec<Rows<'a>>,
    rows: usize,
    /// A row has some bytes at least in a column that holds its `id`. Without a bound, few bytes could claim rows
    /// without end.
    rows_max: usize,
}

impl<'a> Read<'a> {
    /// The batches. What exceptions may keep of a row is bounded by what the message has for it: rows may share what
    /// they say.
    fn finish(mut self, bytes: usize) -> Vec<Rows<'a>> {
        let kept_bytes_max = (64 * bytes / self.rows.max(1)).clamp(ROW_BYTES_MIN, ROW_BYTES_MAX);
        self.batches.iter_mut().for_each(|batch| batch.keep(kept_bytes_max));
        self.batches
    }

    fn push(&mut self, batch: Rows<'a>) -> Result<(), Malformed> {
        self.rows = self.rows.saturating_add(batch.len());
        if self.rows > self.rows_max || u32::try_from(self.rows).is_err() {
            return Err(TOO_MANY);
        }
        if !batch.is_empty() {
            self.batches.push(batch);
        }
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The schema, once it was read.
    slots: Option<Vec<Slot>>,
    /// The latest dictionary of each number that a column of the contract uses.
    dictionaries: BTreeMap<i64, Arc<Dictionary<'a>>>,
}

/// Bounds for a head. Its parts may be shared, so that little of it stands for much: what it may amount to is bounded
/// by what it has.
fn bounds(head: &[u8]) -> VerifierOptions {
    VerifierOptions {
        max_depth: 24,
        max_tables: head.len(),
        max_apparent_size: 16 * head.len(),
        ..VerifierOptions::default()
    }
}

impl<'a> Reader<'a> {
    /// Reads a file along the index at its end: not every writer makes what stands before it a stream.
    fn read_file(&mut self, read: &mut Read<'a>) -> Result<(), Malformed> {
        let end =
            self.bytes.len().checked_sub(FILE.len() + 4).filter(|_| self.bytes.ends_with(FILE)).ok_or(CUT_SHORT)?;
        self.at = end;
        let length = usize::try_from(self.word()?).map_err(|_| DAMAGED)?;
        let index = end.checked_sub(length).and_then(|start| self.bytes.get(start..end)).ok_or(DAMAGED)?;
        let index = ipc::root_as_footer_with_opts(&bounds(index), index).map_err(|_| DAMAGED)?;
        self.slots = Some(slots(index.schema().ok_or(NO_SCHEMA)?, index.version() == ipc::MetadataVersion::V4)?);
        for blocks in [index.dictionaries(), index.recordBatches()] {
            let mut end = 0;
            for block in blocks.into_iter().flatten() {
                self.at = usize::try_from(block.offset()).map_err(|_| DAMAGED)?;
                // In order and apart, as they were written: an index must not make one block many.
                if self.at < end {
                    return Err(DAMAGED);
                }
                let (head, body) = self.next()?.ok_or(DAMAGED)?;
                end = self.at;
                if let Some(batch) = self.take(head, body)? {
                    read.push(batch)?;
                }
            }
        }
        Ok(())
    }

    /// The next message's head and body; nothing at the end of the stream.
    fn next(&mut self) -> Result<Option<(ipc::Message<'a>, &'a [u8])>, Malformed> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let mut length = self.word()?;
        if length == u32::from_le_bytes(CONTINUATION) {
            length = self.word()?;
        }
        if length == 0 {
            return Ok(None);
        }
        let head = self.take_bytes(length.into())?;
        let head = ipc::root_as_message_with_opts(&bounds(head), head).map_err(|_| DAMAGED)?;
        if !matches!(head.version(), ipc::MetadataVersion::V4 | ipc::MetadataVersion::V5) {
            return Err(Malformed::of_element("the Arrow stream is of a version before 0.8"));
        }
        let body = self.take_bytes(head.bodyLength())?;
        Ok(Some((head, body)))
    }

    fn word(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take_bytes(4)?;
        Ok(u32::from_le_bytes(*bytes.first_chunk().ok_or(CUT_SHORT)?))
    }

    fn take_bytes(&mut self, length: i64) -> Result<&'a [u8], Malformed> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length)).ok_or(DAMAGED)?;
        let bytes = self.bytes.get(self.at..end).ok_or(CUT_SHORT)?;
        self.at = end;
        Ok(bytes)
    }

    /// Takes a message in: a schema, a dictionary, or a batch, which it gives.
    fn take(&mut self, head: ipc::Message<'a>, body: &'a [u8]) -> Result<Option<Rows<'a>>, Malformed> {
        if let Some(schema) = head.header_as_schema() {
            if self.slots.is_some() {
                return Err(DAMAGED);
            }
            self.slots = Some(slots(schema, head.version() == ipc::MetadataVersion::V4)?);
            return Ok(None);
        }
        let slots = self.slots.as_deref().ok_or(NO_SCHEMA)?;
        if let Some(dictionary) = head.header_as_dictionary_batch() {
            if let Some(read) = read_dictionary(dictionary, body, slots)? {
                self.dictionaries.insert(dictionary.id(), Arc::new(read));
            }
            return Ok(None);
        }
        let batch = head.header_as_record_batch().ok_or(DAMAGED)?;
        let mut parts = Parts::new(batch, body)?;
        let rows = usize::try_from(batch.length()).map_err(|_| DAMAGED)?;
        let mut columns = Vec::new();
        for slot in slots {
            match slot {
                Slot::Known(known) => columns.push((known.field, column(&mut parts, known, rows, &self.dictionaries)?)),
                Slot::Skipped(extent) => parts.skip(*extent)?,
            }
        }
        Rows::new(rows, columns).map(Some)
    }
}

fn column<'a>(
    parts: &mut Parts<'a>,
    known: &ContractColumn,
    rows: usize,
    dictionaries: &BTreeMap<i64, Arc<Dictionary<'a>>>,
) -> Result<Column<'a>, Malformed> {
    let memory = parts.memory(if known.encoding.is_some() { None } else { Some(known.kind) })?;
    if memory.rows != rows {
        return Err(DAMAGED);
    }
    let Some((width, is_signed, number)) = known.encoding else {
        return Column::new(known.field, known.kind, &memory);
    };
    // A dictionary that is not there is empty: the format lets writers leave it away where every row is null.
    let dictionary = dictionaries.get(&number).map_or_else(|| Arc::new(Dictionary::default()), Arc::clone);
    Column::encoded(known.field, (width, is_signed), &memory, dictionary)
}

/// A dictionary, if a column of the contract uses it.
fn read_dictionary<'a>(
    dictionary: ipc::DictionaryBatch<'a>,
    body: &'a [u8],
    slots: &[Slot],
) -> Result<Option<Dictionary<'a>>, Malformed> {
    let mut forms = slots.iter().filter_map(|slot| match slot {
        Slot::Known(ContractColumn { kind: ColumnKind::Text(form), encoding: Some((_, _, number)), .. }) => {
            (*number == dictionary.id()).then_some(*form)
        }
        _ => None,
    });
    let Some(form) = forms.next() else { return Ok(None) };
    if forms.any(|other| other != form) {
        return Err(DAMAGED);
    }
    if dictionary.isDelta() {
        return Err(DELTA);
    }
    let mut parts = Parts::new(dictionary.data().ok_or(DAMAGED)?, body)?;
    let memory = parts.memory(Some(ColumnKind::Text(form)))?;
    Dictionary::new(form, &memory, true).map(Some)
}

/// What a batch's head says of its memory, taken column by column.
struct Parts<'a> {
    body: &'a [u8],
    nodes: flatbuffers::VectorIter<'a, ipc::FieldNode>,
    buffers: flatbuffers::VectorIter<'a, ipc::Buffer>,
    view_counts: Option<flatbuffers::VectorIter<'a, i64>>,
}

impl<'a> Parts<'a> {
    fn new(batch: ipc::RecordBatch<'a>, body: &'a [u8]) -> Result<Self, Malformed> {
        if batch.compression().is_some() {
            return Err(COMPRESSED);
        }
        Ok(Self {
            body,
            nodes: batch.nodes().ok_or(DAMAGED)?.iter(),
            buffers: batch.buffers().ok_or(DAMAGED)?.iter(),
            view_counts: batch.variadicBufferCounts().map(|counts| counts.iter()),
        })
    }

    /// The memory of a column of this kind, or of keys.
    fn memory(&mut self, kind: Option<ColumnKind>) -> Result<Memory<'a>, Malformed> {
        use super::memory::TextLayout::Views;
        let node = self.nodes.next().ok_or(DAMAGED)?;
        let rows = usize::try_from(node.length()).map_err(|_| DAMAGED)?;
        let mut memory = Memory { rows, offset: 0, validity: None, buffers: Vec::new() };
        let buffers = match kind {
            Some(ColumnKind::Null) => return Ok(memory),
            Some(ColumnKind::Text(Views)) => 1 + self.view_count()?,
            Some(ColumnKind::Text(_)) => 2,
            _ => 1,
        };
        let validity = self.buffer()?;
        if node.null_count() != 0 {
            memory.validity = Some((validity, 0));
        }
        for _ in 0..buffers {
            memory.buffers.push(self.buffer()?);
        }
        Ok(memory)
    }

    fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let buffer = self.buffers.next().ok_or(DAMAGED)?;
        let start = usize::try_from(buffer.offset()).map_err(|_| DAMAGED)?;
        let length = usize::try_from(buffer.length()).map_err(|_| DAMAGED)?;
        let end = start.checked_add(length).ok_or(DAMAGED)?;
        self.body.get(start..end).ok_or(DAMAGED)
    }

    fn view_count(&mut self) -> Result<usize, Malformed> {
        let count = self.view_counts.as_mut().and_then(Iterator::next).ok_or(DAMAGED)?;
        // Each of them has a place in the head.
        usize::try_from(count).ok().filter(|count| *count <= self.buffers.len()).ok_or(DAMAGED)
    }

    fn skip(&mut self, extent: Extent) -> Result<(), Malformed> {
        let mut buffers = extent.buffers;
        for _ in 0..extent.views {
            buffers += self.view_count()?;
        }
        let nodes = self.nodes.by_ref().take(extent.nodes).count();
        let skipped = self.buffers.by_ref().take(buffers).count();
        if nodes == extent.nodes && skipped == buffers { Ok(()) } else { Err(DAMAGED) }
    }
}
