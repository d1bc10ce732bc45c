//! Questions whose answers are records: parsed for people, or as the JSON that the engine wrote for those who send it
//! on (`…_json`).

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use tallystick_contract::exception_state::ExceptionState;
use tallystick_contract::json_text::write_string;
use tallystick_contract::quantity::write_digits;
use tallystick_engine::Filter;

use crate::engine::Engine;
use crate::input::List;

#[pymethods]
impl Engine {
    /// Returns exceptions as items of work (`docs/truth.md` §7), by their numbers: a list of `ExceptionItem`.
    ///
    /// What is given must fit; `state` is open, acknowledged, resolved, discarded, or `unresolved` for the first two.
    /// `since_ns` is in nanoseconds since 1970; `after` is a number, for the next `limit` of them. Raises `ValueError`
    /// for a state that is none.
    ///
    ///     >>> engine = Engine()
    ///     >>> batch = engine.apply([{"id": "1", "source": "wms"}])
    ///     >>> [item] = engine.exceptions(state="unresolved", source="wms")
    ///     >>> item["number"], item["code"], item["owner"]
    ///     (1, 'malformed', 'it')
    #[pyo3(signature = (*, state = None, code = None, source = None, owner = None, correlation = None, sku = None, location = None, document = None, severity = None, since_ns = None, after = 0, limit = 100))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the question")]
    fn exceptions<'py>(
        &self,
        py: Python<'py>,
        state: Option<&str>,
        code: Option<&str>,
        source: Option<&str>,
        owner: Option<&str>,
        correlation: Option<&str>,
        sku: Option<&str>,
        location: Option<&str>,
        document: Option<&str>,
        severity: Option<&str>,
        since_ns: Option<i64>,
        after: u64,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let of = Filter { code, source, owner, correlation, sku, location, document, severity, ..Filter::default() };
        let filter = Filter { since_ns, after, limit, ..of };
        parsed(py, &self.listed(py, filter, state)?)
    }

    /// Returns what `exceptions` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().exceptions_json()
    ///     b'[]'
    #[pyo3(signature = (*, state = None, code = None, source = None, owner = None, correlation = None, sku = None, location = None, document = None, severity = None, since_ns = None, after = 0, limit = 100))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the question")]
    fn exceptions_json<'py>(
        &self,
        py: Python<'py>,
        state: Option<&str>,
        code: Option<&str>,
        source: Option<&str>,
        owner: Option<&str>,
        correlation: Option<&str>,
        sku: Option<&str>,
        location: Option<&str>,
        document: Option<&str>,
        severity: Option<&str>,
        since_ns: Option<i64>,
        after: u64,
        limit: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let of = Filter { code, source, owner, correlation, sku, location, document, severity, ..Filter::default() };
        let filter = Filter { since_ns, after, limit, ..of };
        Ok(PyBytes::new(py, &self.listed(py, filter, state)?))
    }

    /// Returns one item by its number, or None if there is none, or none any more.
    ///
    ///     >>> Engine().exception(7) is None
    ///     True
    fn exception<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.ask(py, |engine| engine.exception_json(number))?.map(|json| parsed(py, &json)).transpose()
    }

    /// Returns what `exception` does, as JSON: `bytes`, or None.
    ///
    ///     >>> Engine().exception_json(7) is None
    ///     True
    fn exception_json<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.ask(py, |engine| engine.exception_json(number))?.map(|json| PyBytes::new(py, &json)))
    }

    /// Returns how many items there are, by state and by code: an `ExceptionStats`.
    ///
    ///     >>> Engine().exception_stats()["open"]
    ///     0
    fn exception_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, &self.ask(py, tallystick_engine::Engine::exception_stats_json)?)
    }

    /// Returns what `exception_stats` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().exception_stats_json()[:10]
    ///     b'{"kept":0,'
    fn exception_stats_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.ask(py, tallystick_engine::Engine::exception_stats_json)?))
    }

    /// Returns code and subject of all exceptions that are open or acknowledged, sorted: a list of `str`.
    ///
    ///     >>> engine = Engine()
    ///     >>> batch = engine.apply([{"id": "1", "source": "wms"}])
    ///     >>> engine.open_exceptions()
    ///     ['malformed wms/1']
    fn open_exceptions(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.ask(py, |engine| engine.open_exceptions().into_iter().collect())
    }

    /// Returns what can be promised of positions (`docs/promise.md` §7): a `Promise`, with one answer for each of
    /// them.
    ///
    /// `positions` is a list of dicts with `sku`, and `location` or `group`. `asked` is what is asked about all of
    /// them: `quantity`, `due` (an ISO date), `channel`, `mode`, `measure`, `horizon`, `explain`. Quantities are in
    /// units, exact. Raises `ValueError`, which names the member, for a question that cannot be answered.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> [answer] = engine.promise([{"sku": "LAMP", "location": "DC1"}], quantity=6)["answers"]
    ///     >>> answer["available"], answer["enough"]
    ///     (5, False)
    #[pyo3(signature = (positions, **asked))]
    fn promise<'py>(
        slf: Bound<'py, Self>,
        positions: Bound<'py, PyAny>,
        asked: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // One place builds questions and completes answers, whoever is asked: this engine, or a daemon.
        let module = slf.py().import(intern!(slf.py(), "tallystick.client.promise"))?;
        module.getattr(intern!(slf.py(), "promise"))?.call((slf, positions), asked)
    }

    /// Returns the answer to a question, JSON for JSON, as it goes over the bus. One in another form gives
    /// `{"error"}`.
    ///
    ///     >>> Engine().promise_json(b'{"skew":"LAMP"}')[:10]
    ///     b'{"error":"'
    fn promise_json<'py>(&self, py: Python<'py>, question: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.promise(&String::from_utf8_lossy(&question)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    /// Returns live reservations, oldest first: a `Reservations` with their `total` and at most `limit` of them.
    ///
    ///     >>> from tallystick.promise import reserve
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> hold = reserve([{"sku": "LAMP", "location": "DC1", "quantity": 2}], source="shop", directive_id="r1")
    ///     >>> batch = engine.apply([came, hold])
    ///     >>> [found] = engine.reservations(sku="LAMP")["reservations"]
    ///     >>> found["source"], found["id"], found["lines"]
    ///     ('shop', 'r1', [{'sku': 'LAMP', 'location': 'DC1', 'held': 2}])
    #[pyo3(signature = (*, document = None, sku = None, location = None, limit = 100))]
    fn reservations<'py>(
        &self,
        py: Python<'py>,
        document: Option<&str>,
        sku: Option<&str>,
        location: Option<&str>,
        limit: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = filter_text(document, sku, location, limit);
        parsed(py, self.ask(py, |engine| engine.reservations(&filter))?.as_bytes())
    }

    /// Returns live reservations, JSON for JSON: of a `document`, `sku` or `location`, at most `limit`.
    ///
    ///     >>> Engine().reservations_json(b"{}")
    ///     b'{"sequence":0,"total":0,"reservations":[]}'
    fn reservations_json<'py>(&self, py: Python<'py>, question: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.reservations(&String::from_utf8_lossy(&question)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    /// Returns order lines with what each voice says of them and what they claim: a `Claims` with their `total` and at
    /// most `limit` of them, by document and line (`docs/claims.md` §2). Quantities are in units, exact.
    ///
    ///     >>> from tallystick.promise import schedule
    ///     >>> engine = Engine()
    ///     >>> order = schedule("demand", "SO-1", {"sku": "LAMP", "location": "DC1"}, "2026-03-01", 2, source="erp")
    ///     >>> batch = engine.apply([order])
    ///     >>> [line] = engine.claims(document="SO-1")["lines"]
    ///     >>> line["sku"], line["positions"][0]["claim"]
    ///     ('LAMP', 2)
    #[pyo3(signature = (*, document = None, sku = None, location = None, limit = 100))]
    fn claims<'py>(
        &self,
        py: Python<'py>,
        document: Option<&str>,
        sku: Option<&str>,
        location: Option<&str>,
        limit: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = filter_text(document, sku, location, limit);
        parsed(py, self.ask(py, |engine| engine.claims(&filter))?.as_bytes())
    }

    /// Returns order lines, JSON for JSON: of a `document`, `sku` or `location`, at most `limit`.
    ///
    ///     >>> Engine().claims_json(b"{}")
    ///     b'{"sequence":0,"total":0,"lines":[]}'
    fn claims_json<'py>(&self, py: Python<'py>, question: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.ask(py, |engine| engine.claims(&String::from_utf8_lossy(&question)))?;
        Ok(PyBytes::new(py, answer.as_bytes()))
    }

    /// Returns what is known of each source, those that are registered first: a list of `SourceReport`.
    ///
    ///     >>> engine = Engine()
    ///     >>> batch = engine.apply([{"id": "1", "source": "wms"}])
    ///     >>> [source] = engine.sources()
    ///     >>> source["source"], source["events"], source["quality"]
    ///     ('wms', 1, '0.00')
    fn sources<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, &self.ask(py, tallystick_engine::Engine::sources_json)?)
    }

    /// Returns what `sources` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().sources_json()
    ///     b'[]'
    fn sources_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.ask(py, tallystick_engine::Engine::sources_json)?))
    }

    /// Returns replenishment signals that stand, by SKU and location (`docs/replenish.md`): a list of `Signal`, at
    /// most `limit` of them. Quantities are in units, exact.
    ///
    ///     >>> Engine().replenishment(sku="LAMP")
    ///     []
    #[pyo3(signature = (sku = None, location = None, limit = None))]
    fn replenishment<'py>(
        &self,
        py: Python<'py>,
        sku: Option<&str>,
        location: Option<&str>,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, self.ask(py, |engine| engine.replenishment(sku, location, limit).1)?.as_bytes())
    }

    /// Returns what `replenishment` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().replenishment_json()
    ///     b'[]'
    #[pyo3(signature = (sku = None, location = None, limit = None))]
    fn replenishment_json<'py>(
        &self,
        py: Python<'py>,
        sku: Option<&str>,
        location: Option<&str>,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let signals = self.ask(py, |engine| engine.replenishment(sku, location, limit).1)?;
        Ok(PyBytes::new(py, signals.as_bytes()))
    }

    /// Returns how many signals stand, whatever the limit of a list.
    ///
    ///     >>> Engine().replenishment_total()
    ///     0
    #[pyo3(signature = (sku = None, location = None))]
    fn replenishment_total(&self, py: Python<'_>, sku: Option<&str>, location: Option<&str>) -> PyResult<usize> {
        self.ask(py, |engine| engine.replenishment(sku, location, Some(0)).0)
    }

    /// Returns what a policy on trial would have said otherwise (`docs/truth.md` §4): a `ShadowReport`.
    ///
    ///     >>> Engine().shadow_report()
    ///     {'active': False, 'rows': []}
    fn shadow_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, &self.ask(py, tallystick_engine::Engine::shadow_json)?)
    }

    /// Returns what `shadow_report` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().shadow_report_json()
    ///     b'{"active":false,"rows":[]}'
    fn shadow_report_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.ask(py, tallystick_engine::Engine::shadow_json)?))
    }

    /// Returns the recent movements and counts of a position, oldest first: a `Trail`, or None if nothing was ever
    /// said of it. Quantities are in units, exact.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": "12.5"}
    ///     >>> batch = engine.apply([came])
    ///     >>> [movement["quantity"] for movement in engine.trail("LAMP", "DC1")["movements"]]
    ///     [Decimal('12.5')]
    #[pyo3(signature = (sku, location, lot = None, owner = None))]
    fn trail<'py>(
        &self,
        py: Python<'py>,
        sku: &str,
        location: &str,
        lot: Option<&str>,
        owner: Option<&str>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let names = [sku, location, lot.unwrap_or_default(), owner.unwrap_or_default()];
        self.ask(py, |engine| engine.trail_json(names))?.map(|json| parsed(py, &json)).transpose()
    }

    /// Returns what `trail` does, as JSON: `bytes`, or None.
    ///
    ///     >>> Engine().trail_json("LAMP", "DC1") is None
    ///     True
    #[pyo3(signature = (sku, location, lot = None, owner = None))]
    fn trail_json<'py>(
        &self,
        py: Python<'py>,
        sku: &str,
        location: &str,
        lot: Option<&str>,
        owner: Option<&str>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let names = [sku, location, lot.unwrap_or_default(), owner.unwrap_or_default()];
        Ok(self.ask(py, |engine| engine.trail_json(names))?.map(|json| PyBytes::new(py, &json)))
    }

    /// Returns what messages would do if they came now, tried on a copy of everything: a `WhatIf`. Nothing changes.
    ///
    /// `messages` is a list, as `apply` takes it.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> engine.what_if([came])["positions"][0]["after"]["on_hand"], len(engine)
    ///     (5, 0)
    fn what_if<'py>(&self, py: Python<'py>, messages: List) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, &self.tried(py, &messages)?)
    }

    /// Returns what `what_if` does, as JSON: `bytes`.
    ///
    ///     >>> Engine().what_if_json([b'{"id":"1","source":"wms"}'])[:14]
    ///     b'{"sequence":0,'
    fn what_if_json<'py>(&self, py: Python<'py>, messages: List) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.tried(py, &messages)?))
    }

    /// Returns the outcomes that are remembered of keys, each a pair of source and id: names, None where nothing is.
    /// `observed` means all that was taken and posted nothing, directives included.
    ///
    ///     >>> engine = Engine()
    ///     >>> came = {"id": "1", "source": "wms", "type": "stock.received", "sku": "LAMP"}
    ///     >>> came |= {"location": "DC1", "quantity": 5}
    ///     >>> batch = engine.apply([came])
    ///     >>> engine.answers([("wms", "1"), ("wms", "2")])
    ///     ['applied', None]
    fn answers(&self, py: Python<'_>, keys: Vec<(String, String)>) -> PyResult<Vec<Option<&'static str>>> {
        self.enter(py, |state| state.engine.answers(&keys))
    }
}

