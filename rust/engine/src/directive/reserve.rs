//! The members of a request for a reservation, read in one pass over its text without a tree: requests come by the hundred thousand.

use smallvec::SmallVec;

use super::promise::{above_zero, not_above_zero};
use super::{Refused, malformed, required};
use crate::config::Mode;
use crate::config::text::duration;
use crate::decode::has_control;
use crate::event::Event;
use crate::instant;
use crate::json::{Cursor, Fault, Kind};
use crate::limits::{NAME_BYTES_MAX, REPLY_BYTES_MAX, RESERVATION_LINES_MAX};
use crate::promise::Due;
use crate::quantity;

/// A line of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) sku: Box<str>,
    /// Location, lot and owner; nothing where a group is named.
    pub(crate) position: Option<[Box<str>; 3]>,
    pub(crate) group: Option<Box<str>>,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) due: Option<Due>,
    pub(crate) channel: Option<Box<str>>,
    /// The log sequence that the position must reflect.
    pub(crate) version: Option<u64>,
    pub(crate) line: Option<i64>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) lines: SmallVec<[Wanted; 1]>,
    /// How long it is to live, in nanoseconds, if it says so; the greatest number for ever.
    pub(crate) ttl_ns: Option<i64>,
    pub(crate) is_partial: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) document: Option<Box<str>>,
    pub(crate) line: Option<i64>,
    pub(crate) reply: Option<Box<str>>,
}

/// Members that stand beside those that every event has.
#[derive(Debug, Default)]
struct Extras<'a> {
    group: Option<Text<'a>>,
    ttl: Option<Text<'a>>,
    policy: Option<Text<'a>>,
    mode: Option<Text<'a>>,
    channel: Option<Text<'a>>,
    version: Option<u64>,
    reply: Option<Text<'a>>,
    lines: Option<Vec<Wanted>>,
}

type Text<'a> = std::borrow::Cow<'a, str>;

/// Reads a request, and gives what it says in one form beside it.
pub(super) fn read(event: &Event<'_>, bytes: &[u8]) -> Result<(Ask, String), Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("data", "cannot be read"))?;
    let mut cursor = Cursor::new(text);
    let mut extras = Extras::default();
    extras.read(&mut cursor, true)?;
    let Extras { group, ttl, policy, mode, channel, version, reply, lines } = extras;
    let is_listed = lines.is_some();
    let lines = match lines {
        Some(_) if event.sku.is_some() || event.location.is_some() || event.quantity.is_some() || group.is_some() => {
            return Err(malformed(
                "lines",
                "stands beside `sku`, `location`, `group` or `quantity`; name them in the lines alone",
            ));
        }
        Some(_) if version.is_some() || channel.is_some() || event.due.is_some() => {
            return Err(malformed(
                "lines",
                "stands beside `due`, `channel` or `version`; name them in the lines alone",
            ));
        }
        Some(lines) => lines.into(),
        None => std::iter::once(single(event, group, channel, version)?).collect(),
    };
    let ttl_ns = ttl.map(|ttl| duration("ttl", &ttl).map_err(|why| malformed("ttl", &why))).transpose()?;
    let ttl_ns = ttl_ns.map(|ttl_ns| ttl_ns.unwrap_or(i64::MAX));
    if ttl_ns == Some(0) {
        return Err(malformed("ttl", "is more than zero"));
    }
    let is_partial = match policy.as_deref() {
        None | Some("all") => false,
        Some("partial") => true,
        Some(_) => return Err(malformed("policy", "is \"all\" or \"partial\"")),
    };
    let known = |name: Text<'_>| Mode::from_name(&name).ok_or_else(|| malformed("mode", "is none of the modes"));
    let mode = mode.map(known).transpose()?;
    let reply = reply.map(Into::into);
    let ask =
        Ask { lines, ttl_ns, is_partial, mode, document: event.document.map(Into::into), line: event.line, reply };
    let said = ask.said(is_listed, event);
    Ok((ask, said))
}

/// Where the answer to a request goes that cannot be read otherwise.
pub(crate) fn reply_of(bytes: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let reply = value.get("reply").or_else(|| value.get("data")?.get("reply"))?.as_str()?;
    Some(reply.to_owned()).filter(|reply| (1..=REPLY_BYTES_MAX).contains(&reply.len()) && !has_control(reply))
}

fn single(
    event: &Event<'_>,
    group: Option<Text<'_>>,
    channel: Option<Text<'_>>,
    version: Option<u64>,
) -> Result<Wanted, Refused> {
    let optional = |name: Option<&str>| name.unwrap_or_default().into();
    let position = event.location.map(|location| [location.into(), optional(event.lot), optional(event.owner)]);
    let due = event.due.map(|due| Due::of(due).ok_or_else(|| malformed("due", "is neither a date nor a time")));
    let wanted = Wanted {
        sku: required(event.sku, "sku")?.into(),
        position,
        group: group.map(Into::into),
        quantity: above_zero(event)?,
        due: due.transpose()?,
        channel: channel.map(Into::into),
        version,
        line: None,
    };
    wanted.check(event.lot.is_some() || event.owner.is_some())?;
    Ok(wanted)
}

