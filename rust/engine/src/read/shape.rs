//! Shapes of events: how producers lay out their members. A system writes its events alike, so once a layout was read
//! with all care, the next event of that layout is read by comparing what stands between its values. Changes no answer,
//! only the way to it.

use tallystick_contract::heap_size::{flat, heap_size};
use tallystick_contract::instant::Minute;

use crate::read::event::Field;
use crate::read::json::JsonKind;
/// What a value is, as far as shapes care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A string; its opening quote belongs to the lead.
    String,
    /// A number.
    Number,
    /// Anything else; an event with such a value has no shape.
    Other,
}

impl ValueKind {
    /// The kind of a JSON value.
    pub const fn of(kind: JsonKind) -> Self {
        match kind {
            JsonKind::String => Self::String,
            JsonKind::Number => Self::Number,
            JsonKind::Object | JsonKind::Array | JsonKind::Bool | JsonKind::Null => Self::Other,
        }
    }
}

/// A value that was read with all care.
#[derive(Debug, Clone, Copy)]
pub struct ValueSpan {
    /// What it is of; nothing for a member that is skipped.
    pub field: Option<Field>,
    /// What it is.
    pub kind: ValueKind,
    /// Whether it stands in `data`.
    pub is_in_data: bool,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

flat!(ValueKind, ValueSpan);

/// Shapes that are remembered, counted in members; beyond them events are read with all care.
const NODES_MAX: usize = 512;
/// Members that may follow one; a look through more would cost more than reading with care.
const BRANCHES_MAX: usize = 8;
/// Longest text between two values that is remembered, in bytes.
const LEAD_BYTES_MAX: usize = 256;

/// The index of a node among all; zero is the root, which is never a child.
type NodeIndex = u16;

/// A member in one or more shapes that begin alike.
#[derive(Debug)]
struct Node {
    /// What stands before the value, from the end of the value before it: a range of the texts.
    lead: (u32, u32),
    kind: ValueKind,
    field: Option<Field>,
    is_in_data: bool,
    /// Whether it or one before it is of no field.
    has_others: bool,
    /// The first member that may follow, and the next one that may stand in this one's place.
    child: NodeIndex,
    sibling: NodeIndex,
    /// What stands behind the value if it is the last one.
    tail: Option<Box<[u8]>>,
}

heap_size!(Node { lead, kind, field, is_in_data, has_others, child, sibling, tail });

/// All shapes, as a tree of members.
#[derive(Debug)]
pub struct Shapes {
    nodes: Vec<Node>,
    /// The leads of all members, so that a walk stays within few lines of cache.
    texts: Vec<u8>,
    buffer: Vec<ValueSpan>,
    /// The minute that was read last: most times lie in the same.
    pub(crate) minute: Minute,
}

heap_size!(Shapes { nodes, texts, buffer, minute });

impl Default for Shapes {
    fn default() -> Self {
        let (kind, field) = (ValueKind::Other, None);
        let (is_in_data, has_others) = (false, false);
        let root = Node { lead: (0, 0), kind, field, is_in_data, has_others, child: 0, sibling: 0, tail: None };
        Self { nodes: vec![root], texts: Vec::new(), buffer: Vec::new(), minute: Minute::default() }
    }
}

impl Shapes {
    /// Where every shape begins.
    pub const ROOT: NodeIndex = 0;

    /// The member behind a node whose lead stands at a place of an element, and the place behind that lead.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each member would cost as much as the step")]
    pub fn step(&self, node: NodeIndex, element: &[u8], at: usize) -> Option<(NodeIndex, usize)> {
        let rest = element.get(at..)?;
        let mut member = self.nodes[usize::from(node)].child;
        while member != 0 {
            let known = &self.nodes[usize::from(member)];
            let lead = &self.texts[known.lead.0 as usize..known.lead.1 as usize];
            if starts_with(rest, lead) {
                return Some((member, at + lead.len()));
            }
            member = known.sibling;
        }
        None
    }

