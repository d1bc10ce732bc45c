//! What an output stream that lost its messages is told once more: the whole state, not what changed. Nothing is
//! taken from what waits for the next flush.

use crate::diagnostics::Now;
use crate::output::effect::{Covers, Message, encode_availability, encode_exceptions};
use crate::output::replenishment::Signal;
use crate::read::element::Place;
use crate::spine::engine::{Engine, Flush};
use tallystick_contract::exception_state::ExceptionState;

impl Engine {
    /// The whole state, encoded as a flush of the whole log through now: all positions in the order in which
    /// they came into being, all exceptions that nobody has settled, and the signals to fill up.
    ///
    /// ```
    /// use tallystick_contract::config::Config;
    /// use tallystick_engine::{Batch, Engine};
    ///
    /// let mut engine = Engine::new(Config::default(), [0; 16]);
    /// let event = br#"{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}"#;
    /// engine.apply_message(event, 1, 0, &mut Batch::new()).unwrap();
    /// engine.flush("EVENTS", 500, 524_288);
    /// let again = engine.retell("EVENTS", 500, 524_288);
    /// assert!(again.availability[0].1.ends_with(br#""atp":5,"version":1}]}}"#));
    /// assert!(engine.flush("EVENTS", 500, 524_288).availability.is_empty());
    /// ```
    pub fn retell(&self, stream: &str, positions_max: usize, bytes_max: usize) -> Flush {
        let spots = self.spots();
        let covers = Covers { stream, from: 0, through: self.core.sequence, log_time_ns: self.core.now_ns() };
        let balances = self.views(&spots).map(|(spot, view)| (spot, view, None));
        let more = |spot, out: &mut Vec<u8>| self.schedule.write_promise(&self.core, spot, out);
        let availability = encode_availability(covers, balances, (positions_max, bytes_max), more);
        let exceptions = self.retell_exceptions(covers, positions_max, bytes_max);
        Flush { from: 0, through: covers.through, positions: spots.len(), availability, exceptions }
    }

    fn retell_exceptions(&self, covers: Covers<'_>, records_max: usize, bytes_max: usize) -> Vec<Message> {
        let (mut records, mut moved) = (Vec::new(), Vec::new());
        for item in self.work.items().filter(|item| !item.state.is_done()) {
            records.push(item.record.clone());
            if item.state != ExceptionState::Open || item.is_escalated || item.team.is_some() {
                let place = Place { sequence: item.record.sequence, index: item.record.index };
                moved.push(item.change(Now { place, log_time_ns: item.moved_ns.unwrap_or(item.last_seen_ns) }));
            }
        }
        let signals: Vec<([&str; 2], Signal)> = self.replenish.given(&self.core);
        encode_exceptions(covers, &records, (&moved, &signals), records_max, bytes_max)
    }

    /// Bytes of exceptions that wait for the next flush, about: what is unbounded while nothing can be published.
    pub const fn held_output_bytes(&self) -> usize {
        self.held_output_bytes
    }
}
