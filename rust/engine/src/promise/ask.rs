//! Asking: what can be promised of many positions and groups in one question (`docs/promise.md` §7). Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tallystick_contract::config::{MODES, Measure};
use tallystick_contract::freshness::Freshness;
use tallystick_contract::instant;
use tallystick_contract::json_text::write_string;
use tallystick_contract::limits::QUESTION_POSITIONS_MAX;
use tallystick_contract::quantity::{self, ParsedQuantity};

use tallystick_contract::config::Mode;

use crate::atp::UNLIMITED;
use crate::calendar::Due;
use crate::core::days::When;
use crate::output::effect::{write_amount, write_name, write_names, write_number, write_text};
use crate::promise::Promises;
use crate::promise::feeds::Feeds;
use crate::promise::lines::OrderLines;
use crate::promise::offer::Demand;
use crate::schedule::Schedule;
use crate::schedule::Site;
use crate::schedule::View;
use crate::schedule::measure::write_figure;
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
struct QuestionTerms<'a> {
    when: When,
    quantity: Option<i64>,
    channel: Option<&'a str>,
    mode: Mode,
    measure: Option<&'a Measure>,
    horizon: bool,
    explain: bool,
}

/// The answers so far, and the sources behind them.
#[derive(Default)]
struct PromiseAnswers<'e> {
    by_location: BTreeMap<&'e str, (Freshness, Vec<&'e str>)>,
    /// The answers, as JSON.
    json: Vec<u8>,
}

impl Promises {
    pub(crate) fn try_promise(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        feeds: &impl Feeds,
        text: &str,
    ) -> Result<String, String> {
        let question: Question = serde_json::from_str(text).map_err(|error| format!("the question: {error}"))?;
        let due = question.due.as_deref().map(|due| {
            let is_due = instant::is_date_or_time(due.as_bytes());
            Due::of(due).filter(|_| is_due).ok_or("due: give a date such as \"2026-12-01\", or RFC 3339 with a zone")
        });
        let measure = question.measure.as_deref().map(|name| {
            view.core
                .config
                .promise
                .measure(name)
                .ok_or_else(|| format!("measure: {name:?} does not stand in [promise.measures]"))
        });
        let mode = question.mode.as_deref().map(|name| {
            let names: Vec<&str> = MODES.iter().map(|(_, name)| *name).collect();
            Mode::from_name(name).ok_or_else(|| format!("mode: {name:?} is none of {}", names.join(", ")))
        });
        let quantity = question.quantity.as_ref().map(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            match quantity::parse(text.as_bytes()) {
                ParsedQuantity::Exact(thousandths) if thousandths > 0 => Ok(thousandths),
                _ => Err("quantity: give a number greater than zero, with at most 3 fraction digits"),
            }
        });
        let terms = QuestionTerms {
            when: due.transpose()?.map_or(When::Now, When::Due),
            quantity: quantity.transpose()?,
            channel: question.channel.as_deref(),
            mode: mode.transpose()?.unwrap_or(view.core.config.promise.mode),
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
        self.answer_all(view, orders, feeds, &positions, &terms)
    }