    /// What the value of a member is.
    #[inline]
    pub fn value(&self, node: NodeIndex) -> (ValueKind, Option<Field>) {
        let node = &self.nodes[usize::from(node)];
        (node.kind, node.field)
    }

    /// Whether the value of a member stands in `data`.
    pub fn is_in_data(&self, node: NodeIndex) -> bool {
        self.nodes[usize::from(node)].is_in_data
    }

    /// Whether a member or one before it is of no field.
    #[inline]
    pub fn has_others(&self, node: NodeIndex) -> bool {
        self.nodes[usize::from(node)].has_others
    }

    /// Whether an event may end behind a member with what is left of its text.
    pub fn is_end(&self, node: NodeIndex, rest: &[u8]) -> bool {
        self.nodes[usize::from(node)].tail.as_deref() == Some(rest)
    }

    /// An empty list for the values of an event.
    pub fn take_buffer(&mut self) -> Vec<ValueSpan> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }

    /// Remembers the shape of an event that was read with all care and found well-formed.
    pub fn learn(&mut self, text: &str, values: Vec<ValueSpan>) {
        let mut node = Self::ROOT;
        let mut end = 0;
        for value in &values {
            let Some(next) = self.grow(node, text, end, value) else {
                self.buffer = values;
                return;
            };
            node = next;
            end = value.end;
        }
        let tail = &text[end..];
        if node != Self::ROOT && tail.len() <= LEAD_BYTES_MAX {
            self.nodes[usize::from(node)].tail = Some(tail.as_bytes().into());
        }
        self.buffer = values;
    }

    /// The member behind a node for a value, new or known; nothing if it cannot be remembered.
    fn grow(&mut self, node: NodeIndex, text: &str, end: usize, value: &ValueSpan) -> Option<NodeIndex> {
        let behind_quote = usize::from(value.kind == ValueKind::String);
        let lead = text.get(end..value.start + behind_quote)?.as_bytes();
        if value.kind == ValueKind::Other || lead.len() > LEAD_BYTES_MAX {
            return None;
        }
        let mut branches = 0;
        let mut last = 0;
        let mut member = self.nodes[usize::from(node)].child;
        while member != 0 {
            let known = &self.nodes[usize::from(member)];
            if self.texts[known.lead.0 as usize..known.lead.1 as usize] == *lead {
                return (known.kind == value.kind).then_some(member);
            }
            branches += 1;
            (last, member) = (member, known.sibling);
        }
        if self.nodes.len() >= NODES_MAX || branches >= BRANCHES_MAX {
            return None;
        }
        let new = NodeIndex::try_from(self.nodes.len()).ok()?;
        let start = u32::try_from(self.texts.len()).ok()?;
        self.texts.extend_from_slice(lead);
        let lead = (start, u32::try_from(self.texts.len()).ok()?);
        let ValueSpan { kind, field, is_in_data, .. } = *value;
        let has_others = field.is_none() || self.has_others(node);
        self.nodes.push(Node { lead, kind, field, is_in_data, has_others, child: 0, sibling: 0, tail: None });
        let link = if last == 0 {
            &mut self.nodes[usize::from(node)].child
        } else {
            &mut self.nodes[usize::from(last)].sibling
        };
        *link = new;
        Some(new)
    }
}

/// Whether a text begins with a lead. Most leads have 4 to 32 bytes: two overlapping words are cheaper than a call.
#[inline]
fn starts_with(text: &[u8], lead: &[u8]) -> bool {
    fn ends<const N: usize>(bytes: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*bytes.first_chunk()?, *bytes.last_chunk()?))
    }
    let Some(text) = text.get(..lead.len()) else { return false };
    match lead.len() {
        8..=16 => ends::<8>(text) == ends::<8>(lead),
        4..=7 => ends::<4>(text) == ends::<4>(lead),
        17..=32 => ends::<16>(text) == ends::<16>(lead),
        _ => text == lead,
    }
}
