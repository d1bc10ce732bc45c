//! Asking: what can be promised of many positions and groups in one question (`docs/promise.md` §7). Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tallystick_contract::config::{MODES, Measure};
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::limits::QUESTION_POSITIONS_MAX;
use tallystick_contract::quantity;

use super::calendar::Due;
use super::feeds::Freshness;
use super::figure::{Site, When};
use crate::atp::{Mode, UNLIMITED};
use crate::effect::{write_name, write_number, write_text};
use crate::engine::Engine;
use crate::promise::answer::write_amount;
use crate::stock::Spot;

/// A position or a group.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sku: String,
    location: Option<String>,
    group: Option<String>,
    lot: Option<String>,
    owner: Option<String>,
}

/// A question as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Question {
    positions: Option<Vec<Asked>>,
    sku: Option<String>,
    location: Option<String>,
    group: Option<String>,
    lot: Option<String>,
    owner: Option<String>,
    due: Option<String>,
    quantity: Option<serde_json::Value>,
    channel: Option<String>,
    mode: Option<String>,
    measure: Option<String>,
    horizon: bool,
    explain: bool,
}

/// What holds for all positions of a question.
struct Terms<'a> {
    when: When,
    quantity: Option<i64>,
    channel: Option<&'a str>,
    mode: Mode,
    measure: Option<&'a Measure>,
    horizon: bool,
    explain: bool,
}

/// What was said of the sources so far.
#[derive(Default)]
struct Feeds<'e> {
    by_location: BTreeMap<&'e str, (Freshness, Vec<&'e str>)>,
}

impl Engine {
    /// Answers a question, JSON for JSON. One in another form gives `{"error"}`, which names the member and the cure.
    pub fn promise(&self, question: &str) -> String {
        self.try_promise(question).unwrap_or_else(|why| serde_json::json!({ "error": why }).to_string())
    }

