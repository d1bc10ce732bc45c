//! The members of a request for a reservation, read in one pass over its text without a tree: requests come by the
//! hundred thousand.

use tallystick_contract::config::Mode;
use tallystick_contract::config_text::duration;
use tallystick_contract::instant;
use tallystick_contract::limits::{NAME_BYTES_MAX, REPLY_BYTES_MAX, RESERVATION_LINES_MAX};
use tallystick_contract::outcome::Outcome;
use tallystick_contract::quantity::{self, ParsedQuantity};

use crate::calendar::Due;
use crate::read::decode::has_control;
use crate::read::directive::promise::{above_zero, not_above_zero};
use crate::read::directive::{Refused, malformed, required};
use crate::read::event::{Event, RequestTail, given};
use crate::read::json::{Cursor, Fault, JsonKind};
use crate::read::line_number::{LineNumber, OwnLineNumber};
/// Text of a request, or its own where it was written with escapes.
pub(crate) type RequestText<'a> = std::borrow::Cow<'a, str>;

/// A line of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) sku: RequestText<'a>,
    /// Location, lot and owner; nothing where a group is named.
    pub(crate) position: Option<[RequestText<'a>; 3]>,
    pub(crate) group: Option<RequestText<'a>>,
    /// Thousandths.
    pub(crate) quantity: i64,
    pub(crate) due: Option<Due>,
    pub(crate) channel: Option<RequestText<'a>>,
    /// The log sequence that the position must reflect.
    pub(crate) version: Option<u64>,
    pub(crate) line: Option<OwnLineNumber>,
}

/// The lines of a request. Most have one, which needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lines<'a> {
    One(Wanted<'a>),
    Many(Vec<Wanted<'a>>),
}

impl<'a> std::ops::Deref for Lines<'a> {
    type Target = [Wanted<'a>];

    fn deref(&self) -> &Self::Target {
        match self {
            Self::One(line) => std::slice::from_ref(line),
            Self::Many(lines) => lines,
        }
    }
}

impl Default for Lines<'_> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) lines: Lines<'a>,
    /// How long it is to live, in nanoseconds, if it says so; the greatest number for ever.
    pub(crate) ttl_ns: Option<i64>,
    pub(crate) is_partial: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) document: Option<RequestText<'a>>,
    pub(crate) line: Option<OwnLineNumber>,
    pub(crate) reply: Option<RequestText<'a>>,
}

/// Members that stand beside those that every event has.
#[derive(Debug, Default)]
struct Extras<'a> {
    group: Option<RequestText<'a>>,
    ttl: Option<RequestText<'a>>,
    policy: Option<RequestText<'a>>,
    mode: Option<RequestText<'a>>,
    channel: Option<RequestText<'a>>,
    version: Option<u64>,
    reply: Option<RequestText<'a>>,
    lines: Option<Vec<Wanted<'a>>>,
}