impl Wanted {
    fn check(&self, is_part: bool) -> Result<(), Refused> {
        match (&self.position, &self.group) {
            (None, None) => Err(malformed("location", "or `group` is required by this type")),
            (Some(_), Some(_)) => Err(malformed("group", "stands beside `location`; name one of them")),
            (None, Some(_)) if is_part => Err(malformed("lot", "and `owner` mean nothing beside a group")),
            (None, Some(_)) if self.version.is_some() => {
                Err(malformed("version", "is that of a position; a group has none"))
            }
            _ => Ok(()),
        }
    }

    /// Appends all that it says.
    fn say(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.sku.as_bytes());
        out.push(0);
        match (&self.position, &self.group) {
            (Some([location, lot, owner]), _) => {
                for name in [location, lot, owner] {
                    out.extend_from_slice(name.as_bytes());
                    out.push(0);
                }
            }
            (None, group) => {
                out.push(1);
                out.extend_from_slice(group.as_deref().unwrap_or_default().as_bytes());
                out.push(0);
            }
        }
        quantity::write(out, self.quantity);
        if let Some(due) = self.due {
            out.extend_from_slice(format!("\u{2}{due:?}").as_bytes());
        }
        if let Some(channel) = &self.channel {
            out.push(3);
            out.extend_from_slice(channel.as_bytes());
        }
        if let Some(version) = self.version {
            out.push(4);
            quantity::write_digits(out, version);
        }
        if let Some(line) = self.line {
            out.push(5);
            quantity::write(out, line);
        }
        out.push(6);
    }
}

impl Ask {
    /// All of it in one form, for idempotency. Names have no control characters, so these set them apart.
    fn said(&self, is_listed: bool, event: &Event<'_>) -> String {
        let mut out = Vec::with_capacity(128);
        out.push(if is_listed { b'l' } else { b's' });
        self.lines.iter().for_each(|line| line.say(&mut out));
        out.push(if self.is_partial { b'p' } else { b'a' });
        if let Some(mode) = self.mode {
            out.extend_from_slice(mode.name().as_bytes());
        }
        if let Some(ttl_ns) = self.ttl_ns {
            out.push(1);
            quantity::write(&mut out, ttl_ns);
        }
        if let Some(document) = &self.document {
            out.push(2);
            out.extend_from_slice(document.as_bytes());
        }
        if let Some(line) = self.line {
            out.push(3);
            quantity::write(&mut out, line);
        }
        if let Some(unit) = event.unit {
            out.push(4);
            out.extend_from_slice(unit.as_bytes());
        }
        String::from_utf8(out).expect("names are text")
    }
}

fn broken(fault: Fault) -> Refused {
    malformed("data", fault.what)
}

impl<'a> Extras<'a> {
    /// Reads the members of an object: the event, and what stands in its `data`.
    fn read(&mut self, cursor: &mut Cursor<'a>, is_envelope: bool) -> Result<(), Refused> {
        if cursor.kind().map_err(broken)? != Kind::Object {
            return cursor.skip_value().map_err(broken);
        }
        cursor.enter().map_err(broken)?;
        let mut first = true;
        while let Some(name) = cursor.next_member(first).map_err(broken)? {
            first = false;
            let kind = cursor.kind().map_err(broken)?;
            match name.value.as_deref().unwrap_or_default() {
                "data" if is_envelope => self.read(cursor, false)?,
                _ if kind == Kind::Null => cursor.skip_value().map_err(broken)?,
                "group" => put("group", &mut self.group, cursor, NAME_BYTES_MAX)?,
                "ttl" => put("ttl", &mut self.ttl, cursor, NAME_BYTES_MAX)?,
                "policy" => put("policy", &mut self.policy, cursor, NAME_BYTES_MAX)?,
                "mode" => put("mode", &mut self.mode, cursor, NAME_BYTES_MAX)?,
                "channel" => put("channel", &mut self.channel, cursor, NAME_BYTES_MAX)?,
                "reply" => put("reply", &mut self.reply, cursor, REPLY_BYTES_MAX)?,
                "version" => once("version", &mut self.version, version(cursor)?)?,
                "lines" => once("lines", &mut self.lines, lines(cursor)?)?,
                _ => cursor.skip_value().map_err(broken)?,
            }
        }
        Ok(())
    }
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), Refused> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(name, "is given twice")),
    }
}

fn put<'a>(name: &str, place: &mut Option<Text<'a>>, cursor: &mut Cursor<'a>, bytes_max: usize) -> Result<(), Refused> {
    once(name, place, text(name, cursor, bytes_max)?)
}

