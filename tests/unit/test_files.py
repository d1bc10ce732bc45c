"""Files of events in whatever people have: each is read, or named in one line and nothing of it is taken."""

import gzip
import io
import json
import random
import sys
from collections.abc import Callable
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
from tallystick.files.events import fields, opened
from tallystick.files.json_text import json_blocks
from tallystick.files.mapping import load_mapping
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


@pytest.mark.parametrize("data", [b"", b"\n \r\n", gzip.compress(b""), b"\xef\xbb\xbf", b"[]", b"[ \n ]"])
def test_an_empty_file_has_no_events(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(data)
    assert execute(["check", name]) == 0
    assert execute(["publish", name, "--dry-run"]) == 0
    assert replay([name]).events == 0
    assert "0 events would be sent." in capsys.readouterr().out


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
    assert f"tallystick: events.ndjson:{line}: no event; tallystick check FILE says why" in capsys.readouterr().err


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


def test_csv_through_a_map(capsys: pytest.CaptureFixture[str]) -> None:
    name, sheet = _file(CSV.encode("utf-8-sig"), "stock.csv"), _file(CSV_MAP.encode(), "stock.toml")
    assert execute(["check", name, "--map", sheet]) == 0
    assert execute(["replay", name, "--map", sheet, "--balances", "out.ndjson"]) == 0
    assert json.loads(Path("out.ndjson").read_bytes())["on_hand"] == 7.5
    assert execute(["publish", name, "--map", sheet, "--dry-run", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["would_send"] == 3
    assert answer["types"] == [{"type": "stock.received", "source": "wms", "events": 3}]


ROWS = {
    "number": ("3;2.5", "stock.csv:4: column Menge: '2.5': is no number with \",\" before its fraction"),
    "letters": ("3;viel", "stock.csv:4: column Menge: 'viel': is no number"),
    "too many columns": ("3;2,5;x", "stock.csv:4: has 3 columns, the header has 2"),
    "too few": ("3", "stock.csv:4: has 1 columns, the header has 2"),
    "quote": ('3;"2,5', "stock.csv:4: unexpected end of data"),
}


@pytest.mark.parametrize(("row", "words"), ROWS.values(), ids=ROWS)
def test_a_row_that_does_not_fit_is_named(row: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(f"Nr;Menge\n1;2,5\n2;2,5\n{row}\n".encode(), "stock.csv")
    for command in ("check", "replay", "publish"):
        assert execute([command, name, "--map", _file(CSV_MAP.encode(), "stock.toml")]) == 2
        assert words in capsys.readouterr().err


def test_a_row_that_makes_no_good_event_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(b'Nr;Menge\n"1\n2";1\n2;0\n', "stock.csv")
    assert execute(["check", name, "--map", _file(CSV_MAP.encode(), "stock.toml")]) == 1
    shown = capsys.readouterr().out
    assert "stock.csv:2: " in shown
    assert "`id`: has a control character" in shown
    assert "stock.csv:4: event 2: quantity_invalid" in shown


MAPS = {
    "typo of a field": (
        "quantiti = 'x'",
        "stock.toml: [fields] quantiti: is no field of an event; did you mean quantity?",
    ),
    "typo of a column": ("document = '{Meng}'", 'stock.toml: "Meng" is no column of stock.csv; did you mean "Menge"?'),
    "typo of a key": ("reason = {form = '{Nr}'}", "[fields] reason: form means nothing here"),
    "no from": ("reason = {default = 'x'}", "[fields] reason: `from` is missing"),
    "zone": ("time = {from = '{Nr}', zone = 'Berlin'}", "[fields] time: `zone`: 'Berlin' is no time zone"),
    "factor": ("capped = {from = '{Nr}', factor = 'x'}", "[fields] capped: `factor` is a number"),
    "brace": ("reason = '{Nr'", "[fields] reason: "),
    "no TOML": ("reason = ", "stock.toml: is no TOML"),
}


@pytest.mark.parametrize(("line", "words"), MAPS.values(), ids=MAPS)
def test_a_map_that_is_wrong_is_named(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, sheet = _file(CSV.encode(), "stock.csv"), _file(f"{CSV_MAP}\n{line}\n".encode(), "stock.toml")
    assert execute(["check", name, "--map", sheet]) == 2
    assert words in capsys.readouterr().err


def _mapped(sheet: str, data: bytes, name: str = "t.csv") -> list[dict[str, str]]:
    mapping = load_mapping(Path(_file(sheet.encode(), "m.toml")), fields())
    with opened(_file(data, name), mapping) as file:
        return [json.loads(line) for block in file.blocks() for line in block.data.splitlines()]


def test_all_that_a_map_can_say() -> None:
    sheet = """
    [file]
    delimiter = "|"
    encoding = "cp1252"
    skip_lines = 1
    [fields]
    id = "{Nr}-{Pos}"
    source = "erp"
    type = { from = "{Art}{SH}", values = { "1S" = "stock.received", "2H" = "stock.sold", "9S" = false } }
    sku = "{Art.Nr}"
    location = { from = "{Lager}", default = "DC1" }
    lot = "{Charge}"
    quantity = { from = "{Menge}", decimal = ",", thousands = ".", factor = "0.001", absolute = true }
    time = { from = "{Tag} {Zeit}", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
    """
    text = (
        "Auszug\nNr|Pos|Art|SH|Art.Nr|Lager|Charge|Menge|Tag|Zeit\n"
        "7|1|1|S|0815| |ü|1.500,5|01.03.2026|10:00\n"
        "7|2|9|S|0815|X||1|01.03.2026|10:00\n"
        "7|3|2|H|0815|X||12-|01.07.2026|10:00\n"
    )
    received, sold = _mapped(sheet, text.encode("cp1252"))
    assert received == {
        "id": "7-1",
        "source": "erp",
        "type": "stock.received",
        "sku": "0815",
        "location": "DC1",
        "lot": "ü",
        "quantity": "1.5005",
        "time": "2026-03-01T10:00:00+01:00",
    }
    assert (sold["id"], sold["type"], sold["quantity"]) == ("7-3", "stock.sold", "0.012")
    assert sold["time"] == "2026-07-01T10:00:00+02:00"


HEAD = "[fields]\nid = '1'\nsource = 's'\ntype = 't'\n"


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ("zone = 'Europe/Berlin'", "2026-10-25 01:30:00", "2026-10-25T01:30:00+02:00"),
        ("zone = 'Europe/Berlin'", "2026-10-25 02:30:00", "came twice in Europe/Berlin"),
        ("zone = 'Europe/Berlin', repeated_hour = 'first'", "2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
        ("zone = 'Europe/Berlin', repeated_hour = 'second'", "2026-10-25 02:30", "2026-10-25T02:30:00+01:00"),
        ("zone = 'Europe/Berlin'", "2026-03-29 02:30:00", "skipped when its clocks went forward"),
        ("zone = 'Europe/Berlin'", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("", "2026-03-01 10:00", "is a time without a zone"),
        ("", "2026-03-01", "is a day without a time"),
        ("", "gestern", "is no time as ISO 8601 writes it"),
        ("format = '%d.%m.%y', zone = 'UTC'", "1.3.26", "is a day without a time"),
        ("format = '%d.%m.%y %H:%M', zone = 'UTC'", "1.3.26 10:00", "2026-03-01T10:00:00Z"),
        ("format = '%H:%M', zone = 'UTC'", "x", 'is not written as the format "%H:%M"'),
    ],
)
def test_times_are_read_or_named(options: str, value: str, expected: str) -> None:
    comma = ", " if options else ""
    sheet = f"{HEAD}time = {{ from = '{{T}}'{comma}{options} }}\n"
    if expected.startswith("20"):
        assert _mapped(sheet, f"T\n{value}\n".encode())[0]["time"] == expected
        return
    with pytest.raises(UsageError) as refused:
        _mapped(sheet, f"T\n{value}\n".encode())
    assert str(refused.value).startswith(f"t.csv:2: column T: {value!r}: ")
    assert expected in str(refused.value)


def test_parquet_keeps_its_types() -> None:
    import datetime as dt

    noon = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    columns = {
        "k": pa.array([1, 2], pa.int64()),
        "q": pa.array([Decimal("2.500"), None], pa.decimal128(10, 3)),
        "f": pa.array([0.1, 5.0]),
        "t": pa.array([noon, noon], pa.timestamp("ns", "UTC")),
        "n": pa.array([noon.replace(tzinfo=None)] * 2, pa.timestamp("us")),
        "d": pa.array([noon.date()] * 2),
        "s": pa.array(["LAMP", "LAMP"]).dictionary_encode(),
    }
    stream = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), stream)
    sheet = (
        f"{HEAD.replace(chr(39) + '1' + chr(39), chr(39) + 'r{k}' + chr(39))}quantity = '{{q}}'\nsku = '{{s}}'\n"
        "capped = '{f}'\ntime = '{t}'\ndue = '{d}'\n"
    )
    first, second = _mapped(sheet, stream.getvalue(), "t.parquet")
    assert first == {
        "id": "r1",
        "source": "s",
        "type": "t",
        "quantity": "2.5",
        "sku": "LAMP",
        "capped": "0.1",
        "time": "2026-03-01T12:00:00Z",
        "due": "2026-03-01",
    }
    assert (second["id"], second["capped"], "quantity" in second) == ("r2", "5", False)
    naive = f"{HEAD}time = {{ from = '{{n}}', zone = 'Asia/Tokyo' }}\n"
    assert _mapped(naive, stream.getvalue(), "t.parquet")[0]["time"] == "2026-03-01T12:00:00+09:00"
    with pytest.raises(UsageError, match=r"t\.parquet, row 1: column n: .* is a time without a zone"):
        _mapped(f"{HEAD}time = '{{n}}'\n", stream.getvalue(), "t.parquet")


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ("", "1e3", "1000"),
        ("", "-0.50", "-0.5"),
        ('thousands = "\'"', "1'234.5", "1234.5"),
        ("decimal = ','", "1.5", None),
        ("factor = '-1'", "5", "-5"),
        ("factor = 12", "0.25", "3"),
        ("", "1e999999999", None),
        ("", "9" * 80, None),
        ("", "NaN", None),
        ("", "٣", None),
    ],
)
def test_numbers_are_exact_or_named(options: str, value: str, expected: str | None) -> None:
    comma = ", " if options else ""
    sheet = f"{HEAD}quantity = {{ from = '{{Q}}'{comma}{options} }}\n"
    if expected is None:
        with pytest.raises(UsageError, match=r"t\.csv:2: column Q: "):
            _mapped(sheet, f"Q\n{value}\n".encode())
    else:
        assert _mapped(sheet, f"Q\n{value}\n".encode())[0]["quantity"] == expected


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