    fn answer_all(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        feeds: &impl Feeds,
        positions: &[Asked],
        terms: &QuestionTerms<'_>,
    ) -> Result<String, String> {
        let mut answers = PromiseAnswers::default();
        answers.json.reserve(positions.len() * 64);
        let mut worst = Freshness::default();
        for (number, asked) in positions.iter().enumerate() {
            if number > 0 {
                answers.json.push(b',');
            }
            let freshness = self
                .answer_one(view, orders, feeds, asked, terms, &mut answers)
                .map_err(|why| if positions.len() > 1 { format!("positions[{number}].{why}") } else { why })?;
            worst = worst.max(freshness);
        }
        let mut out = b"{\"sequence\":".to_vec();
        quantity::write_digits(&mut out, view.core.sequence);
        write_text(&mut out, "log_time", view.core.log_time_ns.map(instant::format).as_deref());
        write_text(&mut out, "freshness", Some(worst.name()));
        write_text(&mut out, "mode", Some(terms.mode.name()));
        write_text(&mut out, "bucket", Some(&view.core.bucket_text(view.core.bucket_in(0, terms.when))));
        write_name(&mut out, "answers");
        out.push(b'[');
        out.append(&mut answers.json);
        out.push(b']');
        write_name(&mut out, "sources");
        let spoken: BTreeSet<&str> = answers.by_location.values().flat_map(|(_, names)| names).copied().collect();
        for (number, name) in spoken.into_iter().enumerate() {
            out.push(if number > 0 { b',' } else { b'{' });
            write_string(&mut out, name);
            out.push(b':');
            feeds.write_feed(&mut out, name);
        }
        out.extend_from_slice(if out.ends_with(b":") { b"{}" } else { b"}" });
        out.extend_from_slice(b",\"feeds\":{");
        for (number, (location, (_, names))) in answers.by_location.iter().enumerate() {
            let mut member = Vec::new();
            write_names(&mut member, location, names.iter().copied());
            out.extend_from_slice(&member[usize::from(number == 0)..]);
        }
        out.extend_from_slice(b"}}");
        Ok(String::from_utf8(out).expect("JSON is text"))
    }

