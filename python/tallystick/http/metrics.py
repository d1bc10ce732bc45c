"""Metrics: what there is, as a table, and how a scrape reads it from a running daemon. Nothing is kept between scrapes.

No SKU, no location and no document stands in a label, and each label has a bounded number of values.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tallystick.http.look import Daemon
from tallystick.outcome import Outcome

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

    from tallystick._engine import Engine
    from tallystick.daemon.measures import Measures
    from tallystick.daemon.status import Status
    from tallystick.records import ExceptionStats, SourceReport

SOURCES_MAX: Final = 200
"""Sources with a label of their own, those first heard of; the rest is together in `other`."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without `_total`, and what it says."""

    name: str
    kind: str
    """`counter`, `gauge`, `histogram` or `info`."""
    about: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Its name as it is asked for."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


METRICS: Final = (
    Metric("tallystick_build", "info", "version, build and snapshot format", ("version", "profile", "format")),
    Metric("tallystick_ready", "gauge", "1: ready; 0: /readyz says why not"),
    Metric("tallystick_connected", "gauge", "1: the connection to the server stands"),
    Metric("tallystick_reconnects", "counter", "connections that were made again"),
    Metric("tallystick_blocked_seconds", "gauge", "how long something cannot be done; absent: all goes on", ("what",)),
    Metric("tallystick_stream_sequence", "gauge", "last message of the event stream that is known of"),
    Metric("tallystick_applied_sequence", "gauge", "log sequence that is applied"),
    Metric("tallystick_published_sequence", "gauge", "log sequence whose output is stored"),
    Metric("tallystick_snapshot_sequence", "gauge", "log sequence of the newest snapshot; 0: none"),
    Metric("tallystick_lag_messages", "gauge", "messages that are still to be applied; absent: the server is away"),
    Metric(
        "tallystick_lag_seconds",
        "gauge",
        "age of the last applied message while there are newer ones, else 0; absent: the server is away",
    ),
    Metric("tallystick_waiting_messages", "gauge", "messages that arrived and wait to be applied"),
    Metric("tallystick_unpublished_bytes", "gauge", "output that waits to be stored, about"),
    Metric("tallystick_published_messages", "counter", "messages that this process stored in the output streams"),
    Metric("tallystick_events", "counter", "events by their final outcome, since the process began", ("outcome",)),
    Metric("tallystick_source_events", "counter", "the same by source", ("source", "outcome")),
    Metric(
        "tallystick_source_heard_timestamp_seconds",
        "gauge",
        "log's time of a source's last event, since 1970; absent: it never spoke",
        ("source",),
    ),
    Metric("tallystick_source_lag_seconds", "gauge", "log's time minus a source's newest effective time", ("source",)),
    Metric("tallystick_source_gaps", "gauge", "gaps in the numbers of a source that are open", ("source",)),
    Metric("tallystick_open_gaps", "gauge", "gaps of all sources that are open"),
    Metric("tallystick_held_events", "gauge", "events that wait for those before them, or for their target"),
    Metric("tallystick_pending_approvals", "gauge", "exceptions of code pending_approval that nobody has decided"),
    Metric("tallystick_exceptions", "gauge", "unresolved exceptions", ("code", "severity", "owner", "state")),
    Metric(
        "tallystick_exception_oldest_seconds",
        "gauge",
        "age of the oldest unresolved exception",
        ("code", "severity", "owner"),
    ),
    Metric("tallystick_exceptions_escalated", "gauge", "unresolved exceptions that were escalated"),
    Metric("tallystick_effective_to_log_seconds", "histogram", "of applied events: their own time to the log's"),
    Metric("tallystick_log_to_applied_seconds", "histogram", "of messages: the log's time to the ledger"),
    Metric("tallystick_applied_to_published_seconds", "histogram", "of messages: ledger to output streams"),
    Metric("tallystick_snapshot_age_seconds", "gauge", "since this process wrote the newest snapshot, or began"),
    Metric("tallystick_snapshot_duration_seconds", "gauge", "how long the newest snapshot took"),
    Metric("tallystick_snapshot_bytes", "gauge", "size of the newest snapshot"),
    Metric("tallystick_positions", "gauge", "positions of the ledger"),
    Metric("tallystick_memory_bytes", "gauge", "what the engine holds", ("part",)),
    Metric("tallystick_answers", "counter", "answers to requests", ("result",)),
    Metric("tallystick_requests_pending", "gauge", "requests on their way into the log"),
    Metric("tallystick_ticks", "counter", "ticks that this process sent"),
)
"""What a scrape has, beside `tallystick_process_…`: memory, CPU and files of the process, as all clients name them."""
_BY_NAME: Final = {metric.name.removeprefix("tallystick_"): metric for metric in METRICS}
_HELD: Final = "held"
"""No final outcome: it falls when what is held is released, as no counter may."""
_NOTHING: Final[dict[tuple[str, ...], float]] = {(str(one),): 0.0 for one in Outcome if str(one) != _HELD}
"""Every final outcome: a counter that came only with its first event would hide that one from `rate()`."""
_NO_PARTS: Final = frozenset({"total", "keys_count", "positions_count"})

