"""Files of events in whatever people have: each is read, or named in one line and nothing of it is taken."""

import gzip
import io
import json
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from tallystick.cli.app import execute
from tallystick.errors import UsageError
from tallystick.files.check import check
from tallystick.files.json_text import json_blocks
from tallystick.files.messages import MessageReader
from tallystick.files.replay import replay

EVENTS = [
    {"id": str(number), "source": "wms", "type": "stock.received", "sku": "LÄMP", "location": "DC1", "quantity": 2.5}
    for number in range(1, 4)
]
LINES = [orjson.dumps(event) for event in EVENTS]
NDJSON = b"\n".join(LINES) + b"\n"
ARRAY = b"[" + b",".join(LINES) + b"]"
PRETTY = b"\n".join(orjson.dumps(event, option=orjson.OPT_INDENT_2) for event in EVENTS)
TABLE = pa.Table.from_pylist([{**event, "quantity": Decimal("2.5")} for event in EVENTS])
CSV = 'Nr;Menge\n1;2,5\n2;2,5\n3;"2,5"\n'
CSV_MAP = """
[file]
decimal = ","
[fields]
id = "{Nr}"
source = "wms"
type = "stock.received"
sku = "LÄMP"
location = "DC1"
quantity = "{Menge}"
"""


def _written(write: Callable[[io.BytesIO], None]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


PARQUET = _written(lambda stream: pa.parquet.write_table(TABLE, stream, row_group_size=2))
FEATHER = _written(lambda stream: pa.feather.write_feather(TABLE, stream))
STREAM = _written(lambda stream: pa.ipc.new_stream(stream, TABLE.schema).write_table(TABLE))

READ = {
    "lines": NDJSON,
    "no line end at the end": NDJSON[:-1],
    "CRLF": NDJSON.replace(b"\n", b"\r\n"),
    "blank lines": b"\n\n" + NDJSON.replace(b"\n", b"\n \t\n"),
    "byte order mark": b"\xef\xbb\xbf" + NDJSON,
    "UTF-16, little end first": NDJSON.decode().encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + NDJSON.decode().encode("utf-16-be"),
    "gzip": gzip.compress(NDJSON),
    "gzip in members": gzip.compress(LINES[0] + b"\n") + gzip.compress(b"\n".join(LINES[1:])),
    "gzip of UTF-16": gzip.compress(NDJSON.decode().encode("utf-16")),
    "zstd": pa.compress(NDJSON, "zstd", asbytes=True),
    "array": ARRAY,
    "array with a byte order mark": b"\xef\xbb\xbf" + ARRAY,
    "array over many lines": orjson.dumps(EVENTS, option=orjson.OPT_INDENT_2),
    "arrays one after the other": b"[" + LINES[0] + b"]\n\n[" + LINES[1] + b",\n" + LINES[2] + b"]",
    "objects over several lines": PRETTY,
    "gzip of an array": gzip.compress(ARRAY),
    "Parquet": PARQUET,
    "Feather": FEATHER,
    "Arrow stream": STREAM,
}
REFUSED = {
    "CSV": (CSV.encode(), '{} is CSV with the columns "Nr", "Menge"; say with --map FILE.toml which column is what'),
    "CSV in gzip": (gzip.compress(CSV.encode()), "is CSV with the columns"),
    "CSV of one column": (b"sku\nLAMP\n", "{} holds no event: no line is a JSON object"),
    "Parquet of others": (
        _written(lambda stream: pa.parquet.write_table(pa.table({"Nr": [1]}), stream)),
        '{} is Parquet with the columns "Nr"; say with --map',
    ),
    "Arrow stream of others, packed": (b"\xff\xff\xff\xff" + bytes(20), "{}"),
    "cut short gzip": (gzip.compress(NDJSON)[:-12], "{}: gzip is damaged or cut short"),
    "damaged gzip": (gzip.compress(NDJSON)[:20] + b"\xff" * 30, "{}: gzip is damaged or cut short"),
    "cut short Parquet": (PARQUET[:-9], "{}: cannot be read as Parquet"),
    "half of UTF-16": (NDJSON.decode().encode("utf-16")[:-1], "{}: UTF-16 is damaged or cut short"),
    "UTF-16 without mark": (NDJSON.decode().encode("utf-16-le"), "{} is UTF-16 without a byte order mark"),
    "UTF-32": (NDJSON.decode().encode("utf-32"), "{} is UTF-32 text; save it as UTF-8"),
    "xlsx": (b"PK\x03\x04" + bytes(60), "{} is a zip archive (xlsx files are one, too)"),
    "PDF": (b"%PDF-1.7\n", "{} is PDF"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "{} is a PNG image"),
    "HTML": (b"\n<!DOCTYPE html><html><body>Sign in</body>", "{} is HTML"),
    "XML": (b'<?xml version="1.0"?><stock/>', "{} is XML"),
    "binary": (random.Random(7).randbytes(4_096).replace(b"{", b"\x00"), "{} is binary"),
    "zeros": (bytes(4_096), "{} is binary"),
    "text": (b"Dear all,\nplease find attached\n", "{} holds no event"),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _file(data: bytes, name: str = "events.bin") -> str:
    Path(name).write_bytes(data)
    return name


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_what_can_be_read_is_read(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(data)
    assert execute(["check", name]) == 0
    assert "All 3 events are good." in capsys.readouterr().out
    replayed = replay([name])
    assert replayed.engine.outcome_totals()["applied"] == 3
    position = replayed.engine.position("LÄMP", "DC1")
    assert position is not None
    assert position.on_hand_thousandths == 7_500
    messages = [message.payload for message in MessageReader(Path(name), 1 << 20)]
    assert [json.loads(message)["id"] for message in messages] == ["1", "2", "3"]
    assert execute(["publish", name, "--dry-run"]) == 0
    assert "3 events would be sent." in capsys.readouterr().out


@pytest.mark.parametrize("command", [["check"], ["replay"], ["publish", "--dry-run"], ["publish"]], ids=" ".join)
@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_named(
    data: bytes, words: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = _file(data)
    # No server runs: whoever asked for one would end with exit status 3.
    assert execute([*command, name]) == 2
    said = capsys.readouterr()
    assert words.format(name) in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize("command", ["check", "replay", "publish"])
def test_a_folder_and_nothing_at_all_are_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    for name, words in (("folder", "folder: Is a directory"), ("nowhere", "nowhere: No such file")):
        assert execute([command, name]) == 2
        assert words in capsys.readouterr().err


EMPTY = [b"", b"\n \r\n", gzip.compress(b""), b"\xef\xbb\xbf", b"[]", b"[ \n ]"]


@pytest.mark.parametrize("command", [["check"], ["replay"], ["publish", "--dry-run"], ["publish"]], ids=" ".join)
@pytest.mark.parametrize("data", EMPTY)
def test_a_file_without_events_does_not_pass_for_a_good_one(
    data: bytes, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = _file(data)
    assert execute([*command, name]) == 2
    said = capsys.readouterr()
    assert said.err == "tallystick: events.bin: holds no events; see whether its export ran, or leave it out\n"
    assert said.out == ""


def test_one_of_several_files_without_events_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    good, empty = _file(NDJSON, "good.ndjson"), _file(b"[]", "empty.json")
    for command in ("check", "replay"):
        assert execute([command, good, empty, "--json"]) == 2
        said = capsys.readouterr()
        assert "tallystick: empty.json: holds no events" in said.err
        assert json.loads(said.out)["events"] == 3
    assert check([empty]).empty == ["empty.json"]
    assert replay([good, empty]).empty == ("empty.json",)
    rows, sheet = _file(b"Nr;Menge\n", "stock.csv"), _file(CSV_MAP.encode(), "stock.toml")
    assert execute(["check", rows, "--map", sheet]) == 2
    assert execute(["publish", good, "--from-line", "4", "--dry-run"]) == 2
    assert "good.ndjson: holds no events from 4 on" in capsys.readouterr().err
    good = _file(NDJSON[:-1], "good.ndjson")
    assert execute(["publish", good, "--from-line", "4", "--dry-run"]) == 2


BROKEN = {
    "broken line": (b"\n".join([LINES[0], b'{"id":', LINES[1]]), 2),
    "first line": (b"\n".join([b'{"id":', *LINES]), 1),
    "no JSON at all": (b"\n".join([b"hello", *LINES]), 1),
    "NUL bytes": (LINES[0] + b"\n" + b"\x00" * 10 + b"\n" + LINES[1], 2),
    "NUL within a text": (LINES[0] + b"\n" + LINES[1].replace(b"DC1", b"D\x00C") + b"\n", 2),
    "huge line": (LINES[0] + b"\n" + b'{"id":"' + b"x" * (9 << 20) + b'"}\n' + LINES[1], 2),
    "a huge line alone": (b'{"id":"' + b"x" * (9 << 20), 1),
    "cut short array": (ARRAY[:-10], 1),
    "array cut short between": (b"[" + LINES[0] + b",\n" + LINES[1] + b"\n", 3),
    "broken in an array": (b"[" + LINES[0] + b',\n{"id":}\n,' + LINES[1] + b"]", 2),
    "a huge element": (b"[\n" + LINES[0] + b',\n{"id":"' + b"x" * (3 << 20) + b'"}\n,' + LINES[1] + b"]", 3),
    "nothing between commas": (b"[" + LINES[0] + b",\n,\n" + LINES[1] + b"]", 2),
    "line end in a text": (b"[\n" + LINES[0].replace(b"DC1", b"DC\n1") + b"]", 2),
}


@pytest.mark.parametrize(("data", "line"), BROKEN.values(), ids=BROKEN)
def test_a_broken_event_is_named_by_its_line(data: bytes, line: int, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(data, "events.ndjson")
    assert execute(["check", name, "--json"]) == 1
    *problems, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert [problem["line"] for problem in problems] == [line]
    assert problems[0]["outcome"] in {"malformed", "too_large"}
    assert problems[0]["by"] == "form"
    assert summary["fit"] == summary["events"] - 1
    assert execute(["publish", name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tallystick: events.ndjson:{line}: ")
    assert "so nothing was sent" in said
    assert "--force" in said
    assert execute(["publish", name, "--dry-run"]) == 2
    assert "Nothing would be sent." in capsys.readouterr().out
    assert execute(["replay", name]) == 0
    assert (
        f"tallystick: events.ndjson:{line}: no event; tallystick check events.ndjson says why"
        in capsys.readouterr().err
    )


def test_check_says_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    unknown, short = LINES[0].replace(b"stock.received", b"goods.in"), LINES[1].replace(b'"DC1"', b'""')
    name = _file(b"\n".join([LINES[2], unknown, short]), "events.ndjson")
    assert execute(["check", name]) == 1
    shown = capsys.readouterr().out
    assert 'events.ndjson:2: event 1: unknown_type: unknown event type "goods.in": it stands in no rule table' in shown
    assert "events.ndjson:3: event 2: malformed: `location`: is empty" in shown
    assert "1  stock.received  wms" in shown
    assert "2 of 3 events would be refused: 1 unknown_type, 1 malformed." in shown
    assert execute(["check", name, "--json"]) == 1
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["by"], first["type"], first["source"], first["id"]) == ("rules", "goods.in", "wms", "1")
    Path("ts.toml").write_text('[types."goods.in"]\nalias = "stock.received"\n')
    assert execute(["check", name, "--config", "ts.toml"]) == 1
    assert "1 of 3 events would be refused: 1 malformed." in capsys.readouterr().out


def test_the_checker_speaks_as_the_daemon_does() -> None:
    from tallystick._engine import Checker, Engine

    broken = [data for data, _ in BROKEN.values() if len(data) < 10_000]
    lines = [line for data in broken for line in data.split(b"\n") if line.strip(b" \t\r")]
    lines += [line.replace(b"2.5", quantity) for line in LINES for quantity in (b"0", b"2.5555", b'"x"')]
    refused = Checker().check(b"\n".join(lines)).refused
    records = Engine().apply(b"\n".join(lines), 1, 0).exceptions
    told = {record.sequence: (record.outcome, record.cause, record.cure) for record in records}
    found = {refusal["line"] + 1: (refusal["outcome"], refusal["cause"], refusal["cure"]) for refusal in refused}
    assert len(found) > 10
    assert found == {sequence: said for sequence, said in told.items() if said[0] in {"malformed", "quantity_invalid"}}


@pytest.mark.parametrize("seed", range(5))
def test_elements_are_found_wherever_a_piece_ends(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    texts = ["", "a", '"', "\\", "]", "}", "[{", "\n", "é", ","]
    values = [{"x": [draw.choice(texts), {"y": draw.choice(texts)}], "n": draw.random()} for _ in range(40)]
    arrays = [values[:10], values[10:25]]
    text = b"\n ".join(json.dumps(value, indent=draw.choice([None, 1])).encode() for value in [*arrays, *values[25:]])
    for size in (1, 2, 7, draw.randrange(8, 200), 1 << 20):
        monkeypatch.setattr("tallystick.files.json_text._PIECE", size)
        blocks = list(json_blocks(io.BytesIO(text)))
        lines = [line for block in blocks for line in block.data.splitlines() if line]
        assert [json.loads(line) for block in blocks for line in block.data.split(b"\n") if line] == values
        assert sum(len(block.places or ()) for block in blocks) == len(values)
        assert lines


def test_memory_stays_bounded_in_a_bomb(capsys: pytest.CaptureFixture[str]) -> None:
    import resource

    bomb = gzip.compress(b"[" + b" " * (300 << 20), compresslevel=1)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert execute(["check", _file(bomb)]) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100 << 10


def test_what_is_packed_too_often_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    data = NDJSON
    for _ in range(4):
        data = gzip.compress(data)
    assert execute(["check", _file(data)]) == 2
    assert "is packed more than 3 times" in capsys.readouterr().err


def test_without_pyarrow_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for kind in ("Parquet", "zstd"):
        assert execute(["check", _file(READ[kind])]) == 2
        assert "pip install 'tallystick[arrow]'" in capsys.readouterr().err


def test_a_cure_of_check_is_about_the_file_or_the_configuration(tmp_path: Path) -> None:
    """Nothing is in the log yet, so no exception has a number."""
    event = {"id": "1", "source": "s", "type": "stock.sold", "sku": "A", "location": "L", "quantity": 1}
    broken = [event | {"quantity": 0}, event | {"type": "none"}, event | {"time": "soon"}, event | {"sku": ""}, {}]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(map(json.dumps, broken)) + "\n{")
    problems = check([path]).first
    assert len(problems) == len(broken) + 1
    assert {problem.cure for problem in problems if "NUMBER" in problem.cure or "exceptions" in problem.cure} == set()


def test_bytes_that_no_text_has_are_no_csv(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x93,\x07;\xf1" * 40)
    with pytest.raises(UsageError, match=r"x\.bin is binary and of no kind that is known"):
        check([path])


def _aged(**age: float) -> dict[str, str]:
    return {"time": (datetime.now(UTC) - timedelta(**age)).isoformat()}


def test_what_would_be_too_old_is_told_before_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    events = [EVENTS[0] | _aged(minutes=1), EVENTS[1] | _aged(days=9), {}, EVENTS[2] | _aged(hours=-1)]
    name = _file(b"\n \n" + b"\n".join(map(orjson.dumps, events)), "events.ndjson")
    report = check([name])
    assert (report.untimely, report.refused.total()) == (2, 1)
    assert "events.ndjson:4: `time` " in report.first_untimely
    assert check([name], from_line=5).first_untimely.startswith("events.ndjson:6: ")
    good = _file(b"\n".join(map(orjson.dumps, events[:2])), "good.ndjson")
    for command in (["check"], ["publish", "--dry-run"]):
        assert execute([*command, good]) == 0
        said = capsys.readouterr().err
        assert "1 of 2 events would be time_out_of_bounds if sent now; good.ndjson:2: `time` " in said
        assert 'say max_age = "none" in [sources."…"], then: tallystick policy apply FILE' in said
        assert execute([*command, good, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["untimely"] == 1
    Path("ts.toml").write_text('[sources.wms]\nmax_age = "none"\n[engine]\nsource_subject = "events.{source}"\n')
    assert execute(["check", good, "--config", "ts.toml"]) == 0
    assert capsys.readouterr().err == ""


def test_thousands_of_old_events_are_counted(tmp_path: Path) -> None:
    lines = [orjson.dumps(EVENTS[0] | _aged(days=9) | {"id": str(number)}) for number in range(20_000)]
    report = check([_file(b"\n".join(lines))])
    assert (report.events, report.untimely) == (20_000, 20_000)
    assert report.first_untimely.startswith("events.bin:1: ")


def test_replay_says_why_most_were_refused(capsys: pytest.CaptureFixture[str]) -> None:
    events = [*(event | {"unit": "EA"} for event in EVENTS[:2]), EVENTS[2] | {"quantity": 0}, EVENTS[2]]
    name = _file(b"\n".join(map(orjson.dumps, events)))
    assert execute(["replay", name]) == 0
    assert (
        '3 events refused, most as unknown_reference (2), the first: the unit "EA" cannot be converted: '
        "the item is not defined at this time; each with its cause and cure: --exceptions OUT\n"
    ) in capsys.readouterr().out
    assert execute(["replay", name, "--exceptions", "out.ndjson"]) == 0
    assert "--exceptions" not in capsys.readouterr().out
    assert execute(["replay", _file(NDJSON)]) == 0
    assert "refused" not in capsys.readouterr().out


def test_standard_output_is_no_file_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--balances", "--outcomes", "--exceptions"):
        assert execute(["replay", _file(NDJSON), option, "-"]) == 2
        assert capsys.readouterr().err == "tallystick: -: standard output has the summary; name a file to write\n"
    assert not Path("-").exists()


def test_check_tells_what_is_allowed_and_seldom_meant(capsys: pytest.CaptureFixture[str]) -> None:
    extra = {"sku": "A ", "tiem": "x", "documnet": "D", "Quantity": 5, "site": "B", "subject": "S", "data": {}}
    name = _file(b"".join(orjson.dumps(event | extra) + b"\n" for event in EVENTS), "events.ndjson")
    assert execute(["check", name]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "tallystick: events.ndjson: 3 of the first 3 events: " + said
        for said in (
            "`sku` has blanks around it, and is another sku than without them",
            '"tiem" is no field and is not read; did you mean time?',
            '"documnet" is no field and is not read; did you mean document?',
        )
    ]
    for sku, is_told in (("4.01235E+12", True), ("1e5", True), ("4,71E+03", True), ("1EX5", False), ("E12", False)):
        told = check([_file(orjson.dumps(EVENTS[0] | {"sku": sku}), "power.ndjson")]).hints
        assert [("power of ten" in hint) for hint in told] == [True] * is_told, sku
    good = EVENTS[0] | {"time": "2026-12-01T10:00:00Z", "tiem": "x"}
    assert check([_file(orjson.dumps(good), "good.ndjson")]).hints == []


def test_check_shows_events_as_they_would_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(b"\n\n" + NDJSON)
    assert execute(["check", name, "--show", "2"]) == 0
    assert capsys.readouterr().out.encode().splitlines()[:3] == [*LINES[:2], b"               3  stock.received  wms"]
    assert execute(["check", name, "--show", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shown"] == [line.decode() for line in LINES]
