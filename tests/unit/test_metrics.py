"""Metrics: the table, its documentation, and what a scrape makes of an engine."""

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tallystick import Engine
from tallystick._engine import Inbox
from tallystick.daemon.blockages import Blockage
from tallystick.daemon.measures import WAITING_MAX, Measures
from tallystick.daemon.status import Status, Taken
from tallystick.http.metrics import METRICS, OTHER, SOURCES_MAX, Metrics
from tallystick.outcome import Outcome
from tests.sources import ROOT

DAY_NS = 86_400_000_000_000
OPERATIONS = ROOT / "docs" / "operations.md"


def table() -> str:
    """The table of the documentation."""
    rows = (f"| `{one.shown}` | {', '.join(one.labels)} | {one.kind} | {one.about} |" for one in METRICS)
    return "\n".join(["| metric | labels | kind | what it says |", "|---|---|---|---|", *rows]) + "\n"


def a_status(**changes: Any) -> Status:
    figures: dict[str, Any] = {
        "sequence": 90, "stream_end": 100, "log_time_ns": 0, "published_sequence": 80, "events": 120,
        "outcomes": {"applied": 100, "malformed": 15, "held": 5}, "positions": 7,
        "snapshot": Taken(70, 1_000.0, 0.5, 4_096), "blocked": (), "answers": 3, "answers_failed": 1,
        "requests_pending": 2, "ticks": 4, "reconnects": 6, "is_connected": True, "waiting_messages": 8,
        "unpublished_bytes": 9, "published_messages": 10, "is_stopping": False, "config_fingerprint": "f",
        "connection": {"state": "connected", "since": "", "reason": None}, "intake_closed": None,
    }  # fmt: skip
    return Status(**(figures | changes))


@dataclass
class Looked:
    """A daemon that is looked at, as far as metrics do."""

    engine: Engine | None = field(default_factory=Engine)
    current: Status | None = field(default_factory=a_status)
    measures: Measures | None = None
    is_sound: bool = True
    is_stopping: bool = False

    def status(self) -> Status | None:
        return self.current


def event(number: int, source: str = "wms", **more: Any) -> bytes:
    import orjson

    given = {"id": str(number), "source": source, "type": "stock.received", "sku": f"secret-{number}",
             "location": "hidden", "document": "confidential", "quantity": 1}  # fmt: skip
    return orjson.dumps(given | more)


