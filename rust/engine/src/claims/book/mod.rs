//! Claims: what orders claim of the shelf, whoever tells of them, in whatever order (`docs/claims.md`).
//!
//! A capability: it keeps what was said of lines, and reckons what they claim. It knows positions by their spots and
//! nothing of what stands there; what follows for what can be promised is the business of whoever calls it.

#![expect(clippy::similar_names, reason = "a line, its life and those alike are words of the field")]

mod document;
mod documents;
mod doubled;
mod fact;
mod families;
mod heap;
mod keys;
mod life;
mod line;
mod packed;
mod reckon;
mod rest;
mod sources;
mod spread;
mod store;
mod supply;
mod voices;

use std::collections::BTreeMap;

use smallvec::{SmallVec, smallvec};
use tallystick_contract::heap_size::{HeapSize, heap_size};
use tallystick_tables::hash::{GOLDEN, fold, of_name};
use tallystick_tables::intern::NameId;
use tallystick_tables::staggered::Staggered;

use documents::Documents;
use families::Families;
use keys::FactKeys;
use packed::Head;
use store::Store;

use crate::read::directive::Side;
use crate::read::line_number::LineNumber;
use crate::schedule::Given;
use crate::stock::Spot;
pub(crate) use document::Document;
pub(crate) use doubled::{Doubled, is_moving};
pub(crate) use fact::{Fact, FactKind, Hold, Statement, SupplyTerms};
pub(crate) use life::{Life, is_used_after_closing};
pub(crate) use line::{Flags, Line, LinePlace, Noted};
pub(crate) use sources::SourceNames;
pub(crate) use store::LineRef;
pub(crate) use supply::{Coming, coming};
pub(crate) use voices::{Sums, Voices};

/// The lines that share facts with one, by their numbers in the store. Most lines are alone.
pub(crate) type Family = SmallVec<[u32; 2]>;

/// What a line is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineKey<'a> {
    pub(crate) side: Side,
    /// The number of the document.
    pub(crate) document: u32,
    pub(crate) number: Option<LineNumber<&'a str>>,
    pub(crate) part: u32,
    pub(crate) sku: NameId,
}

/// What a line has of a position: before, and now.
#[derive(Debug)]
pub(crate) struct GivenChange {
    pub(crate) before: Given,
    pub(crate) now: Given,
}

/// All lines, and their documents.
#[derive(Debug)]
pub(crate) struct Claims {
    lines: Store,
    by_name: Staggered<u32>,
    documents: Documents,
    /// Which line an event is a fact of; nothing before somebody asks.
    keys: Option<FactKeys>,
    pub(crate) sources: SourceNames,
    /// Lines that are to be looked at once the element is done.
    touched: Vec<u32>,
    seed: u64,
    /// At how many positions a source has shipped what it did not pick, by source and location.
    pub(crate) unpicked: BTreeMap<(Box<str>, Box<str>), u32>,
}

// Documents are told of by themselves, so that it shows what lines cost.
heap_size!(Claims { lines, by_name, keys, sources, touched, seed, unpicked; documents });