/// Reads a request, and gives what it says in one form beside it. Members that are no fields of the event stand from
/// `rest` on.
pub(crate) fn read<'a>(
    event: &Event<'a>,
    rest: Option<RequestTail>,
    bytes: &'a [u8],
) -> Result<(Box<Ask<'a>>, String), Refused> {
    let mut extras = Extras::default();
    if let Some(rest) = rest {
        extras.read_rest(rest, bytes)?;
    }
    let Extras { group, ttl, policy, mode, channel, version, reply, lines } = extras;
    let is_listed = lines.is_some();
    // Boxed from the beginning: a request is too large to be moved about.
    let mut ask = Box::<Ask<'a>>::default();
    ask.lines = match lines {
        Some(_)
            if !event.sku.is_empty() || !event.location.is_empty() || event.quantity.is_some() || group.is_some() =>
        {
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
        Some(lines) => Lines::Many(lines),
        None => Lines::One(single(event, group, channel, version)?),
    };
    let ttl_ns = ttl
        .map(|ttl| duration("`ttl`", &ttl).map_err(|why| Refused { outcome: Outcome::Malformed, why }))
        .transpose()?;
    let ttl_ns = ttl_ns.map(|ttl_ns| ttl_ns.unwrap_or(i64::MAX));
    if ttl_ns == Some(0) {
        return Err(malformed("ttl", "is more than zero"));
    }
    let is_partial = match policy.as_deref() {
        None | Some("all") => false,
        Some("partial") => true,
        Some(_) => return Err(malformed("policy", "is \"all\" or \"partial\"")),
    };
    let known = |name: RequestText<'_>| Mode::from_name(&name).ok_or_else(|| malformed("mode", "is none of the modes"));
    let mode = mode.map(known).transpose()?;
    let document = event.document.map(Into::into);
    (ask.ttl_ns, ask.is_partial, ask.mode) = (ttl_ns, is_partial, mode);
    (ask.document, ask.line, ask.reply) = (document, event.line.map(LineNumber::to_own), reply);
    let said = ask.said(is_listed, event);
    Ok((ask, said))
}

/// Where the answer to a request goes that cannot be read otherwise.
pub(crate) fn reply_of(bytes: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let reply = value.get("reply").or_else(|| value.get("data")?.get("reply"))?.as_str()?;
    Some(reply.to_owned()).filter(|reply| (1..=REPLY_BYTES_MAX).contains(&reply.len()) && !has_control(reply))
}

fn single<'a>(
    event: &Event<'a>,
    group: Option<RequestText<'a>>,
    channel: Option<RequestText<'a>>,
    version: Option<u64>,
) -> Result<Wanted<'a>, Refused> {
    let position = given(event.location).map(|location| [location.into(), event.lot.into(), event.owner.into()]);
    let due = event.due.map(|due| Due::of(due).ok_or_else(|| malformed("due", "is neither a date nor a time")));
    let wanted = Wanted {
        sku: required(given(event.sku), "sku")?.into(),
        position,
        group,
        quantity: above_zero(event)?,
        due: due.transpose()?,
        channel,
        version,
        line: None,
    };
    wanted.check(!event.lot.is_empty() || !event.owner.is_empty())?;
    Ok(wanted)
}

impl Wanted<'_> {
    fn into_owned(self) -> Wanted<'static> {
        let own = |text: RequestText<'_>| RequestText::Owned(text.into_owned());
        let [group, channel] = [self.group, self.channel].map(owned);
        Wanted { sku: own(self.sku), position: self.position.map(|names| names.map(own)), group, channel, ..self }
    }

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
        if let Some(line) = &self.line {
            out.push(5);
            say_line(out, line);
        }
        out.push(6);
    }
}

impl Ask<'_> {
    /// A copy of its own, apart from the text that it was read from.
    pub(crate) fn into_owned(self) -> Ask<'static> {
        let lines = match self.lines {
            Lines::One(line) => Lines::One(line.into_owned()),
            Lines::Many(lines) => Lines::Many(lines.into_iter().map(Wanted::into_owned).collect()),
        };
        let [document, reply] = [self.document, self.reply].map(owned);
        Ask { lines, document, reply, ..self }
    }

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
        if let Some(line) = &self.line {
            out.push(3);
            say_line(&mut out, line);
        }
        if let Some(unit) = event.unit {
            out.push(4);
            out.extend_from_slice(unit.as_bytes());
        }
        String::from_utf8(out).expect("names are text")
    }
}

