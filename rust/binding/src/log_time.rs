//! The log's time of what callers hand in: nanoseconds or moments with a zone, one or many, the clock's, or the
//! events' own.

use std::time::{SystemTime, UNIX_EPOCH};

use numpy::PyReadonlyArray1;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use tallystick_engine::Engine;

use crate::input::Messages;

const NS_PER_DAY: i64 = 86_400_000_000_000;
const NS_PER_SECOND: i64 = 1_000_000_000;
const NS_PER_MICROSECOND: i64 = 1_000;

/// The arguments that say when: at most one of them.
pub(crate) struct When<'a, 'py> {
    /// `log_time_ns`: one or many, in nanoseconds since 1970.
    pub(crate) ns: Option<&'a Bound<'py, PyAny>>,
    /// `log_time`: one `datetime` with a zone, or many.
    pub(crate) moment: Option<&'a Bound<'py, PyAny>>,
    /// `event_times`: each event's own.
    pub(crate) of_events: bool,
}

/// Log times in nanoseconds.
pub(crate) enum LogTimes {
    /// When the call has the engine to itself.
    Now,
    /// Each event's own.
    OfEvents,
    One(i64),
    Each(Vec<i64>),
}

impl LogTimes {
    /// Reads the arguments.
    pub(crate) fn read(when: When<'_, '_>) -> PyResult<Self> {
        match when {
            When { ns: None, moment: None, of_events: false } => Ok(Self::Now),
            When { ns: None, moment: None, of_events: true } => Ok(Self::OfEvents),
            When { ns: Some(ns), moment: None, of_events: false } => of_integers(ns),
            When { ns: None, moment: Some(moment), of_events: false } => of_moments(moment),
            _ => Err(PyTypeError::new_err(
                "log_time_ns, log_time and event_times=True exclude each other: give one of them, or none for now",
            )),
        }
    }

    /// Reads the arguments of columns, which have one time or each row's own.
    pub(crate) fn of_columns(when: When<'_, '_>) -> PyResult<Self> {
        match Self::read(when)? {
            Self::Each(_) => {
                Err(PyValueError::new_err("columns have one log time, or event_times=True for each row's own"))
            }
            times => Ok(times),
        }
    }

    /// Checks that there are as many as messages.
    pub(crate) fn check(&self, messages: &Messages) -> PyResult<()> {
        match (messages, self) {
            (Messages::List(_), Self::OfEvents) => Err(PyValueError::new_err(
                "event_times=True takes an NDJSON buffer or columns; messages of a list have the bus's time: log_time",
            )),
            (Messages::Lines(_), Self::Each(_)) => Err(PyValueError::new_err(
                "an NDJSON buffer has one log time, or event_times=True for each event's own",
            )),
            (Messages::List(list), Self::Each(each)) if list.len() != each.len() => {
                Err(PyValueError::new_err(format!("{} messages have {} log times", list.len(), each.len())))
            }
            _ => Ok(()),
        }
    }

    /// As they hold once the engine is this call's own: the clock may stand still or go back, the log's time does not.
    pub(crate) fn fixed(self, engine: &Engine) -> Self {
        match self {
            Self::Now => Self::One(clock_ns().max(engine.log_time_ns().unwrap_or(i64::MIN))),
            known => known,
        }
    }

    /// The time of the message at a place.
    pub(crate) fn at(&self, place: usize) -> i64 {
        match self {
            Self::Now | Self::OfEvents => 0,
            Self::One(time) => *time,
            Self::Each(times) => times[place],
        }
    }

    /// The one time of an NDJSON buffer or of columns.
    pub(crate) const fn of_lines(&self) -> Option<i64> {
        match self {
            Self::One(time) => Some(*time),
            Self::Now | Self::OfEvents | Self::Each(_) => None,
        }
    }
}

/// Nanoseconds since 1970 by this machine's clock.
fn clock_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn of_integers(object: &Bound<'_, PyAny>) -> PyResult<LogTimes> {
    if let Ok(time) = object.extract::<i64>() {
        Ok(LogTimes::One(time))
    } else if let Ok(array) = object.extract::<PyReadonlyArray1<'_, i64>>() {
        Ok(LogTimes::Each(array.as_array().to_vec()))
    } else {
        object.extract().map(LogTimes::Each).map_err(|_| {
            PyTypeError::new_err(
                "log_time_ns must be nanoseconds since 1970 as an int or as int64s; a datetime goes into log_time",
            )
        })
    }
}

fn of_moments(object: &Bound<'_, PyAny>) -> PyResult<LogTimes> {
    let kind = object.py().import("datetime")?.getattr("datetime")?;
    let epoch = kind.call_method1("fromtimestamp", (0, object.py().import("datetime")?.getattr("UTC")?))?;
    let moment_ns = |moment: &Bound<'_, PyAny>| moment_ns(&kind, &epoch, moment);
    if object.is_instance(&kind)? {
        return moment_ns(object).map(LogTimes::One);
    }
    let moments = object.try_iter().map_err(|_| wrong_moment(object))?;
    moments.map(|moment| moment_ns(&moment?)).collect::<PyResult<_>>().map(LogTimes::Each)
}

/// Exact: the difference from 1970 is days, seconds and microseconds, each a whole number.
fn moment_ns(kind: &Bound<'_, PyAny>, epoch: &Bound<'_, PyAny>, moment: &Bound<'_, PyAny>) -> PyResult<i64> {
    if !moment.is_instance(kind)? {
        return Err(wrong_moment(moment));
    }
    if moment.call_method0("utcoffset")?.is_none() {
        return Err(PyValueError::new_err(format!(
            "log_time {moment} has no zone: use datetime.now(UTC) or replace(tzinfo=…)"
        )));
    }
    let since = moment.sub(epoch)?;
    let part = |name: &str| since.getattr(name)?.extract::<i64>();
    let (days, seconds, microseconds) = (part("days")?, part("seconds")?, part("microseconds")?);
    let rest = seconds * NS_PER_SECOND + microseconds * NS_PER_MICROSECOND;
    days.checked_mul(NS_PER_DAY)
        .and_then(|whole| whole.checked_add(rest))
        .ok_or_else(|| PyOverflowError::new_err(format!("log_time {moment} is beyond the years 1678 to 2262")))
}

fn wrong_moment(object: &Bound<'_, PyAny>) -> PyErr {
    let kind = object.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    PyTypeError::new_err(format!(
        "log_time must be a datetime with a zone, or many, not {kind}; nanoseconds since 1970 go into log_time_ns"
    ))
}
