"""The streams: made as the promises need them, refused by the name of the setting, recognised after a restart."""

from dataclasses import replace
from typing import Any

import pytest

from tallystick.bus.jetstream import ApiError, JetStream, StreamInfo, time_ns
from tallystick.bus.streams import (
    LogPosition,
    check_position,
    covers,
    ensure_input,
    ensure_outputs,
    find_input,
    message_digest,
)
from tallystick.config import Input, Output
from tallystick.errors import LogGap, StreamError

EVENTS = Input(stream="EVENTS", subjects=("events", "events.>"))
FIT = {
    "name": "EVENTS",
    "subjects": ["events"],
    "storage": "file",
    "retention": "limits",
    "deny_delete": True,
    "deny_purge": True,
    "allow_direct": True,
}


async def test_the_event_stream_is_made_once_and_cannot_be_purged(bus: JetStream) -> None:
    made = await ensure_input(bus, EVENTS)
    assert made.first_sequence == 1
    assert made.last_sequence == 0
    assert (await ensure_input(bus, EVENTS)).created == made.created
    await bus.client.request("events", b"{}")
    for operation, body in (("PURGE", {}), ("MSG.DELETE", {"seq": 1})):
        with pytest.raises(ApiError):
            await bus.request(f"STREAM.{operation}.EVENTS", body)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("retention", "workqueue"),
        ("retention", "interest"),
        ("storage", "memory"),
        ("max_age", 3_600_000_000_000),
        ("max_msgs", 1_000),
        ("max_bytes", 1_000_000),
        ("max_msgs_per_subject", 1),
        ("deny_delete", False),
        ("deny_purge", False),
        ("allow_direct", False),
        ("no_ack", True),
        ("allow_msg_ttl", True),
    ],
)
async def test_an_event_stream_that_cannot_keep_the_promises_is_refused(
    bus: JetStream, setting: str, value: Any
) -> None:
    await bus.create_stream(FIT | {setting: value})
    cure = r"(no edit changes it: name another stream\)|; change it with: nats stream edit EVENTS --[a-z=0-9-]+ -f)"
    with pytest.raises(StreamError, match=rf"^stream EVENTS: {setting} is .* must be .*{cure}"):
        await ensure_input(bus, EVENTS)


EDITS: dict[str, tuple[str, Any]] = {
    "--max-age=0s": ("max_age", 0),
    "--max-msgs=-1": ("max_msgs", -1),
    "--max-bytes=-1": ("max_bytes", -1),
    "--max-msgs-per-subject=-1": ("max_msgs_per_subject", -1),
    "--allow-direct": ("allow_direct", True),
    "--no-allow-rollup": ("allow_rollup_hdrs", False),
    "--ack": ("no_ack", False),
    "--deny-delete": ("deny_delete", True),
    "--deny-purge": ("deny_purge", True),
}
"""What the options of `nats stream edit` change (its source has the list)."""


async def test_all_faults_are_named_at_once_and_the_edit_that_is_shown_mends_them(bus: JetStream) -> None:
    made = {"name": "EVENTS", "subjects": ["events"], "storage": "file", "allow_direct": False}
    bad = {"max_age": 3_600_000_000_000, "max_msgs": 50, "max_bytes": 99_999, "max_msgs_per_subject": 20}
    await bus.create_stream(made | bad | {"no_ack": True, "allow_rollup_hdrs": True})
    for number in range(30):
        await bus.client.publish("events", b"%d" % number)
    await bus.client.flush()
    with pytest.raises(StreamError) as raised:
        await ensure_input(bus, EVENTS, is_first=True)
    text = str(raised.value)
    assert text.startswith("stream EVENTS: it begins at message 11, and the ledger at 1 (set input.start_sequence = 11")
    assert text.endswith("; this can never be taken back: deny_delete, deny_purge")
    assert "\n" not in text
    edit = text.partition("nats stream edit EVENTS ")[2].partition(" -f")[0].split()
    assert sorted(edit) == sorted(EDITS)
    config = dict((await stream(bus)).config)
    await bus.request("STREAM.UPDATE.EVENTS", config | dict(EDITS[option] for option in edit))
    with pytest.raises(StreamError, match=r"^stream EVENTS: it begins at message 11, and the ledger at 1 \([^;]*\)$"):
        await ensure_input(bus, EVENTS, is_first=True)
    assert (await ensure_input(bus, replace(EVENTS, start_sequence=11), is_first=True)).first_sequence == 11
    assert (await ensure_input(bus, replace(EVENTS, start_sequence=31), is_first=True)).first_sequence == 11
    with pytest.raises(StreamError, match=r"ends at message 30, and the ledger begins at 32"):
        await ensure_input(bus, replace(EVENTS, start_sequence=32), is_first=True)
    for setting in ("deny_delete", "deny_purge"):
        with pytest.raises(ApiError):
            await bus.request("STREAM.UPDATE.EVENTS", dict((await stream(bus)).config) | {setting: False})