impl Claims {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            lines: Store::default(),
            by_name: Staggered::default(),
            documents: Documents::new(seed),
            keys: None,
            sources: SourceNames::new(seed),
            touched: Vec::new(),
            seed,
            unpicked: BTreeMap::new(),
        }
    }

    /// A line by its number in the store.
    pub(crate) fn line(&self, number: u32) -> LineRef<'_> {
        self.lines.see(number)
    }

    /// What a line is known by, and when something was said of it last.
    pub(crate) fn head(&self, number: u32) -> Head<'_> {
        self.lines.head(number)
    }

    /// A line by its number, to be changed.
    pub(crate) fn line_mut(&mut self, number: u32) -> &mut Line {
        self.lines.wake(number)
    }

    /// A document by its number in the store.
    pub(crate) fn document(&self, number: u32) -> &Document {
        self.documents.get(number)
    }

    /// A document by its number, to be changed.
    pub(crate) fn document_mut(&mut self, number: u32) -> &mut Document {
        self.documents.get_mut(number)
    }

    /// The number of a document, if anything was said of it.
    pub(crate) fn find_document(&self, space: &str, name: &str) -> Option<u32> {
        self.documents.find(space, name)
    }

    /// The number of a document, new if need be.
    pub(crate) fn enter_document(&mut self, space: &str, name: &str) -> u32 {
        self.documents.enter(space, name)
    }

    /// The number of a line, if anything was said of it.
    pub(crate) fn find(&self, key: &LineKey<'_>) -> Option<u32> {
        let is_it = |number: &u32| self.head(*number).key == *key;
        self.by_name.find(hash_of_line(self.seed, key), is_it).copied()
    }

    /// The number of a line, new if need be.
    pub(crate) fn enter(&mut self, key: &LineKey<'_>) -> u32 {
        if let Some(number) = self.find(key) {
            return number;
        }
        let line = Line::new(key.side, key.document, key.number.map(LineNumber::to_own), (key.part, key.sku));
        let number = self.lines.add(line);
        let (lines, seed) = (&self.lines, self.seed);
        self.by_name
            .insert_unique(hash_of_line(seed, key), number, |number| hash_of_line(seed, &lines.head(*number).key));
        self.document_mut(key.document).lines.push(number);
        self.enter_family(key, number);
        number
    }

    /// Notes which lines a new one shares facts with, if its document wants to know that.
    fn enter_family(&mut self, key: &LineKey<'_>, number: u32) {
        let document = self.documents.get_mut(key.document);
        if let Some(families) = &mut document.families {
            families.add(key, number);
        } else if key.number.is_none() {
            let mut families = Box::new(Families::default());
            for number in &document.lines {
                families.add(&self.lines.head(*number).key, *number);
            }
            document.families = Some(families);
        }
    }

    /// Adds what an event said.
    pub(crate) fn note(&mut self, line: u32, fact: Fact) {
        self.line_mut(line).facts.push(fact);
        if let Some(keys) = self.keys.as_mut().filter(|_| !fact.kind.is_closing()) {
            keys.add(fact.key, line);
        }
    }

    /// All documents, by their numbers in the store.
    pub(crate) fn document_numbers(&self) -> Vec<u32> {
        self.documents.numbers()
    }

    /// The line that an event is a fact of. A key may have been used before, for something else.
    pub(crate) fn line_of(&mut self, said: &Noted) -> Option<u32> {
        if self.keys.is_none() && self.lines.numbers().next().is_some() {
            self.keys = Some(self.index_keys());
        }
        let keys = self.keys.as_ref()?;
        let meant = keys.lines(said.key).filter(|line| self.line(*line).find_fact(said).is_some());
        meant.max_by_key(|line| (self.head(*line).touched_ns, *line))
    }

    /// Finds the lines of all events. That is done once somebody takes something back: most never do.
    fn index_keys(&self) -> FactKeys {
        let mut keys = FactKeys::default();
        for number in self.lines.numbers() {
            for fact in self.line(number).facts.iter().filter(|fact| !fact.kind.is_closing()) {
                keys.add(fact.key, number);
            }
        }
        keys
    }

    /// Takes back what an event said of a line.
    pub(crate) fn retract(&mut self, line: u32, said: &Noted) {
        if self.line_mut(line).retract(said)
            && let Some(keys) = &mut self.keys
        {
            keys.remove(said.key, line);
        }
    }

    /// Notes that a line is to be looked at once the element is done.
    pub(crate) fn touch(&mut self, number: u32, now_ns: i64) {
        let line = self.line_mut(number);
        line.touched_ns = now_ns;
        let (is_new, document) = (!std::mem::replace(&mut line.is_touched, true), line.document);
        self.document_mut(document).touched_ns = now_ns;
        if is_new {
            self.touched.push(number);
        }
    }

    /// Takes the lines that are to be looked at.
    pub(crate) fn take_touched(&mut self) -> Vec<u32> {
        let touched = std::mem::take(&mut self.touched);
        for number in &touched {
            self.line_mut(*number).is_touched = false;
        }
        self.lines.rest();
        touched
    }

    /// Puts lines in the order in which they are listed: by document, line and SKU; a line without a number stands
    /// last.
    pub(crate) fn sort<'s>(&self, numbers: &mut [u32], sku_of: impl Fn(LineKey<'_>) -> &'s str) {
        let names = |number: &u32| {
            let key = self.head(*number).key;
            let document = self.document(key.document);
            (document.space(), document.name(), key.number.is_none(), key.number, sku_of(key))
        };
        numbers.sort_by(|one, other| names(one).cmp(&names(other)));
    }

    /// The lines that share facts with one: itself, or all of its document and SKU where something was said without a
    /// line. The one without a number stands first, the others in their order.
    pub(crate) fn family(&self, number: u32) -> Family {
        let line = self.head(number).key;
        let document = self.document(line.document);
        let Some(families) = &document.families else { return smallvec![number] };
        let mut family = Family::from_slice(families.lines(&line));
        if family.len() == 1 {
            return family;
        }
        let key = |number: &u32| self.head(*number).key;
        family.sort_by(|one, other| key(one).number.cmp(&key(other).number));
        if key(&family[0]).number.is_some() { smallvec![number] } else { family }
    }

    /// The lines of a family with what was said without a line shared out.
    pub(crate) fn shared_out(&self, family: &[u32], is_before: impl Fn(Spot, Spot) -> bool) -> Vec<Line> {
        let seen: SmallVec<[LineRef<'_>; 2]> = family.iter().map(|number| self.line(*number)).collect();
        let lines: SmallVec<[&Line; 2]> = seen.iter().map(|line| &**line).collect();
        let document = self.document(lines[0].document);
        spread::spread(&lines, document.closed_on(lines[0].side), &self.sources, is_before)
    }

    /// The lines of a family with what was said without a line shared out, if one of them were another.
    pub(crate) fn shared_out_with(&self, number: u32, line: Line, is_before: impl Fn(Spot, Spot) -> bool) -> Vec<Line> {
        let family = self.family(number);
        if family.len() == 1 {
            return vec![line];
        }
        let known = |one: &u32| if *one == number { LineRef::Awake(&line) } else { self.line(*one) };
        let seen: SmallVec<[LineRef<'_>; 2]> = family.iter().map(known).collect();
        let lines: SmallVec<[&Line; 2]> = seen.iter().map(|line| &**line).collect();
        spread::spread(&lines, self.document(line.document).closed_on(line.side), &self.sources, is_before)
    }

    /// Reckons anew what a line, and those that share facts with it, claim. Tells what is other than before.
    pub(crate) fn reckon_line(
        &mut self,
        number: u32,
        is_before: impl Fn(Spot, Spot) -> bool,
        dropped: impl Fn(Spot) -> Option<i32>,
    ) -> Vec<GivenChange> {
        let family = self.family(number);
        let mut changes = Vec::new();
        if let [only] = &*family {
            let line = self.line(*only);
            let closed_ns = self.document(line.document).closed_on(line.side);
            let now = reckon::reckon(&line, closed_ns, &self.sources, dropped, true);
            drop(line);
            self.replace(*only, now, &mut changes);
            return changes;
        }
        let keeps = self.keep_their_moves(&family);
        let lines = self.shared_out(&family, is_before);
        let closed_ns = self.document(lines[0].document).closed_on(lines[0].side);
        for (number, line) in family.iter().zip(&lines) {
            let now = reckon::reckon(line, closed_ns, &self.sources, &dropped, keeps);
            self.replace(*number, now, &mut changes);
        }
        changes
    }

    /// What a line by itself has doubled, if it were so.
    pub(crate) fn doubled_with(&self, number: u32, line: &Line) -> Vec<Doubled> {
        let others: Vec<LineRef<'_>> =
            self.family(number).iter().filter(|other| **other != number).map(|other| self.line(*other)).collect();
        let mut family: Vec<&Line> = std::iter::once(line).chain(others.iter().map(|other| &**other)).collect();
        // The one without a number stands first.
        family.sort_by_key(|line| line.number.is_some());
        if doubled::keeps_its_moves(&family) { doubled::doubled(line) } else { Vec::new() }
    }

    fn keep_their_moves(&self, family: &[u32]) -> bool {
        let seen: SmallVec<[LineRef<'_>; 2]> = family.iter().map(|number| self.line(*number)).collect();
        doubled::keeps_its_moves(&seen.iter().map(|line| &**line).collect::<SmallVec<[_; 2]>>())
    }

    /// What was picked for a line, or for those that share facts with it, and sold of it, too. Nothing where it is
    /// shared out whose picks and sales they are.
    pub(crate) fn doubled(&self, number: u32) -> Vec<Doubled> {
        if !self.document(self.head(number).key.document).has_loose() {
            return doubled::doubled(&self.line(number));
        }
        let family = self.family(number);
        if !self.keep_their_moves(&family) {
            return Vec::new();
        }
        family.iter().flat_map(|number| doubled::doubled(&self.line(*number))).collect()
    }

    /// What a line claims. `dropped` tells from which bucket on an order counts, where those of the past do not.
    pub(crate) fn reckon_one(
        &self,
        line: &Line,
        closed_ns: Option<i64>,
        dropped: impl Fn(Spot) -> Option<i32>,
    ) -> Vec<Given> {
        reckon::reckon(line, closed_ns, &self.sources, dropped, true)
    }

    fn replace(&mut self, number: u32, now: Vec<Given>, changes: &mut Vec<GivenChange>) {
        let mut before = std::mem::take(&mut self.line_mut(number).given);
        for given in &now {
            let known = before.iter().position(|before| before.spot == given.spot);
            let before = known.map_or_else(|| Given::none(given.spot), |at| before.remove(at));
            if before != *given {
                changes.push(GivenChange { before, now: given.clone() });
            }
        }
        for before in before.into_iter().filter(|before| !before.is_none()) {
            changes.push(GivenChange { now: Given::none(before.spot), before });
        }
        self.line_mut(number).given = now.into_iter().filter(|given| !given.is_none()).collect();
    }

    /// All lines, by their numbers in the store.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.lines.numbers().collect()
    }

    /// Whether a number in the store is that of a line.
    pub(crate) fn is_known(&self, number: u32) -> bool {
        self.lines.is_there(number)
    }

    /// Forgets a line.
    pub(crate) fn forget(&mut self, number: u32) {
        let hash = hash_of_line(self.seed, &self.head(number).key);
        self.by_name.remove(hash, |known| *known == number);
        let line = self.lines.take(number);
        if let Some(keys) = &mut self.keys {
            for fact in line.facts.iter().filter(|fact| !fact.kind.is_closing()) {
                keys.remove(fact.key, number);
            }
        }
        if line.is_touched {
            self.touched.retain(|touched| *touched != number);
        }
        let document = self.documents.get_mut(line.document);
        if let Some(families) = &mut document.families {
            families.remove(&line.key(), number);
        }
        if let Some(at) = document.lines.iter().rposition(|known| *known == number) {
            document.lines.remove(at);
        }
    }

    /// Forgets documents of which no line is left and that were touched last before a time.
    pub(crate) fn forget_documents(&mut self, before_ns: i64) {
        self.documents.forget(before_ns);
    }

    /// Bytes of documents, beside their lines.
    pub(crate) fn documents_bytes(&self) -> usize {
        self.documents.heap_bytes()
    }
}

/// Texts are hashed under the secret seed, so nobody can craft lines that pile up.
fn hash_of_line(seed: u64, key: &LineKey<'_>) -> u64 {
    let number = match key.number {
        None => 1,
        Some(LineNumber::Number(number)) => fold(number.cast_unsigned() ^ seed, GOLDEN),
        Some(LineNumber::Text(text)) => of_name(seed, text),
    };
    let names = u64::from(key.document) << 32 | u64::from(key.sku);
    fold(fold(names ^ seed, GOLDEN) ^ number ^ u64::from(key.part) << 1 ^ key.side as u64, GOLDEN ^ seed)
}
