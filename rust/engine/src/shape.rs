//! Shapes of events: how producers lay out their members. A system writes its events alike, so once a layout was read with all care, the next
//! event of that layout is read by comparing what stands between its values. Changes no answer, only the way to it.

use crate::event::Field;
use crate::json::{Cursor, Kind};

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
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::String => Self::String,
            Kind::Number => Self::Number,
            Kind::Object | Kind::Array | Kind::Bool | Kind::Null => Self::Other,
        }
    }
}

/// A value that was read with all care.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// What it is of; nothing for a member that is skipped.
    pub field: Option<Field>,
    /// What it is.
    pub kind: ValueKind,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

/// Shapes that are remembered, counted in members; beyond them events are read with all care.
const NODES_MAX: usize = 512;
/// Members that may follow one; a look through more would cost more than reading with care.
const BRANCHES_MAX: usize = 8;
/// Longest text between two values that is remembered, in bytes.
const LEAD_BYTES_MAX: usize = 256;

/// A member in one or more shapes that begin alike.
#[derive(Debug)]
struct Node {
    /// What stands before the value, from the end of the value before it.
    lead: Box<str>,
    kind: ValueKind,
    field: Option<Field>,
    /// What stands behind the value if it is the last one.
    tail: Option<Box<str>>,
    /// The members that may follow.
    next: Vec<u16>,
}

/// All shapes, as a tree of members.
#[derive(Debug)]
pub struct Shapes {
    nodes: Vec<Node>,
    buffer: Vec<Value>,
}

impl Default for Shapes {
    fn default() -> Self {
        let root = Node { lead: "".into(), kind: ValueKind::Other, field: None, tail: None, next: Vec::new() };
        Self { nodes: vec![root], buffer: Vec::new() }
    }
}

impl Shapes {
    /// Where every shape begins.
    pub const ROOT: u16 = 0;

    /// Steps over the lead of a member that may follow a node, and gives that member.
    pub fn step(&self, node: u16, cursor: &mut Cursor<'_>) -> Option<u16> {
        let next = &self.nodes[usize::from(node)].next;
        next.iter().copied().find(|member| cursor.skip_lead(&self.nodes[usize::from(*member)].lead))
    }

    /// What the value of a member is.
    pub fn value(&self, node: u16) -> (ValueKind, Option<Field>) {
        let node = &self.nodes[usize::from(node)];
        (node.kind, node.field)
    }

    /// Whether an event may end behind a member as the text ends here.
    pub fn is_end(&self, node: u16, cursor: &Cursor<'_>) -> bool {
        self.nodes[usize::from(node)].tail.as_deref().is_some_and(|tail| cursor.ends_with(tail))
    }

    /// An empty list for the values of an event.
    pub fn take_buffer(&mut self) -> Vec<Value> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }

    /// Remembers the shape of an event that was read with all care and found well-formed.
    pub fn learn(&mut self, text: &str, values: Vec<Value>) {
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
            self.nodes[usize::from(node)].tail = Some(tail.into());
        }
        self.buffer = values;
    }

    /// The member behind a node for a value, new or known; nothing if it cannot be remembered.
    fn grow(&mut self, node: u16, text: &str, end: usize, value: &Value) -> Option<u16> {
        let behind_quote = usize::from(value.kind == ValueKind::String);
        let lead = text.get(end..value.start + behind_quote)?;
        if value.kind == ValueKind::Other || lead.len() > LEAD_BYTES_MAX {
            return None;
        }
        let known = self.nodes[usize::from(node)].next.iter().copied();
        if let Some(known) = known.into_iter().find(|member| *self.nodes[usize::from(*member)].lead == *lead) {
            return (self.nodes[usize::from(known)].kind == value.kind).then_some(known);
        }
        if self.nodes.len() >= NODES_MAX || self.nodes[usize::from(node)].next.len() >= BRANCHES_MAX {
            return None;
        }
        let member = u16::try_from(self.nodes.len()).ok()?;
        let new = Node { lead: lead.into(), kind: value.kind, field: value.field, tail: None, next: Vec::new() };
        self.nodes.push(new);
        self.nodes[usize::from(node)].next.push(member);
        Some(member)
    }
}
