//! Lists of lines with what each voice says of them and what follows, for people (`docs/claims.md` §2).

use serde::Deserialize;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::quantity;

use crate::claims::book::{Claims, Life, LineKey, Voices};
use crate::core::Core;
use crate::output::effect::{write_name, write_number, write_text};
use crate::read::directive::Side;
use crate::schedule::View;
/// Lines of one list, unless asked for fewer.
const LIST_MAX: usize = 1_000;

/// Which lines are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LineFilter {
    document: Option<String>,
    sku: Option<String>,
    location: Option<String>,
    limit: Option<usize>,
}

impl Claims {
    /// Order lines as JSON: `{"sequence", "total", "lines": […]}`, by document and line: at each position what is
    /// ordered, reserved, allocated, held,
    /// posted, picked and shipped, whether the line is open, and what it claims. The filter is a JSON object with any
    /// of `document`, `sku`,
    /// `location` and `limit`; one in another form gives `{"error"}`.
    pub(crate) fn list(&self, view: View<'_>, filter: &str) -> String {
        let filter: LineFilter = match serde_json::from_str(filter) {
            Ok(filter) => filter,
            Err(error) => return serde_json::json!({ "error": format!("the filter: {error}") }).to_string(),
        };
        let mut found: Vec<u32> =
            self.numbers().into_iter().filter(|number| self.is_asked_for(view, &filter, *number)).collect();
        self.sort(&mut found, |line| Self::sku_of(view.core, line));
        let mut out = b"{\"sequence\":".to_vec();
        quantity::write_digits(&mut out, view.core.sequence);
        write_number(&mut out, "total", found.len() as u64);
        out.extend_from_slice(b",\"lines\":[");
        for (at, number) in found.into_iter().take(filter.limit.unwrap_or(LIST_MAX)).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.write_line_of(view, &mut out, number);
        }
        out.extend_from_slice(b"]}");
        String::from_utf8(out).expect("JSON is text")
    }

    fn is_asked_for(&self, view: View<'_>, filter: &LineFilter, number: u32) -> bool {
        let line = self.line(number);
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| value == wanted);
        let is_there = |wanted: &Option<String>| {
            wanted.is_none() || line.places.iter().any(|place| is(wanted, view.core.view_names(place.spot)[1]))
        };
        line.side == Side::Demand
            && is(&filter.document, self.document(line.document).name())
            && is(&filter.sku, Self::sku_of(view.core, line.key()))
            && is_there(&filter.location)
    }

    fn sku_of<'c>(core: &'c Core, line: LineKey<'_>) -> &'c str {
        core.stock.parts[line.part as usize].names.name(line.sku)
    }

    fn write_line_of(&self, view: View<'_>, out: &mut Vec<u8>, number: u32) {
        let known = self.line(number);
        let document = self.document(known.document);
        out.extend_from_slice(b"{\"document\":");
        write_string(out, document.name());
        write_text(out, "documents", Some(document.space()).filter(|space| !space.is_empty()));
        if let Some(number) = &known.number {
            write_name(out, "line");
            number.write_json(out);
        }
        write_text(out, "sku", Some(Self::sku_of(view.core, known.key())));
        let family = self.family(number);
        let stock = &view.core.stock;
        let shared =
            (family.len() > 1).then(|| self.shared_out(&family, |one, other| super::is_before(stock, one, other)));
        let at = family.iter().position(|known| *known == number).unwrap_or(0);
        let line = shared.as_ref().map_or(&*known, |shared| &shared[at]);
        let life = Life::of(line, document.closed_on(Side::Demand));
        write_name(out, "shipped_whole");
        out.extend_from_slice(if life.is_complete { b"true" } else { b"false" });
        out.extend_from_slice(b",\"positions\":[");
        for (place, standing) in (0..).zip(&life.standings) {
            if place > 0 {
                out.push(b',');
            }
            let spot = line.places[place as usize].spot;
            let [_, location, lot, owner] = view.core.view_names(spot);
            out.extend_from_slice(b"{\"location\":");
            write_string(out, location);
            for (name, value) in [("lot", lot), ("owner", owner)] {
                write_text(out, name, Some(value).filter(|value| !value.is_empty()));
            }
            write_text(out, "closed", standing.closed_ns.map(instant::format).as_deref());
            write_name(out, "open");
            out.extend_from_slice(if standing.is_open { b"true" } else { b"false" });
            write_voices(out, &life.voices(line, place));
            let given = known.given.iter().find(|given| given.spot == spot);
            let claim = given.and_then(|given| given.steps.last()).map_or(0, |(_, shown)| shown.total());
            write(out, "claim", claim.into());
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// Appends what each voice says.
fn write_voices(out: &mut Vec<u8>, voices: &Voices) {
    let held: i128 = voices.held.iter().map(|(_, amount)| *amount).sum();
    for (name, amount) in [
        ("ordered", voices.ordered),
        ("reserved", voices.reserved),
        ("allocated", voices.allocated),
        ("held", held),
        ("posted", voices.posted),
        ("gone", voices.gone),
    ] {
        write(out, name, amount);
    }
}

fn write(out: &mut Vec<u8>, name: &str, amount: i128) {
    write_name(out, name);
    quantity::write(out, i64::try_from(amount).unwrap_or(i64::MAX));
}