impl Engine {
    fn listed(&self, py: Python<'_>, filter: Filter<'_>, state: Option<&str>) -> PyResult<Vec<u8>> {
        let is_unresolved = state == Some("unresolved");
        let state = match state.filter(|_| !is_unresolved) {
            None => None,
            Some(name) => Some(ExceptionState::from_name(name).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "there is no state {name:?}; give open, acknowledged, resolved, discarded or unresolved"
                ))
            })?),
        };
        let filter = Filter { is_unresolved, state, ..filter };
        self.ask(py, |engine| engine.exceptions_json(&filter))
    }

    fn tried(&self, py: Python<'_>, List(messages): &List) -> PyResult<Vec<u8>> {
        let messages: Vec<&[u8]> = messages.iter().map(|message| &**message).collect();
        self.ask(py, |engine| engine.what_if_json(&messages))
    }
}

/// JSON as Python objects, numbers exact.
pub(crate) fn parsed<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let loads = py.import(intern!(py, "tallystick.exact_json"))?.getattr(intern!(py, "loads"))?;
    loads.call1((PyBytes::new(py, json),))
}

/// The filter of a list, as the engine reads it.
fn filter_text(document: Option<&str>, sku: Option<&str>, location: Option<&str>, limit: u64) -> String {
    let mut out = b"{\"limit\":".to_vec();
    write_digits(&mut out, limit);
    for (name, value) in [("document", document), ("sku", sku), ("location", location)] {
        if let Some(value) = value {
            out.push(b',');
            write_string(&mut out, name);
            out.push(b':');
            write_string(&mut out, value);
        }
    }
    out.push(b'}');
    String::from_utf8(out).expect("JSON is text")
}