    fn try_promise(&self, text: &str) -> Result<String, String> {
        let question: Question = serde_json::from_str(text).map_err(|error| format!("the question: {error}"))?;
        let due = question.due.as_deref().map(|due| {
            let is_due = instant::is_date_or_time(due.as_bytes());
            Due::of(due).filter(|_| is_due).ok_or("due: give a date such as \"2026-12-01\", or RFC 3339 with a zone")
        });
        let measure = question.measure.as_deref().map(|name| {
            self.config
                .promise
                .measure(name)
                .ok_or_else(|| format!("measure: {name:?} stands not in [promise.measures]"))
        });
        let mode = question.mode.as_deref().map(|name| {
            let names: Vec<&str> = MODES.iter().map(|(_, name)| *name).collect();
            Mode::from_name(name).ok_or_else(|| format!("mode: {name:?} is none of {}", names.join(", ")))
        });
        let quantity = question.quantity.as_ref().map(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            match quantity::parse(text.as_bytes()) {
                quantity::Parsed::Exact(thousandths) if thousandths > 0 => Ok(thousandths),
                _ => Err("quantity: give a number greater than zero, with at most 3 fraction digits"),
            }
        });
        let terms = Terms {
            when: due.transpose()?.map_or(When::Now, When::Due),
            quantity: quantity.transpose()?,
            channel: question.channel.as_deref(),
            mode: mode.transpose()?.unwrap_or(self.config.promise.mode),
            measure: measure.transpose()?,
            horizon: question.horizon,
            explain: question.explain,
        };
        let positions = match (question.positions, question.sku) {
            (Some(_), Some(_)) => return Err("sku: stands beside `positions`; give one of them".to_owned()),
            (None, None) => return Err("positions: is missing; give a list of positions and groups".to_owned()),
            (None, Some(sku)) => {
                let Question { location, group, lot, owner, .. } = question;
                vec![Asked { sku, location, group, lot, owner }]
            }
            (Some(positions), None) if (1..=QUESTION_POSITIONS_MAX).contains(&positions.len()) => positions,
            (Some(positions), None) => {
                return Err(format!("positions: {} were given; give 1 to {QUESTION_POSITIONS_MAX}", positions.len()));
            }
        };
        self.answer_all(&positions, &terms)
    }

    fn answer_all(&self, positions: &[Asked], terms: &Terms<'_>) -> Result<String, String> {
        let mut feeds = Feeds::default();
        let mut answers = Vec::with_capacity(positions.len() * 64);
        let mut worst = Freshness::default();
        for (number, asked) in positions.iter().enumerate() {
            if number > 0 {
                answers.push(b',');
            }
            let freshness = self
                .answer_one(asked, terms, &mut feeds, &mut answers)
                .map_err(|why| if positions.len() > 1 { format!("positions[{number}].{why}") } else { why })?;
            worst = worst.max(freshness);
        }
        let mut out = b"{\"sequence\":".to_vec();
        quantity::write_digits(&mut out, self.sequence);
        write_text(&mut out, "log_time", self.log_time_ns.map(instant::format).as_deref());
        write_text(&mut out, "freshness", Some(worst.name()));
        write_text(&mut out, "mode", Some(terms.mode.name()));
        write_text(&mut out, "bucket", Some(&self.bucket_text(self.bucket_in(0, terms.when))));
        write_name(&mut out, "answers");
        out.push(b'[');
        out.append(&mut answers);
        out.push(b']');
        write_name(&mut out, "sources");
        let sources: BTreeSet<&str> = feeds.by_location.values().flat_map(|(_, names)| names).copied().collect();
        for (number, name) in sources.into_iter().enumerate() {
            out.push(if number > 0 { b',' } else { b'{' });
            write_string(&mut out, name);
            out.push(b':');
            self.write_feed(&mut out, name);
        }
        out.extend_from_slice(if out.ends_with(b":") { b"{}" } else { b"}" });
        out.extend_from_slice(b",\"feeds\":{");
        for (number, (location, (_, names))) in feeds.by_location.iter().enumerate() {
            let mut member = Vec::new();
            Self::write_names(&mut member, location, names.iter().copied());
            out.extend_from_slice(&member[usize::from(number == 0)..]);
        }
        out.extend_from_slice(b"}}");
        Ok(String::from_utf8(out).expect("JSON is text"))
    }

    fn answer_one<'e>(
        &'e self,
        asked: &Asked,
        terms: &Terms<'_>,
        feeds: &mut Feeds<'e>,
        out: &mut Vec<u8>,
    ) -> Result<Freshness, String> {
        let spots = match (&asked.location, &asked.group) {
            (Some(location), None) => {
                let lot_owner = [&asked.lot, &asked.owner].map(|name| name.as_deref().unwrap_or_default());
                self.stock.find([&asked.sku, location, lot_owner[0], lot_owner[1]]).into_iter().collect()
            }
            (None, Some(group)) => {
                let members = self.promises.groups.members(group, self.log_time_ns.unwrap_or(0));
                members
                    .into_iter()
                    .flatten()
                    .filter_map(|location| self.stock.find([&asked.sku, location, "", ""]))
                    .collect()
            }
            _ => return Err("location: give `location` or `group`".to_owned()),
        };
        let spots: Vec<Spot> = spots;
        let sites: Vec<Site> = spots.iter().map(|spot| self.site(*spot, terms.measure)).collect();
        let is_group = asked.group.is_some();
        let zone = sites.first().map_or(0, |site| site.zone);
        let freshness = self.feeds_of(&spots, feeds);
        out.extend_from_slice(b"{\"available\":");
        let start = out.len();
        let available = self.available((asked, &spots, &sites), terms, terms.when, is_group);
        write_figure(out, available);
        debug_assert!(out.len() > start, "a figure has at least a digit");
        if is_group {
            let figures = sites.iter().map(|site| self.figure(site, terms.mode, self.bucket_in(site.zone, terms.when)));
            write_amount(out, "signed", figures.fold(0, i64::saturating_add));
        }
        if let Some(quantity) = terms.quantity {
            write_name(out, "enough");
            out.extend_from_slice(if available >= quantity { b"true" } else { b"false" });
            write_name(out, "earliest");
            match self.earliest_available((asked, &spots, &sites), terms, quantity) {
                Some(bucket) => write_string(out, &self.bucket_text(bucket)),
                None => out.extend_from_slice(b"null"),
            }
        }
        if spots.is_empty() {
            out.extend_from_slice(b",\"known\":false}");
            return Ok(freshness);
        }
        // What is the same for nearly all stands once, so that many answers fit into a message.
        let bucket = self.bucket_in(zone, terms.when);
        if bucket != self.bucket_in(0, terms.when) {
            write_text(out, "bucket", Some(&self.bucket_text(bucket)));
        }
        let version = spots.iter().map(|spot| self.stock.at(*spot).1.version).max().unwrap_or(0);
        write_number(out, "version", version);
        write_text(out, "freshness", Some(freshness.name()));
        self.write_more((asked, &spots, &sites), terms, is_group, out);
        out.push(b'}');
        Ok(freshness)
    }

    /// Appends what only some questions ask for.
    fn write_more(
        &self,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &Terms<'_>,
        is_group: bool,
        out: &mut Vec<u8>,
    ) {
        if terms.horizon
            && let [first, ..] = sites
        {
            let steps = if is_group || terms.channel.is_some() {
                let mut steps: Vec<(i32, i64)> = Vec::new();
                for bucket in first.horizon.today..first.horizon.end {
                    let figure = self.available(
                        (asked, spots, sites),
                        terms,
                        When::Ahead(bucket - first.horizon.today),
                        is_group,
                    );
                    if steps.last().is_none_or(|(_, known)| *known != figure) {
                        steps.push((bucket, figure));
                    }
                }
                steps
            } else {
                self.steps(first, terms.mode)
            };
            write_name(out, "horizon");
            self.write_steps(out, &steps);
        }
        if !self.config.promise.measures.is_empty()
            && !is_group
            && let [spot] = spots
        {
            self.write_measures(out, *spot);
        }
        if terms.explain
            && !is_group
            && let [site] = sites
        {
            write_name(out, "explain");
            self.write_explain(out, site, self.bucket_in(site.zone, terms.when));
        }
    }

    /// What can be promised: of a position signed, of a group or under a channel what a request would get.
    fn available(
        &self,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &Terms<'_>,
        when: When,
        is_group: bool,
    ) -> i64 {
        if terms.measure.is_none() && terms.channel.is_some() {
            let offered = self.offered(&asked.sku, spots, (when, terms.mode, terms.channel), UNLIMITED);
            // A shortage is told as it is.
            return match sites {
                [site] if offered == 0 && !is_group => {
                    self.figure(site, terms.mode, self.bucket_in(site.zone, when)).min(0)
                }
                _ => offered,
            };
        }
        let figure = |site: &Site| self.figure(site, terms.mode, self.bucket_in(site.zone, when));
        match sites {
            [site] if !is_group => figure(site),
            _ => sites.iter().map(|site| figure(site).max(0)).fold(0, i64::saturating_add),
        }
    }

    fn earliest_available(
        &self,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &Terms<'_>,
        quantity: i64,
    ) -> Option<i32> {
        if terms.measure.is_none() && terms.channel.is_some() {
            return self.earliest_of(&asked.sku, spots, (terms.mode, terms.channel), quantity, None);
        }
        let first = sites.first()?;
        let has = |bucket: &i32| {
            let is_group = asked.group.is_some();
            let when = When::Ahead(bucket - first.horizon.today);
            self.available((asked, spots, sites), terms, when, is_group) >= quantity
        };
        (first.horizon.today..first.horizon.end).find(has)
    }

    /// How fresh the sources of positions are; what they are is noted for the answer.
    fn feeds_of<'e>(&'e self, spots: &[Spot], feeds: &mut Feeds<'e>) -> Freshness {
        let mut worst = Freshness::default();
        for spot in spots {
            let (part, position) = self.stock.at(*spot);
            let location = part.names.name(position.names[1]);
            let (freshness, _) = feeds.by_location.entry(location).or_insert_with(|| {
                let names = self.sources.of_location(location);
                let freshness = names.iter().map(|name| self.freshness(name)).max().unwrap_or_default();
                (freshness, names)
            });
            worst = worst.max(*freshness);
        }
        worst
    }

    /// Appends what can be promised of a position beyond what is there, as members of its availability.
    pub(crate) fn write_promise(&self, spot: Spot, out: &mut Vec<u8>) {
        if self.promised(spot).is_some() {
            let site = self.site(spot, None);
            let mode = self.config.promise.mode;
            out.extend_from_slice(b",\"promise\":{\"mode\":\"");
            out.extend_from_slice(mode.name().as_bytes());
            out.extend_from_slice(b"\",\"buckets\":");
            self.write_steps(out, &self.steps(&site, mode));
            out.push(b'}');
        }
        if !self.config.promise.measures.is_empty() {
            self.write_measures(out, spot);
        }
    }

    /// Appends `[[bucket, figure], …]`.
    pub(crate) fn write_steps(&self, out: &mut Vec<u8>, steps: &[(i32, i64)]) {
        out.push(b'[');
        for (number, (bucket, figure)) in steps.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b",[" } else { b"[" });
            write_string(out, &self.bucket_text(*bucket));
            out.push(b',');
            write_figure(out, *figure);
            out.push(b']');
        }
        out.push(b']');
    }

    /// Appends the figures of all measures of a position, as a member.
    pub(crate) fn write_measures(&self, out: &mut Vec<u8>, spot: Spot) {
        write_name(out, "measures");
        for (number, measure) in self.config.promise.measures.iter().enumerate() {
            let site = self.site(spot, Some(measure));
            out.push(if number > 0 { b',' } else { b'{' });
            write_string(out, &measure.name);
            out.push(b':');
            write_figure(out, self.figure(&site, self.config.promise.mode, site.horizon.today));
        }
        out.push(b'}');
    }
}

fn write_figure(out: &mut Vec<u8>, figure: i64) {
    if figure == UNLIMITED {
        out.extend_from_slice(b"null");
    } else {
        quantity::write(out, figure);
    }
}
