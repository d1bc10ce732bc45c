//! Requests for a promise as they are sent: lines, and what holds for all of them.

use tallystick_contract::balance::PositionKey;
use tallystick_contract::config::Mode;
use tallystick_contract::limits::{NAME_BYTES_MAX, REPLY_BYTES_MAX, RESERVATION_LINES_MAX};
use tallystick_contract::outcome::Outcome;

use crate::calendar::Due;
use crate::fields::{Fields, Malformed};
use crate::number::Number;

use super::members::{Measured, Ttl, due, mode, position, quantity, ttl};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) lines: Vec<Wanted>,
    pub(crate) ttl: Ttl,
    /// Whether a part is better than nothing.
    pub(crate) is_partial: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) document: Option<String>,
    pub(crate) number: Number,
}

/// One line of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) place: Place,
    pub(crate) quantity: Measured,
    pub(crate) due: Option<Due>,
    pub(crate) channel: Option<String>,
    pub(crate) version: Option<u64>,
    /// The line of the document, where this line has one of its own.
    pub(crate) number: Number,
}

/// Where it is wanted from.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Position(PositionKey),
    Group { sku: String, group: String, lot: String, owner: String },
}

/// What a line has. Beside `lines` none of it may stand in the request itself, but for `line`, which is the document's.
const LINE: [&str; 11] =
    ["sku", "location", "lot", "owner", "group", "quantity", "unit", "due", "channel", "version", "line"];

/// Reads a request.
pub(crate) fn decode(fields: &Fields<'_>) -> Result<Result<Request, Outcome>, Malformed> {
    fields.text("reply", REPLY_BYTES_MAX)?;
    let (ttl, mode, number) = (ttl(fields)?, mode(fields)?, fields.line("line")?);
    let is_partial = match fields.name("policy", NAME_BYTES_MAX)?.as_deref() {
        None | Some("all") => false,
        Some("partial") => true,
        Some(_) => return Err(Malformed),
    };
    let lines = match fields.objects("lines", &LINE)? {
        None => vec![wanted(fields, Number::None)?],
        Some(lines) => {
            let is_given = |name: &&str| *name != "line" && fields.json(name).is_some();
            if !(1..=RESERVATION_LINES_MAX).contains(&lines.len()) || LINE.iter().any(is_given) {
                return Err(Malformed);
            }
            let read = |line: &Fields<'_>| wanted(line, line.line("line")?);
            lines.iter().map(read).collect::<Result<_, Malformed>>()?
        }
    };
    let document = fields.text("document", NAME_BYTES_MAX)?;
    let lines: Result<Vec<Wanted>, Outcome> = lines.into_iter().collect();
    Ok(lines.map(|lines| Request { lines, ttl, is_partial, mode, document, number }))
}

fn wanted(fields: &Fields<'_>, number: Number) -> Result<Result<Wanted, Outcome>, Malformed> {
    let sku = fields.name("sku", NAME_BYTES_MAX)?.ok_or(Malformed)?;
    let version = fields.integer("version")?.map(u64::try_from).transpose().map_err(|_| Malformed)?;
    let place = match (position(fields)?, fields.name("group", NAME_BYTES_MAX)?) {
        (Some(position), None) => Place::Position(position),
        (None, Some(group)) if version.is_none() => {
            let text = |name: &str| Ok(fields.text(name, NAME_BYTES_MAX)?.unwrap_or_default());
            Place::Group { sku, group, lot: text("lot")?, owner: text("owner")? }
        }
        _ => return Err(Malformed),
    };
    let (due, channel) = (due(fields)?, fields.name("channel", NAME_BYTES_MAX)?);
    let quantity = quantity(fields, "quantity", 1)?.ok_or(Malformed)?;
    Ok(quantity.map(|quantity| Wanted { place, quantity, due, channel, version, number }))
}