    fn answer_one<'e>(
        &self,
        view: View<'e>,
        orders: &impl OrderLines,
        feeds: &'e impl Feeds,
        asked: &Asked,
        terms: &QuestionTerms<'_>,
        answers: &mut PromiseAnswers<'e>,
    ) -> Result<Freshness, String> {
        let spots = match (&asked.location, &asked.group) {
            (Some(location), None) => {
                let lot_owner = [&asked.lot, &asked.owner].map(|name| name.as_deref().unwrap_or_default());
                view.core.stock.find([&asked.sku, location, lot_owner[0], lot_owner[1]]).into_iter().collect()
            }
            (None, Some(group)) => {
                let members = view.core.groups.members(group, view.core.now_ns());
                members
                    .into_iter()
                    .flatten()
                    .filter_map(|location| view.core.stock.find([&asked.sku, location, "", ""]))
                    .collect()
            }
            _ => return Err("location: give `location` or `group`".to_owned()),
        };
        let spots: Vec<Spot> = spots;
        let sites: Vec<Site> = spots.iter().map(|spot| view.schedule.site(view.core, *spot, terms.measure)).collect();
        let is_group = asked.group.is_some();
        let zone = sites.first().map_or(0, |site| site.zone);
        let freshness = Self::feeds_of(view, feeds, &spots, answers);
        let out = &mut answers.json;
        out.extend_from_slice(b"{\"available\":");
        let start = out.len();
        let available = self.available(view, orders, (asked, &spots, &sites), terms, terms.when, is_group);
        write_figure(out, available);
        debug_assert!(out.len() > start, "a figure has at least a digit");
        if is_group {
            let figures = sites.iter().map(|site| {
                view.schedule.figure(view.core, site, terms.mode, view.core.bucket_in(site.zone, terms.when))
            });
            write_amount(out, "signed", figures.fold(0, i64::saturating_add));
        }
        if let Some(quantity) = terms.quantity {
            write_name(out, "enough");
            out.extend_from_slice(if available >= quantity { b"true" } else { b"false" });
            write_name(out, "earliest");
            match self.earliest_available(view, orders, (asked, &spots, &sites), terms, quantity) {
                Some(bucket) => write_string(out, &view.core.bucket_text(bucket)),
                None => out.extend_from_slice(b"null"),
            }
        }
        if spots.is_empty() {
            let is_strange = |group: &String| view.core.groups.members(group, view.core.now_ns()).is_none();
            let is_strange = asked.group.as_ref().is_some_and(is_strange);
            let rest: &[u8] = if is_strange { b",\"known\":false,\"defined\":false}" } else { b",\"known\":false}" };
            out.extend_from_slice(rest);
            return Ok(freshness);
        }
        // What is the same for nearly all stands once, so that many answers fit into a message.
        let bucket = view.core.bucket_in(zone, terms.when);
        if bucket != view.core.bucket_in(0, terms.when) {
            write_text(out, "bucket", Some(&view.core.bucket_text(bucket)));
        }
        let version = spots.iter().map(|spot| view.core.stock.at(*spot).1.version).max().unwrap_or(0);
        write_number(out, "version", version);
        write_text(out, "freshness", Some(freshness.name()));
        self.write_more(view, orders, (asked, &spots, &sites), terms, is_group, out);
        out.push(b'}');
        Ok(freshness)
    }

    /// Appends what only some questions ask for.
    fn write_more(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &QuestionTerms<'_>,
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
                        view,
                        orders,
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
                view.schedule.steps(view.core, first, terms.mode)
            };
            write_name(out, "horizon");
            Schedule::write_steps(view.core, out, &steps);
        }
        if !view.core.config.promise.measures.is_empty()
            && !is_group
            && let [spot] = spots
        {
            view.schedule.write_measures(view.core, out, *spot);
        }
        if terms.explain
            && !is_group
            && let [site] = sites
        {
            write_name(out, "explain");
            self.write_explain(view, orders, out, site, view.core.bucket_in(site.zone, terms.when));
        }
    }

    /// What can be promised: of a position signed, of a group or under a channel what a request would get.
    fn available(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &QuestionTerms<'_>,
        when: When,
        is_group: bool,
    ) -> i64 {
        if terms.measure.is_none() && terms.channel.is_some() {
            let demand =
                Demand { sku: &asked.sku, spots, when, mode: terms.mode, channel: terms.channel, quantity: UNLIMITED };
            let offered = self.offer(view, orders, &demand, None).total;
            // A shortage is told as it is.
            return match sites {
                [site] if offered == 0 && !is_group => {
                    view.schedule.figure(view.core, site, terms.mode, view.core.bucket_in(site.zone, when)).min(0)
                }
                _ => offered,
            };
        }
        let figure =
            |site: &Site| view.schedule.figure(view.core, site, terms.mode, view.core.bucket_in(site.zone, when));
        match sites {
            [site] if !is_group => figure(site),
            _ => sites.iter().map(|site| figure(site).max(0)).fold(0, i64::saturating_add),
        }
    }

    fn earliest_available(
        &self,
        view: View<'_>,
        orders: &impl OrderLines,
        (asked, spots, sites): (&Asked, &[Spot], &[Site]),
        terms: &QuestionTerms<'_>,
        quantity: i64,
    ) -> Option<i32> {
        if terms.measure.is_none() && terms.channel.is_some() {
            let (mode, channel) = (terms.mode, terms.channel);
            let demand = Demand { sku: &asked.sku, spots, when: When::Now, mode, channel, quantity };
            return self.earliest_of(view, orders, &demand, None);
        }
        let first = sites.first()?;
        let has = |bucket: &i32| {
            let is_group = asked.group.is_some();
            let when = When::Ahead(bucket - first.horizon.today);
            self.available(view, orders, (asked, spots, sites), terms, when, is_group) >= quantity
        };
        (first.horizon.today..first.horizon.end).find(has)
    }

    /// How fresh the sources of positions are; what they are is noted for the answer.
    fn feeds_of<'e>(
        view: View<'e>,
        feeds: &'e impl Feeds,
        spots: &[Spot],
        answers: &mut PromiseAnswers<'e>,
    ) -> Freshness {
        let mut worst = Freshness::default();
        for spot in spots {
            let (part, position) = view.core.stock.at(*spot);
            let location = part.names.name(position.names[1]);
            let (freshness, _) = answers.by_location.entry(location).or_insert_with(|| {
                let names = feeds.of_location(location);
                let freshness = names.iter().map(|name| feeds.freshness(name)).max().unwrap_or_default();
                (freshness, names)
            });
            worst = worst.max(*freshness);
        }
        worst
    }
}