def scraped(daemon: Looked, accept: str = "") -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """All samples of a scrape, by name and labels."""
    text, content_type = Metrics(daemon).text(accept)
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in parse(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def counted(
    found: dict[str, dict[tuple[tuple[str, str], ...], float]], name: str
) -> dict[tuple[tuple[str, str], ...], float]:
    """What a counter has counted, without what stands at 0."""
    return {labels: count for labels, count in found[name].items() if count}


def test_the_documentation_has_every_metric() -> None:
    """Run `python -m tests.unit.test_metrics` to write it."""
    assert table() in OPERATIONS.read_text()


def test_a_scrape_has_every_metric_of_the_table_and_no_other() -> None:
    engine = Engine('[sources.wms]\norder = "source"\n')
    engine.apply([event(1, sequence=1), event(3, sequence=3), event(4, "x", type="no such")], 1, DAY_NS)
    blocked = (Blockage("snapshots", "no room", "make room", 0.0),)
    found = scraped(Looked(engine, a_status(blocked=blocked), Measures()))
    names = {name for name in found if not name.startswith("tallystick_process_")}
    histograms = {one.name for one in METRICS if one.kind == "histogram"}
    told = {f"{name}_{end}" for name in histograms for end in ("bucket", "sum", "count")}
    assert names == told | {one.shown for one in METRICS if one.kind != "histogram"}
    labels = {name: {label for key in samples for label, _ in key} for name, samples in found.items()}
    assert all(labels[one.shown] == set(one.labels) for one in METRICS if one.kind != "histogram")


def test_both_formats_say_the_same() -> None:
    daemon = Looked(measures=Measures())
    one = scraped(daemon)
    other = scraped(daemon, "application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    steady = {name for name in one if "seconds" not in name and "process" not in name}
    assert {name: one[name] for name in steady} == {name: other[name] for name in steady}


def test_no_label_tells_of_goods_places_or_documents() -> None:
    engine = Engine()
    engine.apply([event(number) for number in range(50)] + [b"broken", event(1, sku="secret-other")], 1, DAY_NS)
    text, _ = Metrics(Looked(engine, measures=Measures())).text("")
    assert not any(word in text for word in (b"secret", b"hidden", b"confidential"))


def test_sources_beyond_the_bound_are_together() -> None:
    engine = Engine()
    engine.apply([event(number, f"source-{number:04}") for number in range(SOURCES_MAX + 30)], 1, DAY_NS)
    samples = scraped(Looked(engine))["tallystick_source_events_total"]
    by_source: dict[str, float] = {}
    for labels, count in samples.items():
        by_source[dict(labels)["source"]] = by_source.get(dict(labels)["source"], 0) + count
    assert len(by_source) == SOURCES_MAX + 1
    assert by_source[OTHER] == 30


def test_a_source_keeps_its_label_whoever_comes_later() -> None:
    engine = Engine('[sources."silent"]\norder = "source"\n')
    engine.apply([event(number, f"m-{number:04}") for number in range(SOURCES_MAX)], 1, DAY_NS)
    metrics = Metrics(Looked(engine))
    before = {line.split(b" ")[0] for line in metrics.text("")[0].splitlines() if b"source_events_total{" in line}
    engine.apply([event(number, f"a-{number:04}") for number in range(50)], SOURCES_MAX + 1, DAY_NS)
    text = metrics.text("")[0]
    after = {line.split(b" ")[0] for line in text.splitlines() if b"source_events_total{" in line}
    assert before <= after
    assert not any(b'source="a-' in line for line in after)


def test_counters_begin_with_the_process_and_leave_out_what_is_not_final() -> None:
    measures = Measures()
    engine = Engine()
    engine.apply([event(number) for number in range(10)], 1, DAY_NS)
    measures.note_restored(engine)
    engine.apply([event(number) for number in range(10, 14)], 11, DAY_NS)
    found = scraped(Looked(engine, a_status(outcomes={"applied": 14, "held": 2}), measures))
    assert counted(found, "tallystick_events_total") == {(("outcome", "applied"),): 4}
    assert counted(found, "tallystick_source_events_total") == {(("outcome", "applied"), ("source", "wms")): 4}
    assert found["tallystick_held_events"] == {(): 2}


def test_every_counter_stands_at_0_before_anything_happens() -> None:
    final = {str(outcome) for outcome in Outcome} - {"held"}
    engine = Engine('[sources.wms]\norder = "source"\n[sources.erp]\n')
    found = scraped(Looked(engine, a_status(outcomes={}, answers=0, answers_failed=0), Measures()))
    assert found["tallystick_events_total"] == {(("outcome", name),): 0 for name in final}
    wanted = {(("outcome", name), ("source", source)): 0 for name in final for source in ("wms", "erp")}
    assert found["tallystick_source_events_total"] == wanted
    assert found["tallystick_answers_total"] == {(("result", name),): 0 for name in ("sent", "failed")}


def test_silence_is_seen_though_the_logs_time_stands_still() -> None:
    engine = Engine('[sources.never]\norder = "source"\n')
    engine.apply([event(1, "first")], 1, DAY_NS)
    engine.apply([event(2, "last"), b"broken"], 2, DAY_NS + 7_500_000_000)
    heard = scraped(Looked(engine))["tallystick_source_heard_timestamp_seconds"]
    assert heard == {(("source", "first"),): 86_400.0, (("source", "last"),): 86_407.5}


def test_of_sources_that_are_together_the_longest_silence_is_told() -> None:
    engine = Engine()
    for number in range(SOURCES_MAX + 30):
        engine.apply([event(number, f"source-{number:04}")], number + 1, (number + 1) * DAY_NS)
    heard = scraped(Looked(engine))["tallystick_source_heard_timestamp_seconds"]
    assert heard[(("source", OTHER),)] == (SOURCES_MAX + 1) * 86_400


def test_who_does_not_see_the_log_tells_no_lag() -> None:
    lags = {"tallystick_lag_messages", "tallystick_lag_seconds"}
    assert lags <= set(scraped(Looked()))
    assert not lags & set(scraped(Looked(current=a_status(is_connected=False))))


def test_a_daemon_that_begins_or_whose_engine_is_broken_tells_what_is_known() -> None:
    begins = scraped(Looked(None, None))
    assert begins["tallystick_ready"] == {(): 0}
    assert set(begins) - {"tallystick_ready", "tallystick_build_info"} <= {n for n in begins if "process" in n}

    class Broken:
        def memory(self) -> dict[str, int]:
            from tallystick._engine import EngineFault

            raise EngineFault("broken")

    found = scraped(Looked(Broken(), a_status()))  # type: ignore[arg-type]  # as an engine that found a fault
    assert "tallystick_applied_sequence" in found
    assert "tallystick_memory_bytes" not in found


def test_delays_are_those_of_a_plain_count() -> None:
    rng = random.Random(7)
    engine, inbox = Engine('[engine]\nmax_age = "none"\n'), Inbox(1)
    inbox.measure()
    bounds_ns, *_ = inbox.delays()["effective_to_log"]
    wanted = [0] * (len(bounds_ns) + 1)
    total_ns = 0
    for sequence in range(1, 500):
        age_ns = rng.choice([0, rng.randrange(10**7), rng.randrange(10**10), rng.randrange(10**14)])
        log_ns = 2_000_000 * DAY_NS // 100 + sequence
        whole, rest = divmod(log_ns - age_ns, 10**9)
        text = f"{dt.datetime.fromtimestamp(whole, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
        inbox.push(sequence, log_ns, event(sequence, time=text))
        wanted[sum(age_ns >= bound for bound in bounds_ns)] += 1
        total_ns += age_ns
    engine.apply_inbox(inbox)
    _, counts, sum_ns = inbox.delays()["effective_to_log"]
    assert counts == wanted
    assert total_ns - 500 * (1 << 20) <= sum_ns <= total_ns
    assert sum(inbox.delays()["log_to_applied"][1]) == 499


def test_events_that_were_refused_or_came_again_have_no_delay() -> None:
    engine, inbox = Engine(), Inbox(1)
    inbox.measure()

    def delayed() -> int:
        return sum(inbox.delays()["effective_to_log"][1])

    for sequence, data in enumerate([event(1), event(1), b"broken", event(2, quantity="x")], 1):
        inbox.push(sequence, DAY_NS, data)
    engine.apply_inbox(inbox)
    assert delayed() == 0  # none has a time of its own
    inbox.push(5, DAY_NS, event(3, time="1970-01-01T23:59:59Z"))
    inbox.push(6, DAY_NS, event(3, time="1970-01-01T23:59:59Z"))
    engine.apply_inbox(inbox)
    assert delayed() == 1
    assert sum(inbox.delays()["log_to_applied"][1]) == 6


def test_counting_delays_changes_nothing() -> None:
    states = set()
    for is_measured in (False, True):
        engine, inbox = Engine(key=bytes(16)), Inbox(1)
        if is_measured:
            inbox.measure()
        for sequence in range(1, 40):
            inbox.push(sequence, DAY_NS, event(sequence, time="1970-01-01T23:59:59Z"))
        engine.apply_inbox(inbox)
        assert bool(inbox.delays()) is is_measured
        engine.flush("S")
        states.add((engine.state_hash(), engine.snapshot()))
    assert len(states) == 1


def test_published_messages_count_once_in_order_and_within_bounds() -> None:
    measures = Measures()
    measures.note_applied(0, 10, 1.0)
    measures.note_applied(10, 15, 2.0)
    measures.note_published(9, 3.0)
    assert sum(measures.applied_to_published) == 0
    measures.note_published(15, 3.0)
    measures.note_published(15, 9.0)
    assert sum(measures.applied_to_published) == 15
    assert measures.applied_to_published_sum_s == pytest.approx(10 * 2.0 + 5 * 1.0)
    for number in range(3 * WAITING_MAX):
        measures.note_applied(15 + number, 16 + number, 4.0)
    assert len(measures._waiting) == WAITING_MAX
    measures.note_published(15 + 3 * WAITING_MAX, 5.0)
    assert sum(measures.applied_to_published) == 15 + 3 * WAITING_MAX


if __name__ == "__main__":
    head, _, _ = OPERATIONS.read_text().partition("| metric | labels |")
    OPERATIONS.write_text(head + table())