fn say_line(out: &mut Vec<u8>, line: &OwnLineNumber) {
    match line {
        LineNumber::Number(number) => quantity::write(out, *number),
        LineNumber::Text(text) => {
            out.push(7);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn owned(text: Option<RequestText<'_>>) -> Option<RequestText<'static>> {
    text.map(|text| RequestText::Owned(text.into_owned()))
}

fn broken(fault: Fault) -> Refused {
    malformed("data", fault.what)
}

impl<'a> Extras<'a> {
    /// Reads the members from a place of the event on.
    fn read_rest(&mut self, rest: RequestTail, bytes: &'a [u8]) -> Result<(), Refused> {
        let text = bytes.get(rest.at as usize..).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| malformed("data", "cannot be read"))?;
        if rest.at == 0 {
            return self.object(&mut Cursor::new(text), true);
        }
        let mut cursor = Cursor::inside(text, 1 + usize::from(rest.is_in_data));
        if rest.is_in_data {
            self.members(&mut cursor, false, true)?;
        }
        self.members(&mut cursor, true, !rest.is_in_data)
    }

    /// Reads an object: the event, or what stands in its `data`.
    fn object(&mut self, cursor: &mut Cursor<'a>, is_envelope: bool) -> Result<(), Refused> {
        if cursor.kind().map_err(broken)? != JsonKind::Object {
            return cursor.skip_value().map_err(broken);
        }
        cursor.enter().map_err(broken)?;
        self.members(cursor, is_envelope, true)
    }

    /// Reads the members of an object up to its end.
    fn members(&mut self, cursor: &mut Cursor<'a>, is_envelope: bool, mut first: bool) -> Result<(), Refused> {
        while let Some(name) = cursor.next_member(first).map_err(broken)? {
            first = false;
            let kind = cursor.kind().map_err(broken)?;
            match name.value.as_deref().unwrap_or_default() {
                "data" if is_envelope => self.object(cursor, false)?,
                _ if kind == JsonKind::Null => cursor.skip_value().map_err(broken)?,
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

fn put<'a>(
    name: &str,
    place: &mut Option<RequestText<'a>>,
    cursor: &mut Cursor<'a>,
    bytes_max: usize,
) -> Result<(), Refused> {
    once(name, place, text(name, cursor, bytes_max)?)
}

fn text<'a>(name: &str, cursor: &mut Cursor<'a>, bytes_max: usize) -> Result<RequestText<'a>, Refused> {
    if cursor.kind().map_err(broken)? != JsonKind::String {
        return Err(malformed(name, "is a text"));
    }
    let text = cursor.string().map_err(broken)?;
    let is_clean = |value: &RequestText<'_>| text.is_plain || !has_control(value);
    let value = text.value.filter(|value| (1..=bytes_max).contains(&value.len()) && is_clean(value));
    value.ok_or_else(|| malformed(name, "is empty, too long, or has a control character"))
}

fn version(cursor: &mut Cursor<'_>) -> Result<u64, Refused> {
    let wrong = || malformed("version", "is the log sequence that a position reflects");
    if cursor.kind().map_err(broken)? != JsonKind::Number {
        return Err(wrong());
    }
    cursor.number().map_err(broken)?.parse().map_err(|_| wrong())
}

fn lines<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Wanted<'a>>, Refused> {
    let wrong = || malformed("lines", "is a list of 1 to 100 objects");
    if cursor.kind().map_err(broken)? != JsonKind::Array {
        return Err(wrong());
    }
    cursor.enter().map_err(broken)?;
    let mut lines = Vec::new();
    while cursor.next_item(lines.is_empty()).map_err(broken)? {
        if lines.len() == RESERVATION_LINES_MAX || cursor.kind().map_err(broken)? != JsonKind::Object {
            return Err(wrong());
        }
        lines.push(line(cursor)?);
    }
    if lines.is_empty() { Err(wrong()) } else { Ok(lines) }
}

fn line<'a>(cursor: &mut Cursor<'a>) -> Result<Wanted<'a>, Refused> {
    let [mut sku, mut location, mut lot, mut owner, mut group, mut due, mut channel] = [const { None }; 7];
    let (mut amount, mut seen, mut number) = (None, None, None);
    cursor.enter().map_err(broken)?;
    let mut first = true;
    while let Some(name) = cursor.next_member(first).map_err(broken)? {
        first = false;
        let kind = cursor.kind().map_err(broken)?;
        match name.value.as_deref().unwrap_or_default() {
            _ if kind == JsonKind::Null => cursor.skip_value().map_err(broken)?,
            "sku" => put("sku", &mut sku, cursor, NAME_BYTES_MAX)?,
            "location" => put("location", &mut location, cursor, NAME_BYTES_MAX)?,
            "lot" => put("lot", &mut lot, cursor, NAME_BYTES_MAX)?,
            "owner" => put("owner", &mut owner, cursor, NAME_BYTES_MAX)?,
            "group" => put("group", &mut group, cursor, NAME_BYTES_MAX)?,
            "due" => put("due", &mut due, cursor, NAME_BYTES_MAX)?,
            "channel" => put("channel", &mut channel, cursor, NAME_BYTES_MAX)?,
            "quantity" => once("quantity", &mut amount, thousandths(cursor, kind)?)?,
            "version" => once("version", &mut seen, version(cursor)?)?,
            "line" if kind == JsonKind::Number => {
                let text = cursor.number().map_err(broken)?;
                let line = text.parse().map_err(|_| malformed("line", "is a whole number, or a text"))?;
                once("line", &mut number, Some(LineNumber::Number(line)))?;
            }
            "line" if kind == JsonKind::String => {
                let text = cursor.string().map_err(broken)?;
                let text = text.value.ok_or_else(|| malformed("line", "has an unpaired surrogate"))?;
                let line = LineNumber::of(&text).map_err(|what| malformed("line", what))?;
                once("line", &mut number, line.map(LineNumber::to_own))?;
            }
            "line" => return Err(malformed("line", "is a whole number, or a text")),
            _ => cursor.skip_value().map_err(broken)?,
        }
    }
    let quantity = amount.ok_or_else(|| malformed("quantity", "is required in a line"))?;
    if quantity <= 0 {
        return Err(not_above_zero());
    }
    let due = due.map(|due: RequestText<'_>| {
        let due = Some(due).filter(|due| instant::is_date_or_time(due.as_bytes()));
        due.and_then(|due| Due::of(&due)).ok_or_else(|| malformed("due", "is neither a date nor a time"))
    });
    let is_part = lot.is_some() || owner.is_some();
    let wanted = Wanted {
        sku: sku.ok_or_else(|| malformed("sku", "is required in a line"))?,
        position: location.map(|location| [location, lot.unwrap_or_default(), owner.unwrap_or_default()]),
        group,
        quantity,
        due: due.transpose()?,
        channel,
        version: seen,
        line: number.flatten(),
    };
    wanted.check(is_part)?;
    Ok(wanted)
}