Values = Mapping[tuple[str, ...], float]


class Metrics:
    """The metrics of one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        from prometheus_client import CollectorRegistry, ProcessCollector

        self._daemon = daemon
        self._began_at = time.time()
        self._labels: dict[str, str] = {}
        """Of each source that has one of its own. It keeps it: a counter that moved to another label would fall."""
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(namespace="tallystick", registry=self._registry)
        self._registry.register(self)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Returns all of them in the format that an `Accept` header asks for, with its content type.

        It may wait for the engine, so it is for a thread.
        """
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> Iterable["Family"]:
        """Nothing: so no daemon is looked at when it is registered."""
        return ()

    def collect(self) -> Iterator["Family"]:
        """Yields what is known now. While the daemon begins, that is little."""
        yield _build()
        status, engine = self._daemon.status(), self._daemon.engine
        if status is None or engine is None:
            yield _family("ready", {(): 0})
            return
        measures = self._daemon.measures
        yield from _of_status(status, time.time(), self._began_at)
        yield _family("events", _since(status.outcomes, measures.restored_outcomes if measures is not None else {}))
        if measures is not None:
            yield from _of_delays(measures)
        from tallystick._engine import TallystickError

        with contextlib.suppress(TallystickError):  # An engine with a fault tells nothing; the rest is still true.
            yield from _of_engine(engine, time.time())
            yield from self._of_sources(engine.sources(), measures.restored_sources if measures is not None else {})

    def _of_sources(
        self, sources: Sequence["SourceReport"], before: Mapping[str, Mapping[str, int]]
    ) -> Iterator["Family"]:
        outcomes: dict[tuple[str, ...], float] = {}
        gaps: dict[tuple[str, ...], float] = {}
        lags: dict[tuple[str, ...], float] = {}
        heard: dict[tuple[str, ...], float] = {}
        for source in sources:
            name = self._label(source["source"])
            for (outcome,), count in _since(source.get("outcomes", {}), before.get(source["source"], {})).items():
                outcomes[name, outcome] = outcomes.get((name, outcome), 0) + count
            gaps[name,] = gaps.get((name,), 0) + len(source["open_gaps"])
            if (lag_s := source.get("lag_s")) is not None:
                lags[name,] = max(lags.get((name,), 0.0), float(lag_s))
            if (last := source.get("last_log_time")) is not None:
                at_s = datetime.fromisoformat(last).timestamp()
                heard[name,] = min(heard.get((name,), at_s), at_s)  # Of those together, the one that is silent longest.
        yield _family("source_events", outcomes)
        yield _family("source_heard_timestamp_seconds", heard)
        yield _family("source_lag_seconds", lags)
        yield _family("source_gaps", gaps)
        yield _family("open_gaps", {(): sum(gaps.values())})

    def _label(self, source: str) -> str:
        if source not in self._labels and len(self._labels) < SOURCES_MAX:
            self._labels[source] = source
        return self._labels.get(source, OTHER)


