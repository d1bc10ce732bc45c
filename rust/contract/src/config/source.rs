//! What an integration must say of itself: who looks after it, what it promises, and when somebody should worry.

use serde::{Deserialize, Serialize};

use crate::config_text::{duration, finite};
use crate::heap_size::{flat, heap_size};
use crate::limits::{GAP_WAIT_DEFAULT_NS, HELD_DEFAULT, NAME_BYTES_MAX, REGISTRATION_BYTES_MAX};
use crate::order::{Order, Ordering};

/// Bounds of effective time around log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBounds {
    /// How far behind, in nanoseconds; nothing for a load of history.
    pub max_age_ns: Option<i64>,
    /// How far ahead, in nanoseconds.
    pub max_ahead_ns: i64,
}

flat!(TimeBounds);

/// What is configured of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Bounds of its effective times.
    pub bounds: TimeBounds,
    /// Its order.
    pub ordering: Ordering,
    /// Who looks after it.
    pub team: Option<String>,
    /// How far behind the log its newest effective time may be, in nanoseconds.
    pub alert_lag_ns: Option<i64>,
    /// Refusals among its last events that are too many, in percent.
    pub alert_refusals_percent: Option<u8>,
    /// How its events are got once more.
    pub replay_procedure: Option<String>,
    /// Share of its events that should be accepted, in percent.
    pub quality_percent: Option<u8>,
    /// Sources with the same name here share document numbers.
    pub documents: Option<String>,
}

heap_size! {
    Source {
        bounds, ordering, team, alert_lag_ns, alert_refusals_percent, replay_procedure, quality_percent, documents,
    }
}

/// What becomes of a source that has no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unregistered {
    /// Its events are like any others.
    #[default]
    Accept,
    /// They count, and raise one exception.
    Flag,
    /// `not_owner`.
    Refuse,
}

flat!(Unregistered);

/// A source of which nothing is configured promises nothing.
pub(super) const ARRIVAL: Ordering =
    Ordering { order: Order::Arrival, gap_wait_ns: GAP_WAIT_DEFAULT_NS, held_max: HELD_DEFAULT };

/// `[sources.NAME]` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSource {
    order: Order,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_wait: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_max: Option<usize>,
    max_age: Option<String>,
    max_ahead: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_lag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_refusals_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_procedure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<String>,
}

impl RawSource {
    pub(super) fn validate(&self, place: &str, window_ns: i64, fallback: TimeBounds) -> Result<Source, String> {
        let mut fallback = fallback;
        if let Some(text) = &self.dedup_window {
            let own_ns = finite(&format!("{place}.dedup_window"), text, "12h")?;
            if own_ns > window_ns {
                return Err(format!(
                    "{place}.dedup_window: keys are remembered for engine.dedup_window, which is shorter; give at most that, or raise it"
                ));
            }
            fallback.max_age_ns = Some(own_ns);
        }
        for (key, text) in [("team", &self.team), ("replay_procedure", &self.replay_procedure)] {
            if text.as_ref().is_some_and(|text| text.len() > REGISTRATION_BYTES_MAX) {
                return Err(format!("{place}.{key}: give at most {REGISTRATION_BYTES_MAX} bytes"));
            }
        }
        if self.documents.as_ref().is_some_and(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
            return Err(format!("{place}.documents: a name has 1 to {NAME_BYTES_MAX} bytes"));
        }
        let alert_lag_ns = self.alert_lag.as_ref().map(|text| finite(&format!("{place}.alert_lag"), text, "30m"));
        Ok(Source {
            bounds: bounds(place, self.max_age.as_deref(), self.max_ahead.as_deref(), fallback)?,
            ordering: self.ordering(place, window_ns)?,
            team: self.team.clone(),
            alert_lag_ns: alert_lag_ns.transpose()?,
            alert_refusals_percent: self.alert_refusals_percent,
            replay_procedure: self.replay_procedure.clone(),
            quality_percent: self.quality_percent,
            documents: self.documents.clone(),
        })
    }

    fn ordering(&self, place: &str, dedup_window_ns: i64) -> Result<Ordering, String> {
        let gap_wait_ns = match &self.gap_wait {
            None => GAP_WAIT_DEFAULT_NS,
            Some(text) => duration(&format!("{place}.gap_wait"), text)?.ok_or_else(|| {
                format!("{place}.gap_wait: \"none\" would wait for ever; give a duration such as \"5m\"")
            })?,
        };
        let held_max = self.held_max.unwrap_or(HELD_DEFAULT);
        let holds = matches!(self.order, Order::Source | Order::Position);
        if !holds && (self.gap_wait.is_some() || self.held_max.is_some()) {
            return Err(format!(
                "{place}: order {:?} holds nothing, so gap_wait and held_max mean nothing; leave them away, or give order \"source\" or \"position\"",
                self.order.name()
            ));
        }
        if holds && gap_wait_ns > dedup_window_ns {
            return Err(format!(
                "{place}.gap_wait: an event could be held longer than its key is remembered, and be counted twice; give less than engine.dedup_window"
            ));
        }
        Ok(Ordering { order: self.order, gap_wait_ns, held_max })
    }
}

/// Bounds as written, or what holds without them.
pub(super) fn bounds(
    place: &str,
    max_age: Option<&str>,
    max_ahead: Option<&str>,
    fallback: TimeBounds,
) -> Result<TimeBounds, String> {
    let max_age_ns = match max_age {
        Some(text) => duration(&format!("{place}.max_age"), text)?,
        None => fallback.max_age_ns,
    };
    let max_ahead_ns = match max_ahead {
        Some(text) => duration(&format!("{place}.max_ahead"), text)?.unwrap_or(i64::MAX),
        None => fallback.max_ahead_ns,
    };
    Ok(TimeBounds { max_age_ns, max_ahead_ns })
}
