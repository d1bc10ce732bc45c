//! Checking: what a request asks of the calendar, and of reservations that outlive the memory of keys.

use tallystick_contract::outcome::Outcome;

use crate::diagnostics::Findings;
use crate::promise::Promises;
use crate::read::directive::Request;
use crate::read::element::Seen;
use crate::read::reading::Said;
use crate::schedule::Ctx;

impl Promises {
    /// Checks what depends on the calendar, and on reservations that outlive the memory of keys.
    pub(crate) fn check_request(
        &self,
        ctx: &mut Ctx<'_>,
        said: &Said<'_>,
        seen: &Seen<'_>,
        findings: &mut Findings,
    ) -> Result<(), Outcome> {
        let Said::Directive(directive, _) = said else { return Ok(()) };
        let Request::Reserve(ask) = &directive.request else { return Ok(()) };
        if let Some(slot) = self.reservations.find(seen.key)
            && self.is_live(slot)
        {
            if self.reservations.get(slot).known.means(said.body()) {
                return Err(Outcome::Duplicate);
            }
            let part = ctx.core.keys.part_of(seen.key);
            let first = ctx.core.keys.parts[part].recent.find(ctx.core.elements, seen.key);
            findings.fields = first.map(|slices| slices.differences(said.body().slices()));
            return Err(Outcome::Conflict);
        }
        for wanted in &*ask.lines {
            let Some(due) = wanted.due else { continue };
            let group = wanted.group.as_deref().unwrap_or_default();
            let members = ctx.core.groups.members(group, ctx.core.now_ns()).unwrap_or_default();
            let mut locations = wanted.position.iter().map(|[location, ..]| &**location).chain(members);
            let is_beyond = |location: &str| {
                let zone = ctx.core.zone_of(location);
                ctx.core.calendar.bucket_of(zone, due) >= ctx.core.horizon(zone).end
            };
            if locations.any(is_beyond) {
                findings.why =
                    Some(format!("`due` lies beyond the horizon of {} buckets", ctx.core.config.promise.horizon));
                return Err(Outcome::TimeOutOfBounds);
            }
        }
        Ok(())
    }
}
