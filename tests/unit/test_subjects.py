"""Sources bound to subjects: what is published goes where the engine expects it, and what has no subject is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Engine
from tallystick._engine import Inbox, check_config
from tallystick.cli.app import execute
from tallystick.client.asyncapi import asyncapi
from tallystick.config import load
from tallystick.errors import ConfigurationError, UsageError
from tallystick.files.messages import Message, MessageReader
from tallystick.subjects import event_subject, pattern_of, source_subject, subject_of, subject_of_event, trusting

PATTERN = "events.{source}"
BOUND = f'[engine]\nsource_subject = "{PATTERN}"\n'


def event(number: int, source: str = "wms") -> bytes:
    made = {"id": str(number), "source": source, "type": "stock.received", "sku": "A", "location": "L", "quantity": 1}
    return json.dumps(made).encode()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=16))
def test_each_source_is_at_home_on_its_subject_alone(source: str) -> None:
    engine, sent = Engine(BOUND), event(1, source)
    own = subject_of(PATTERN, source)
    assert own == subject_of_event(PATTERN, sent)
    assert len(own.split(".")) == 2
    assert own.isascii()
    assert not set(" *>") & set(own)
    elsewhere = subject_of(PATTERN, source + "x")
    assert engine.apply([sent, sent, sent], subjects=[elsewhere, own, own]).counts == {
        "not_owner": 1,
        "applied": 1,
        "duplicate": 1,
    }


def test_a_control_character_is_encoded_though_no_source_may_have_one() -> None:
    assert subject_of(PATTERN, "a\n\x7f") == "events.a%0A%7F"


def test_the_cause_names_both_and_the_cure_is_about_them() -> None:
    batch = Engine(BOUND).apply([event(1, "erp")], subjects=["events.wms"])
    [exception] = batch.exceptions
    assert exception.code == "foreign_subject"
    assert exception.cause == 'Source "erp" was sent on the subject of "wms".'
    assert "which system may use that subject" in exception.cure
    [exception] = Engine(BOUND).apply([event(1, "erp")], subjects=["events"]).exceptions
    assert exception.cause == 'Source "erp" was sent on "events", which is no source\'s subject.'


def test_what_has_no_subject_is_refused_and_changes_nothing() -> None:
    engine = Engine(BOUND)
    bound = "engine.source_subject binds sources to subjects: .* leave it out for input that you trust"
    with pytest.raises(ValueError, match=bound):
        engine.apply([event(1)])
    with pytest.raises(ValueError, match=bound):
        engine.apply(event(1))
    with pytest.raises(ValueError, match=bound):
        engine.apply_columns({"id": np.array(["1"])})
    with pytest.raises(ValueError, match=bound):
        engine.apply_inbox(Inbox(1))
    with pytest.raises(ValueError, match="2 messages have 1 subjects"):
        engine.apply([event(1), event(2)], subjects=["events.wms"])
    with pytest.raises(ValueError, match="an NDJSON buffer has no subjects"):
        engine.apply(event(1), subjects=["events.wms"])
    assert (engine.sequence, len(engine)) == (0, 0)


def test_an_inbox_that_keeps_subjects_serves_both_kinds_of_engine() -> None:
    for config, expected in (("", {"applied": 2}), (BOUND, {"applied": 1, "not_owner": 1})):
        inbox = Inbox(1, subjects=True)
        assert inbox.push(1, 0, event(1), "events.wms")
        assert inbox.deliver("$JS.ACK.EVENTS.reader.1.2.2.1000.0", event(2), "events.erp")
        inbox.tap(3)
        applied = Engine(config).apply_inbox(inbox)
        assert {name: count for name, count in applied.counts.items() if count} == expected


def test_the_tap_keeps_the_subject_of_each_message() -> None:
    inbox, engine = Inbox(1, subjects=True), Engine(BOUND)
    inbox.tap(3)
    sources = ["wms", "wms", "erp", "wms", "erp"]
    for sequence, source in enumerate(sources, 1):
        sent = event(sequence, "wms")
        reply = f"$JS.ACK.EVENTS.reader.1.{sequence}.{sequence}.1000.0"
        inbox.feed(f"MSG events.{source} 3 {reply} {len(sent)}\r\n".encode() + sent + b"\r\n")
    taken = engine.apply_inbox(inbox, 2)
    assert taken.counts["applied"] == 2
    assert engine.apply_inbox(inbox).counts["not_owner"] == 2
    assert [item["id"] for item in engine.exceptions()] == ["3", "5"]


@pytest.mark.parametrize("columns", [False, True], ids=["JSON", "Arrow"])
def test_a_batch_is_judged_event_by_event(columns: bool) -> None:
    sources = ["wms", "erp", "wms"]
    if columns:
        pa = pytest.importorskip("pyarrow")
        rows = {"id": ["1", "2", "3"], "source": sources, "type": ["stock.received"] * 3}
        table = pa.table(rows | {"sku": ["A"] * 3, "location": ["L"] * 3, "quantity": [1] * 3})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        sent = sink.getvalue().to_pybytes()
    else:
        sent = b"[" + b",".join(event(number, source) for number, source in enumerate(sources)) + b"]"
    assert Engine(BOUND).apply([sent], subjects=["events.wms"]).counts == {"applied": 2, "not_owner": 1}


# Publishing


def cut(tmp_path: Path, *lines: bytes, events_per_message: int = 3) -> list[tuple[str, bytes]]:
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines))
    reader = MessageReader(tmp_path / "events.ndjson", 1 << 20, events_per_message, by_source=True)
    found: list[Message] = list(reader)
    assert b"\n".join(message.payload for message in found) == b"\n".join(lines), "the order of the file is kept"
    return [(message.source, message.payload) for message in found]


def test_a_message_holds_events_of_one_source(tmp_path: Path) -> None:
    events = [event(number, source) for number, source in enumerate(["a", "a", "b", "a", "a", "a", "a"])]
    assert cut(tmp_path, *events) == [
        ("a", b"\n".join(events[:2])),
        ("b", events[2]),
        ("a", b"\n".join(events[3:6])),
        ("a", events[6]),
    ]


def test_a_line_that_names_nobody_goes_with_the_one_before_it(tmp_path: Path) -> None:
    a, b = event(1, "a"), event(2, "b")
    assert cut(tmp_path, a, b"{broken", b'{"id":"3"}', b) == [
        ("a", a),
        ("a", b"{broken"),
        ("a", b'{"id":"3"}'),
        ("b", b),
    ]
    with pytest.raises(UsageError, match=r"events.ndjson:1: names no source, and each source has a subject of its own"):
        cut(tmp_path, b"{broken", a)


def test_an_event_without_a_source_has_no_subject_only_where_it_needs_one() -> None:
    assert subject_of_event("events", b"{broken") == "events"
    for broken in (b'{"id": "1"}', b'{"source": 7}', b"[]", b"{broken"):
        with pytest.raises(ValueError, match=r"."):
            subject_of_event(PATTERN, broken)


# Configuration


def test_the_setting_is_part_of_the_fingerprint_only_where_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "ts.toml"
    path.write_text("[engine]\n")
    plain = load(path, {})
    assert plain.fingerprint == check_config("")
    assert (source_subject(plain), event_subject(plain)) == (None, "tallystick.events")
    path.write_text(BOUND)
    bound = load(path, {})
    assert bound.fingerprint != plain.fingerprint
    assert (source_subject(bound), pattern_of(event_subject(bound))) == (PATTERN, "events.*")
    assert check_config(trusting(bound.engine_json)) == plain.fingerprint


def test_producers_are_told_where_to_speak(tmp_path: Path) -> None:
    (tmp_path / "ts.toml").write_text(BOUND)
    channel = asyncapi(load(tmp_path / "ts.toml", {}))["channels"]["events"]
    assert channel["address"] == PATTERN
    assert list(channel["parameters"]) == ["source"]


@pytest.mark.parametrize("pattern", ["", "events", "events.x{source}", "events.{source}.>", "e.{source}.{source}"])
def test_a_pattern_that_binds_nobody_is_refused_by_name(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "ts.toml"
    path.write_text(f'[engine]\nsource_subject = "{pattern}"\n')
    with pytest.raises(ConfigurationError, match=r"ts\.toml:2: engine\.source_subject: .* such as ") as refused:
        load(path, {})
    assert "\n" not in str(refused.value)


def test_replay_trusts_files_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.ndjson").write_bytes(event(1, "erp") + b"\n" + event(2, "wms"))
    (tmp_path / "ts.toml").write_text(BOUND)
    hashes = []
    for arguments in (["--config", str(tmp_path / "ts.toml")], []):
        assert execute(["replay", str(tmp_path / "events.ndjson"), "--json", "--reference", *arguments]) == 0
        shown = capsys.readouterr()
        hashes.append(json.loads(shown.out)["state_hash"])
        expected = (
            "tallystick: files have no subjects, so engine.source_subject is left out here\n" if arguments else ""
        )
        assert shown.err == expected
    assert hashes[0] == hashes[1]