async def test_what_no_edit_changes_comes_first(bus: JetStream) -> None:
    await bus.create_stream(FIT | {"max_age": 7_200_000_000_000, "storage": "memory"})
    with pytest.raises(StreamError, match=r'^stream EVENTS: storage is "memory".*; max_age is 7200 s .*max-age=0s -f$'):
        await ensure_input(bus, EVENTS)
    with pytest.raises(ApiError):
        await bus.request("STREAM.UPDATE.EVENTS", dict((await stream(bus)).config) | {"storage": "file"})


async def stream(bus: JetStream) -> StreamInfo:
    info = await bus.stream("EVENTS")
    assert info is not None
    return info


async def test_those_who_only_write_make_no_stream(bus: JetStream) -> None:
    with pytest.raises(StreamError, match=r"^there is no stream EVENTS any more, .* nothing was sent"):
        await find_input(bus, EVENTS)
    with pytest.raises(StreamError, match=r"^there is no stream EVENTS to begin with message 5 of"):
        await ensure_input(bus, replace(EVENTS, start_sequence=5), is_first=True)
    assert await bus.stream("EVENTS") is None
    made = await ensure_input(bus, EVENTS)
    assert await find_input(bus, EVENTS) == made


async def test_a_fit_stream_of_other_making_is_taken(bus: JetStream) -> None:
    await bus.create_stream(FIT)
    assert (await ensure_input(bus, EVENTS)).name == "EVENTS"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"retention": "workqueue"}, "retention"),
        ({"storage": "memory"}, "storage"),
        ({"duplicate_window": 1_000_000_000}, "duplicate_window"),
        ({"max_msgs": 10, "discard": "new"}, "discard"),
        ({"subjects": ["elsewhere"]}, "subjects elsewhere do not take tallystick.availability"),
    ],
)
async def test_an_output_stream_that_cannot_keep_the_promises_is_refused(
    bus: JetStream, change: dict[str, Any], named: str
) -> None:
    fit = {"name": "TALLYSTICK_AVAILABILITY", "subjects": ["tallystick.*"], "storage": "file"}
    await bus.create_stream(fit | change)
    with pytest.raises(StreamError, match=named):
        await ensure_outputs(bus, Output())


async def test_output_streams_may_have_limits(bus: JetStream) -> None:
    availability, exceptions = await ensure_outputs(bus, Output(availability_max_age="1h"))
    assert availability.config["max_age"] == 3_600_000_000_000
    assert exceptions.config["max_age"] == 0
    assert await ensure_outputs(bus, Output()) == (availability, exceptions)


async def test_subjects_taken_by_another_stream_are_an_error_in_one_line(bus: JetStream) -> None:
    await bus.create_stream({"name": "OTHER", "subjects": ["events.>"], "storage": "file"})
    with pytest.raises(StreamError, match=r"^stream EVENTS cannot be created: subjects overlap .*$"):
        await ensure_input(bus, EVENTS)


async def test_a_position_holds_only_for_the_log_that_was_read(bus: JetStream) -> None:
    info = await bus.create_stream(FIT | {"deny_delete": False, "deny_purge": False})
    for number in range(1, 6):
        await bus.client.request("events", b"message %d" % number)
    read = LogPosition("EVENTS", info.created, 3, message_digest(b"message 3"))
    assert (await check_position(bus, read)).last_sequence == 5

    with pytest.raises(StreamError, match="message 3 is not the one that was read"):
        await check_position(bus, replace(read, digest=message_digest(b"another")))
    with pytest.raises(StreamError, match="was created at"):
        await check_position(bus, replace(read, created="2020-01-01T00:00:00Z"))
    with pytest.raises(StreamError, match="ends at message 5, but message 6 was read"):
        await check_position(bus, replace(read, sequence=6))
    with pytest.raises(StreamError, match=r"is not there any more: .* to begin an empty ledger"):
        await check_position(bus, replace(read, stream="GONE"))

    await bus.request("STREAM.PURGE.EVENTS", {"seq": 4})
    assert (await check_position(bus, read)).first_sequence == 4
    await bus.request("STREAM.PURGE.EVENTS", {"seq": 5})
    with pytest.raises(LogGap, match="stream EVENTS: message 4 missing"):
        await check_position(bus, read)


@pytest.mark.parametrize(
    ("pattern", "subject", "takes"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.>", "a.b.c", True),
        (">", "a", True),
        ("a.>", "a", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.c", False),
        ("a.b.c", "a.b", False),
    ],
)
def test_subject_patterns(pattern: str, subject: str, takes: bool) -> None:
    assert covers(pattern, subject) is takes


def test_times_keep_their_nanoseconds() -> None:
    assert time_ns("1970-01-01T00:00:01Z") == 1_000_000_000
    assert time_ns("2026-11-21T04:17:42.123456789Z") % 1_000_000_000 == 123_456_789
    assert time_ns("2026-11-21T04:17:42.5Z") % 1_000_000_000 == 500_000_000
