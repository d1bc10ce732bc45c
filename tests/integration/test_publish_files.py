"""Publishing whatever people have, to a real server: what can be read is stored, of what is broken nothing is."""

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tests.unit.test_files import BROKEN, CSV, CSV_MAP, LINES, NDJSON, READ, REFUSED

pytestmark = pytest.mark.slow


async def _run(server: EmbeddedServer, folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    command = [sys.executable, "-m", "tallystick", "publish", *arguments, "--server", server.url]
    done = await asyncio.to_thread(
        subprocess.run, command, input=stdin, capture_output=True, check=False, timeout=300, cwd=folder
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def _stored(bus: JetStream) -> list[bytes]:
    """Every message of the event stream; none where nobody made the stream."""
    stream = await bus.stream("TALLYSTICK_EVENTS")
    found = [await bus.message(stream.name, place + 1) for place in range(stream.last_sequence)] if stream else []
    return [message.data for message in found if message is not None]


@pytest.mark.parametrize("kind", ["byte order mark", "gzip in members", "UTF-16, little end first", "array", "Parquet"])
async def test_what_can_be_read_is_stored(tmp_path: Path, server: EmbeddedServer, bus: JetStream, kind: str) -> None:
    (tmp_path / "events.bin").write_bytes(READ[kind])
    status, _, said = await _run(server, tmp_path, "events.bin", "--events-per-message", "2")
    assert (status, said) == (0, "")
    lines = [json.loads(line) for message in await _stored(bus) for line in message.splitlines()]
    assert [(event["id"], float(event["quantity"])) for event in lines] == [("1", 2.5), ("2", 2.5), ("3", 2.5)]


async def test_rows_of_csv_are_stored_as_events(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    (tmp_path / "stock.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "stock.toml").write_text(CSV_MAP)
    status, shown, _ = await _run(server, tmp_path, "stock.csv.gz", "--map", "stock.toml", "--json")
    assert status == 0
    assert json.loads(shown)["events"] == 3
    assert [json.loads(message)["quantity"] for message in await _stored(bus)] == ["2.5"] * 3


async def test_of_what_is_no_event_nothing_is_stored(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    broken = [BROKEN[kind][0] for kind in ("broken line", "NUL bytes", "cut short array")]
    foreign = [REFUSED[kind][0] for kind in ("CSV", "xlsx", "cut short gzip", "text")]
    for data in (*broken, *foreign):
        (tmp_path / "events.bin").write_bytes(data)
        status, _, said = await _run(server, tmp_path, "events.bin")
        assert status == 2
        assert said.startswith("tallystick: events.bin")
        assert said.count("\n") == 1
    assert await _stored(bus) == []


async def test_force_sends_what_is_broken_too(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    (tmp_path / "events.bin").write_bytes(BROKEN["broken line"][0])
    status, _, said = await _run(server, tmp_path, "events.bin", "--force")
    assert status == 0
    assert "1 line sent that the daemon refuses as malformed" in said
    assert len(await _stored(bus)) == 3


async def test_standard_input_stops_at_the_first_broken_line(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    data = b"\n".join([LINES[0], LINES[1], b'{"id":', LINES[2]])
    status, _, said = await _run(server, tmp_path, "-", stdin=data)
    assert status == 2
    assert said.startswith("tallystick: standard input:3: malformed: ")
    assert "what stood before it was sent" in said
    assert await _stored(bus) == LINES[:2]
    status, _, said = await _run(server, tmp_path, "-", stdin=gzip.compress(NDJSON))
    assert (status, said) == (0, "")


async def test_force_sends_a_row_that_is_no_event_with_what_is_wrong(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    (tmp_path / "stock.csv").write_text("Nr;Menge\n1;2,5\n2;zehn\n3;1\n")
    (tmp_path / "stock.toml").write_text(CSV_MAP)
    status, _, said = await _run(server, tmp_path, "stock.csv", "--map", "stock.toml")
    assert status == 2
    assert "1 of 3 events would be refused, so nothing was sent" in said
    assert await _stored(bus) == []
    status, _, said = await _run(server, tmp_path, "stock.csv", "--map", "stock.toml", "--force")
    assert (status, said) == (0, "tallystick: 1 line sent that the daemon refuses as malformed\n")
    first, broken, last = map(json.loads, await _stored(bus))
    assert (first["id"], last["id"]) == ("1", "3")
    assert broken["row"] == {"Nr": "2", "Menge": "zehn"}
    assert broken["no_event"].startswith("column Menge: 'zehn': is no number")


async def test_nothing_from_standard_input_is_no_success(tmp_path: Path, server: EmbeddedServer) -> None:
    status, shown, said = await _run(server, tmp_path, "-", stdin=b"")
    assert (status, shown) == (2, "")
    assert said == "tallystick: standard input: holds no events; see whether its export ran, or leave it out\n"
