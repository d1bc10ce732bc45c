"""What the command line tells of a running daemon: in JSON by its fields, and for people at any width."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.cli.app import execute
from tallystick.cli.fields import FIELDS
from tallystick.config import load
from tallystick.daemon.run import run
from tests.integration.daemon import configure, has_reached, publish, until

TABLES: dict[str, dict[str, Any]] = {
    "safety_stock": {"default": 5},
    "sources": {},
    'sources."wms"': {"team": "dock"},
    "types": {},
    'types."goods.in"': {"alias": "stock.received"},
}
EVENTS: list[dict[str, Any]] = [
    {"id": "1", "type": "stock.received", "quantity": 40, "document": "PO-0", "line": 1},
    {"id": "2", "type": "goods.in", "quantity": 5, "document": "PO-9", "line": 1},
    {"id": "3", "type": "event.voided", "target": {"source": "wms", "id": "2"}, "sku": None, "location": None},
    {"id": "4", "type": "stock.received", "quantity": 9},
    {"id": "5", "type": "event.corrected", "target": {"source": "wms", "id": "4"}, "sku": None, "location": None,
     "event": {"type": "stock.received", "sku": "LAMP", "location": "DC1", "quantity": 7}},
    {"id": "6", "type": "stock.counted", "quantity": 45},
    {"id": "7", "type": "stock.picked", "quantity": 3, "document": "SO-8", "line": 1, "correlationid": "SO-8"},
    {"id": "8", "source": "erp", "type": "order.confirmed", "quantity": 3, "document": "SO-8", "correlationid": "SO-8"},
    {"id": "9", "source": "erp", "type": "stock.picked", "quantity": 3, "document": "SO-8", "line": 1,
     "correlationid": "SO-8", "originsource": "wms", "originid": "7"},
    {"id": "10", "source": "erp", "type": "demand.scheduled", "quantity": 15, "document": "SO-7", "line": 1,
     "due": "2099-01-01"},
    {"id": "11", "source": "shop", "type": "reservation.requested", "quantity": 2, "ttl": "none"},
    {"id": "12", "type": "transfer.dispatched", "quantity": 1, "to_location": "DC2"},
    {"id": "13", "type": "stock.received", "quantity": 4, "location": "DC2"},
]  # fmt: skip
TELLING: list[tuple[str, ...]] = [
    ("atp", "LAMP"),
    ("atp", "LAMP", "--explain", "--quantity", "3", "--horizon"),
    ("reservations",),
    ("claims",),
    ("replenish",),
    ("trace", "SO-8"),
    ("trail", "LAMP", "DC1"),
    ("sources",),
    ("sources", "wms"),
    ("policy", "report"),
    ("reserve", "LAMP", "DC1", "1"),
    ("config", "show"),
    ("config", "check"),
    ("version",),
]


@pytest.fixture
async def arguments(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> AsyncIterator[list[str]]:
    """The options that reach a daemon which has applied the events."""
    configure(tmp_path, server, TABLES)
    path = tmp_path / "tallystick.toml"
    path.write_text(path.read_text() + "[[replenish]]\nskus = ['LAMP']\npoint = 90\ntarget = 100\n")
    (tmp_path / "owners.toml").write_text("[[ownership.rules]]\nsources = ['erp']\nrole = 'observer'\n")
    config = load(path, {})
    usual = {"source": "wms", "sku": "LAMP", "location": "DC1"}
    await publish(bus, [json.dumps({**usual, **event}).encode() for event in EVENTS])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await until(lambda: has_reached(bus.client, len(EVENTS)))
    try:
        yield ["--config", str(path), "--timeout-s", "30"]
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


async def said(words: tuple[str, ...], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    options = {"config": arguments[:2], "version": []}.get(words[0], arguments)
    assert await asyncio.to_thread(execute, [*words, *options]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


async def test_every_record_is_a_line_with_known_fields(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    policy = Path(arguments[1]).with_name("owners.toml")
    await said(("policy", "apply", str(policy), "--shadow"), arguments, capsys)
    # The daemon's own source says the same again, as an observer under the policy on trial.
    await said(("reserve", "LAMP", "DC1", "1", "--source", "erp"), arguments, capsys)
    trial = ("policy", "apply", str(policy), "--shadow"), ("policy", "end-shadow")
    unknown: list[tuple[tuple[str, ...], list[str]]] = []
    for words in (*TELLING, *trial):
        lines = (await said((*words, "--json"), arguments, capsys)).splitlines()
        known = FIELDS.get(words[0]) or FIELDS[" ".join(words[:2])]
        assert lines, words
        for line in lines:
            record = json.loads(line)
            if record.get("kind") != "claim" and not set(record) <= set(known):
                unknown.append((words, sorted(set(record) - set(known))))
    assert unknown == [], unknown


async def test_tables_use_the_width_and_have_no_blanks_at_the_end(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in ("80", "200", ""):
        monkeypatch.setenv("COLUMNS", width)
        for words in TELLING[:9]:
            shown = await said(words, arguments, capsys)
            assert "\x1b" not in shown
            assert [line for line in shown.splitlines() if line != line.rstrip()] == [], words
            wide = [line for line in shown.splitlines() if width and len(line) > int(width) and "─" in line]
            assert wide == [], words
    # Where there is no terminal, a record is one line.
    trail = await said(("trail", "LAMP", "DC1"), arguments, capsys)
    assert len([line for line in trail.splitlines() if "wms/" in line]) == 6


async def test_a_trail_names_events_and_balances_and_what_was_taken_back(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (await said(("trail", "LAMP", "DC1", "--json"), arguments, capsys)).splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] != "claim"]
    told = [(row["id"], row["type"], row["quantity"], row["balance"]) for row in rows]
    assert told == [
        ("1", "stock.received", 40, 40),
        ("2", "goods.in", 5, 40),
        ("4", "stock.received", 7, 47),
        ("6", "stock.counted", 45, 45),
        ("7", "stock.picked", -3, 42),
        ("12", "transfer.dispatched", -1, 41),
    ]
    assert [row["voided_by"] for row in rows] == [None, "wms/3", None, None, None, None]
    assert rows[2]["corrected_by"] == "wms/5"
    assert (rows[1]["document"], rows[1]["line"], rows[1]["sequence"]) == ("PO-9", "1", 2)
    assert [row["is_barrier"] for row in rows] == [False, False, False, True, False, False]
    shown = await said(("trail", "LAMP", "DC1", "--limit", "5"), arguments, capsys)
    assert ["wms/2", "PO-9/1", "(+5)", "40", "voided", "by", "wms/3"] in [
        line.split()[2:] for line in shown.splitlines()
    ]
    assert "5 of 6 shown, the newest ones; see more with --limit 6." in shown
    shown = await said(("trail", "LAMP", "DC1", "--last", "1"), arguments, capsys)
    assert "whose event is not in the last 1 messages; look further back with --last." in shown
    assert "no stock was ever seen" in await said(("trail", "LAMP", "nowhere"), arguments, capsys)


async def test_a_trace_has_the_outcomes_that_events_really_had(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (await said(("trace", "SO-8", "--json"), arguments, capsys)).splitlines()
    steps = [step for step in map(json.loads, lines) if step["kind"] == "event"]
    assert [(step["source"], step["id"], step["outcome"], step["is_milestone"]) for step in steps] == [
        ("wms", "7", "applied", False),
        ("erp", "8", "unknown_type", True),
        ("erp", "9", "duplicate", False),
    ]
    assert steps[2]["origin"] == {"source": "wms", "id": "7"}
    lines = (await said(("trace", "wms/5", "--json"), arguments, capsys)).splitlines()
    assert [(step["id"], step["outcome"]) for step in map(json.loads, lines) if step["kind"] == "event"] == [
        ("5", "applied")
    ]
    shown = await said(("trace", "SO-8"), arguments, capsys)
    assert "milestone" in shown
    assert "echo of wms/7" in shown
    assert "raised" not in shown


async def test_atp_begins_with_what_can_be_promised(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = await said(("atp", "LAMP", "DC1"), arguments, capsys)
    assert shown.startswith("LAMP at DC1: 34 can be promised today")
    (line,) = (await said(("atp", "LAMP", "DC1", "--json"), arguments, capsys)).splitlines()
    position = json.loads(line)
    assert (position["on_hand"], position["safety_stock"], position["atp"], position["sequence"]) == (41, 5, 34, 13)


async def test_observed_is_told_apart_if_asked(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    configure(tmp_path, server)
    path = tmp_path / "tallystick.toml"
    path.write_text(path.read_text() + "[[ownership.rules]]\nsources = ['erp']\nrole = 'observer'\n")
    config = load(path, {})
    usual = {"sku": "LAMP", "location": "DC1", "quantity": 1, "type": "stock.received"}
    await publish(bus, [json.dumps({**usual, "source": source, "id": "1"}).encode() for source in ("wms", "erp")])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await until(lambda: has_reached(bus.client, 2))
    try:
        asked: dict[str, Any] = {"keys": [["wms", "1"], ["erp", "1"]]}
        reply = await bus.client.request("tallystick.answers", json.dumps(asked).encode(), 30)
        assert json.loads(reply.data)["answers"] == ["applied", "applied"]
        reply = await bus.client.request("tallystick.answers", json.dumps({**asked, "unposted": True}).encode(), 30)
        assert json.loads(reply.data)["answers"] == ["applied", "observed"]
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


def test_a_timeout_holds_for_the_whole_command(capsys: pytest.CaptureFixture[str], server: EmbeddedServer) -> None:
    began = time.monotonic()
    unreachable = ["--server", "nats://127.0.0.1:1", "--timeout-s", "0.3"]
    for words in (["atp", "A"], ["trail", "A", "L"], ["sources"], ["trace", "A"]):
        assert execute([*words, *unreachable]) == 3
        assert "within 0.3 s" in capsys.readouterr().err
    assert time.monotonic() - began < 15  # Each waited for five seconds.
    assert execute(["atp", "A", "--server", server.url, "--timeout-s", "0.5"]) == 3
    assert "no daemon answers" in capsys.readouterr().err