def _family(name: str, values: Values) -> "Family":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    metric = _BY_NAME[name]
    kind: Callable[..., Any] = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.about, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    found: Family = family
    return found


def _build() -> "Family":
    from prometheus_client.core import InfoMetricFamily

    from tallystick._engine import BUILD_PROFILE, SNAPSHOT_FORMAT, VERSION

    metric = _BY_NAME["build"]
    facts = {"version": VERSION, "profile": BUILD_PROFILE, "format": str(SNAPSHOT_FORMAT)}
    return InfoMetricFamily(metric.name, metric.about, value=facts)


def _of_status(status: "Status", now: float, began_at: float) -> Iterator["Family"]:
    taken = status.snapshot
    single: dict[str, float] = {
        "ready": not status.why_not_ready(now),
        "connected": status.is_connected,
        "reconnects": status.reconnects,
        "stream_sequence": status.stream_end,
        "applied_sequence": status.sequence,
        "published_sequence": status.published_sequence,
        "snapshot_sequence": taken.sequence,
        "waiting_messages": status.waiting_messages,
        "unpublished_bytes": status.unpublished_bytes,
        "published_messages": status.published_messages,
        "held_events": status.outcomes.get(_HELD, 0),
        "snapshot_age_seconds": now - (taken.at or began_at),
        "positions": status.positions,
        "requests_pending": status.requests_pending,
        "ticks": status.ticks,
    }
    if status.is_connected:  # Else nobody knows how long the log has become.
        single |= {"lag_messages": status.lag, "lag_seconds": status.lag_s(now)}
    if taken.at:
        single |= {"snapshot_duration_seconds": taken.took_s, "snapshot_bytes": taken.bytes_total}
    for name, value in single.items():
        yield _family(name, {(): float(value)})
    yield _family("blocked_seconds", {(one.what,): max(0.0, now - one.since) for one in status.blocked})
    yield _family("answers", {("sent",): status.answers, ("failed",): status.answers_failed})


def _since(counts: Mapping[str, int], before: Mapping[str, int]) -> Values:
    """Final outcomes since the process began, each of them."""
    return _NOTHING | {(name,): count - before.get(name, 0) for name, count in counts.items() if name != _HELD}


def _of_delays(measures: "Measures") -> Iterator["Family"]:
    for name, (counts, sum_s) in measures.delays().items():
        yield _histogram(f"{name}_seconds", measures.bounds_s, counts, sum_s)


def _histogram(name: str, bounds_s: Sequence[float], counts: Sequence[int], sum_s: float) -> "Family":
    from prometheus_client.core import HistogramMetricFamily

    metric, buckets, total = _BY_NAME[name], list[tuple[str, float]](), 0
    for bound, count in zip([*map(repr, bounds_s), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, total))
    return HistogramMetricFamily(metric.name, metric.about, buckets=buckets, sum_value=sum_s)


def _of_engine(engine: "Engine", now: float) -> Iterator["Family"]:
    memory = engine.memory()
    yield _family("memory_bytes", {(part,): size for part, size in memory.items() if part not in _NO_PARTS})
    yield from _of_exceptions(engine.exception_stats(), now)


def _of_exceptions(stats: "ExceptionStats", now: float) -> Iterator["Family"]:
    counts: dict[tuple[str, ...], float] = {}
    oldest: dict[tuple[str, ...], float] = {}
    approvals = 0.0
    for row in stats["by_code"]:
        labels = row["code"], row["severity"], row["owner"]
        for state, count in (("open", row["open"]), ("acknowledged", row["acknowledged"])):
            counts[*labels, state] = counts.get((*labels, state), 0) + count
        age_s = max(0.0, now - datetime.fromisoformat(row["oldest"]).timestamp())
        oldest[labels] = max(oldest.get(labels, 0.0), age_s)
        if row["code"] == "pending_approval":
            approvals += row["open"] + row["acknowledged"]
    yield _family("exceptions", counts)
    yield _family("exception_oldest_seconds", oldest)
    yield _family("exceptions_escalated", {(): stats["escalated"]})
    yield _family("pending_approvals", {(): approvals})
