//! Checking: what a request asks of the calendar, and of reservations that outlive the memory of keys.

use tallystick_contract::outcome::Outcome;

use crate::diagnostics::Diagnostics;
use crate::promise::Promises;
use crate::read::directive::Request;
use crate::read::element::Decoded;
use crate::read::reading::Command;
use crate::schedule::Books;

impl Promises {
    /// Checks what depends on the calendar, and on reservations that outlive the memory of keys.
    pub(crate) fn check_request(
        &self,
        books: &mut Books<'_>,
        command: &Command<'_>,
        decoded: &Decoded<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Outcome> {
        let Command::Directive(directive, _) = command else { return Ok(()) };
        let Request::Reserve(ask) = &directive.request else { return Ok(()) };
        if let Some(slot) = self.reservations.find(decoded.key)
            && self.is_live(slot)
        {
            if self.reservations.get(slot).known.means(command.body()) {
                return Err(Outcome::Duplicate);
            }
            let part = books.core.keys.part_of(decoded.key);
            let first = books.core.keys.parts[part].recent.find(books.core.elements, decoded.key);
            diagnostics.fields = first.map(|slices| slices.differences(command.body().slices()));
            return Err(Outcome::Conflict);
        }
        for wanted in &*ask.lines {
            let Some(due) = wanted.due else { continue };
            let group = wanted.group.as_deref().unwrap_or_default();
            let members = books.core.groups.members(group, books.core.now_ns()).unwrap_or_default();
            let mut locations = wanted.position.iter().map(|[location, ..]| &**location).chain(members);
            let is_beyond = |location: &str| {
                let zone = books.core.zone_of(location);
                books.core.calendar.bucket_of(zone, due) >= books.core.horizon(zone).end
            };
            if locations.any(is_beyond) {
                diagnostics.why =
                    Some(format!("`due` lies beyond the horizon of {} buckets", books.core.config.promise.horizon));
                return Err(Outcome::TimeOutOfBounds);
            }
        }
        Ok(())
    }
}