fn thousandths(cursor: &mut Cursor<'_>, kind: JsonKind) -> Result<i64, Refused> {
    let parsed = match kind {
        JsonKind::Number => quantity::parse(cursor.number().map_err(broken)?.as_bytes()),
        JsonKind::String => quantity::parse(text("quantity", cursor, NAME_BYTES_MAX)?.as_bytes()),
        _ => ParsedQuantity::NotANumber,
    };
    match parsed {
        ParsedQuantity::Exact(thousandths) => Ok(thousandths),
        ParsedQuantity::Unrepresentable => Err(not_above_zero()),
        ParsedQuantity::NotANumber => Err(malformed("quantity", "is a decimal number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::event::EventQuantity;

    #[test]
    fn a_cause_names_its_member_once() {
        let quantity = Some(EventQuantity::Exact(1_000));
        let event = Event { sku: "A", location: "L", quantity, ..Event::default() };
        let rest = Some(RequestTail { at: 0, is_in_data: false });
        for (text, cause) in [
            (
                r#"{"ttl":"soon"}"#,
                r#"`ttl`: "soon" is no duration; give a whole number with ms, s, m, h or d, such as "24h", or "none""#,
            ),
            (r#"{"ttl":"0s"}"#, "`ttl`: is more than zero"),
            (r#"{"data":{"channel":"web"},"channel":"shop"}"#, "`channel`: is given twice"),
        ] {
            assert_eq!(read(&event, rest, text.as_bytes()).unwrap_err().why, cause, "{text}");
        }
    }
}