fn text<'a>(name: &str, cursor: &mut Cursor<'a>, bytes_max: usize) -> Result<Text<'a>, Refused> {
    if cursor.kind().map_err(broken)? != Kind::String {
        return Err(malformed(name, "is a text"));
    }
    let text = cursor.string().map_err(broken)?;
    let is_clean = |value: &Text<'_>| text.is_plain || !has_control(value);
    let value = text.value.filter(|value| (1..=bytes_max).contains(&value.len()) && is_clean(value));
    value.ok_or_else(|| malformed(name, "is empty, too long, or has a control character"))
}

fn version(cursor: &mut Cursor<'_>) -> Result<u64, Refused> {
    let wrong = || malformed("version", "is the log sequence that a position reflects");
    if cursor.kind().map_err(broken)? != Kind::Number {
        return Err(wrong());
    }
    cursor.number().map_err(broken)?.parse().map_err(|_| wrong())
}

fn lines(cursor: &mut Cursor<'_>) -> Result<Vec<Wanted>, Refused> {
    let wrong = || malformed("lines", "is a list of 1 to 100 objects");
    if cursor.kind().map_err(broken)? != Kind::Array {
        return Err(wrong());
    }
    cursor.enter().map_err(broken)?;
    let mut lines = Vec::new();
    while cursor.next_item(lines.is_empty()).map_err(broken)? {
        if lines.len() == RESERVATION_LINES_MAX || cursor.kind().map_err(broken)? != Kind::Object {
            return Err(wrong());
        }
        lines.push(line(cursor)?);
    }
    if lines.is_empty() { Err(wrong()) } else { Ok(lines) }
}

fn line(cursor: &mut Cursor<'_>) -> Result<Wanted, Refused> {
    let [mut sku, mut location, mut lot, mut owner, mut group, mut due, mut channel] = [const { None }; 7];
    let (mut amount, mut seen, mut number) = (None, None, None);
    cursor.enter().map_err(broken)?;
    let mut first = true;
    while let Some(name) = cursor.next_member(first).map_err(broken)? {
        first = false;
        let kind = cursor.kind().map_err(broken)?;
        match name.value.as_deref().unwrap_or_default() {
            _ if kind == Kind::Null => cursor.skip_value().map_err(broken)?,
            "sku" => put("sku", &mut sku, cursor, NAME_BYTES_MAX)?,
            "location" => put("location", &mut location, cursor, NAME_BYTES_MAX)?,
            "lot" => put("lot", &mut lot, cursor, NAME_BYTES_MAX)?,
            "owner" => put("owner", &mut owner, cursor, NAME_BYTES_MAX)?,
            "group" => put("group", &mut group, cursor, NAME_BYTES_MAX)?,
            "due" => put("due", &mut due, cursor, NAME_BYTES_MAX)?,
            "channel" => put("channel", &mut channel, cursor, NAME_BYTES_MAX)?,
            "quantity" => once("quantity", &mut amount, thousandths(cursor, kind)?)?,
            "version" => once("version", &mut seen, version(cursor)?)?,
            "line" if kind == Kind::Number => {
                let text = cursor.number().map_err(broken)?;
                once("line", &mut number, text.parse().map_err(|_| malformed("line", "is a whole number"))?)?;
            }
            "line" => return Err(malformed("line", "is a whole number")),
            _ => cursor.skip_value().map_err(broken)?,
        }
    }
    let quantity = amount.ok_or_else(|| malformed("quantity", "is required in a line"))?;
    if quantity <= 0 {
        return Err(not_above_zero());
    }
    let due = due.map(|due: Text<'_>| {
        let due = Some(due).filter(|due| instant::is_date_or_time(due.as_bytes()));
        due.and_then(|due| Due::of(&due)).ok_or_else(|| malformed("due", "is neither a date nor a time"))
    });
    let optional = |name: &Option<Text<'_>>| name.as_deref().unwrap_or_default().into();
    let wanted = Wanted {
        sku: sku.as_deref().ok_or_else(|| malformed("sku", "is required in a line"))?.into(),
        position: location.as_deref().map(|location| [location.into(), optional(&lot), optional(&owner)]),
        group: group.map(Into::into),
        quantity,
        due: due.transpose()?,
        channel: channel.map(Into::into),
        version: seen,
        line: number,
    };
    wanted.check(lot.is_some() || owner.is_some())?;
    Ok(wanted)
}

fn thousandths(cursor: &mut Cursor<'_>, kind: Kind) -> Result<i64, Refused> {
    let parsed = match kind {
        Kind::Number => quantity::parse(cursor.number().map_err(broken)?.as_bytes()),
        Kind::String => quantity::parse(text("quantity", cursor, NAME_BYTES_MAX)?.as_bytes()),
        _ => quantity::Parsed::NotANumber,
    };
    match parsed {
        quantity::Parsed::Exact(thousandths) => Ok(thousandths),
        quantity::Parsed::Unrepresentable => Err(not_above_zero()),
        quantity::Parsed::NotANumber => Err(malformed("quantity", "is a decimal number")),
    }
}
