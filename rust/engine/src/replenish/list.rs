//! The signals that stand, as somebody asks for them.

use crate::core::Core;
use crate::output::replenishment::Signal;
use crate::replenish::Replenishing;

impl Replenishing {
    /// How many stand of a SKU at a location, nothing for any of them, and the first of them as a JSON array by SKU and
    /// location.
    pub(crate) fn list(&self, core: &Core, asked: [Option<&str>; 2], limit: Option<usize>) -> (usize, String) {
        let fits =
            |names: [&str; 2]| asked.iter().zip(names).all(|(asked, name)| asked.is_none_or(|asked| asked == name));
        let all = self.open.iter().map(|(number, signal)| (self.sites.names(core, *number), signal));
        let mut found: Vec<([&str; 2], &Signal)> = all.filter(|(names, _)| fits(*names)).collect();
        let total = found.len();
        let shown = limit.unwrap_or(total).min(total);
        if shown < total {
            // Of many only those that are shown are put in order.
            found.select_nth_unstable_by(shown, |(one, _), (other, _)| one.cmp(other));
            found.truncate(shown);
        }
        found.sort_unstable_by_key(|(names, _)| *names);
        let mut out = b"[".to_vec();
        for (number, (names, signal)) in found.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            signal.write(*names, &mut out);
        }
        out.push(b']');
        (total, String::from_utf8(out).expect("JSON is text"))
    }
}
