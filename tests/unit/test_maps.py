"""Maps of tables: what a row becomes, exactly; and every row and every map that does not fit is named, with a cure."""

import io
import json
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from tallystick.cli.app import execute
from tallystick.files.cells import Number
from tallystick.files.events import fields, opened
from tallystick.files.mapping import load_mapping
from tallystick.files.messages import MessageReader
from tests.unit.test_files import CSV, CSV_MAP, TABLE


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _file(data: bytes, name: str) -> str:
    Path(name).write_bytes(data)
    return name


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
    "number": ("3;2.5", "column Menge: '2.5': is no number with \",\" before its fraction; see decimal and thousands"),
    "letters": ("3;viel", "column Menge: 'viel': is no number"),
    "too many values": ("3;2,5;x", "has 3 values, the header has 2 columns; look for the delimiter"),
    "too few": ("3", "has 1 values, the header has 2 columns"),
}


@pytest.mark.parametrize(("row", "words"), ROWS.values(), ids=ROWS)
def test_a_row_that_does_not_fit_is_named(row: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(f"Nr;Menge\n1;2,5\n2;2,5\n{row}\n".encode(), "stock.csv")
    sheet = _file(CSV_MAP.encode(), "stock.toml")
    assert execute(["check", name, "--map", sheet]) == 1
    assert f"stock.csv:4: malformed: {words}" in capsys.readouterr().out
    assert execute(["publish", name, "--map", sheet]) == 2
    assert f"stock.csv:4: malformed: {words.split(';', maxsplit=1)[0]}" in capsys.readouterr().err


def test_a_quote_that_is_not_closed_ends_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(b'Nr;Menge\n1;2,5\n2;2,5\n3;"2,5\n', "stock.csv")
    for command in ("check", "replay", "publish"):
        assert execute([command, name, "--map", _file(CSV_MAP.encode(), "stock.toml")]) == 2
        assert "stock.csv:4: unexpected end of data" in capsys.readouterr().err


CODES = """
[file]
decimal = ","
[fields]
id = "{n}"
source = "wms"
type = { from = "{art}", values = { WE = "stock.received", INFO = false } }
sku = "{sku}"
location = "L"
quantity = { from = "{q}", thousands = "." }
"""


def test_every_row_that_is_no_event_is_named_in_one_pass(capsys: pytest.CaptureFixture[str]) -> None:
    rows = "n;art;sku;q\n1;WE;A;\n2;WE;B;zehn\n3;INFO;C;-5\n4;WE;D;elf\n5;XX;E;1\n6;WE;F;5\n"
    name, sheet = _file(rows.encode(), "b.csv"), _file(CODES.encode(), "m m.toml")
    assert execute(["check", name, "--map", sheet, "--json"]) == 1
    *problems, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(problem["line"], problem["outcome"], problem["source"]) for problem in problems] == [
        (2, "malformed", "wms"),
        (3, "malformed", "wms"),
        (5, "malformed", "wms"),
        (6, "malformed", "wms"),
    ]
    assert problems[2]["cause"] == "column q: 'elf': is no number with \",\" before its fraction"
    assert problems[3]["cause"] == "column art: 'XX': [fields.type.values] does not have it"
    assert problems[3]["cure"] == "add it, or a default"
    assert (summary["events"], summary["fit"], summary["refused"]) == (5, 1, {"malformed": 4})
    assert execute(["publish", name, "--map", sheet]) == 2
    said = capsys.readouterr().err
    assert (
        "4 of 5 events would be refused, so nothing was sent; see all: tallystick check b.csv --map 'm m.toml';" in said
    )
    # To a replay they are data, as broken lines are: none is lost on the way, and each stays with its row.
    assert execute(["replay", name, "--map", sheet, "--exceptions", "out.ndjson", "--json"]) == 0
    replayed = capsys.readouterr()
    found = [json.loads(line) for line in Path("out.ndjson").read_text().splitlines()]
    assert (
        "b.csv:2, b.csv:3, b.csv:5, b.csv:6: no event; tallystick check b.csv --map 'm m.toml' says why" in replayed.err
    )
    assert json.loads(replayed.out)["outcomes"] == {"applied": 1, "malformed": 4}
    assert json.loads(found[1]["event"]) == {
        "source": "wms",
        "no_event": "column q: 'zehn': is no number with \",\" before its fraction; see decimal and thousands",
        "row": {"n": "2", "art": "WE", "sku": "B", "q": "zehn"},
    }


def test_with_force_a_row_that_is_no_event_is_sent_and_counted() -> None:
    name = _file(b"n;art;sku;q\n1;WE;A;1\n2;WE;B;zehn\n3;WE;C;2\n", "b.csv")
    reader = MessageReader(
        Path(name), 1 << 20, 9, mapping=load_mapping(Path(_file(CODES.encode(), "m.toml")), fields())
    )
    [message] = reader
    assert (message.events, reader.broken_lines) == (3, 1)
    assert [json.loads(line).get("id") for line in message.payload.splitlines()] == ["1", None, "3"]


def test_all_broken_rows_are_counted_and_fifty_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{number};WE;A;{'x' if number % 2 else 1}\n" for number in range(20_000))
    name = _file(f"n;art;sku;q\n{rows}".encode(), "b.csv")
    assert execute(["check", name, "--map", _file(CODES.encode(), "m.toml")]) == 1
    shown = capsys.readouterr().out
    assert "50 of 10,000 shown; all of them: --json" in shown
    assert "10,000 of 20,000 events would be refused: 10,000 malformed." in shown
    assert shown.startswith("b.csv:3: ")


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
    "no field at all": ("xyz = '{Nr}'", "[fields] xyz: is no field of an event; known are capped, "),
    "typo of a column": ("document = '{Meng}'", 'stock.toml: "Meng" is no column of stock.csv; did you mean "Menge"?'),
    "typo of a key": ("reason = {form = '{Nr}'}", "[fields] reason: form means nothing here"),
    "no from": ("reason = {default = 'x'}", "[fields] reason: `from` is missing"),
    "zone": ("time = {from = '{Nr}', zone = 'Berlin'}", "[fields] time: `zone`: 'Berlin' is no time zone"),
    "factor": ("capped = {from = '{Nr}', factor = 'x'}", "[fields] capped: `factor` is a number"),
    "brace": ("reason = '{Nr'", "[fields] reason: "),
    "thousands": ("capped = {from = '{Nr}', thousands = '1'}", "[fields] capped: `decimal` is"),
    "no year": ("time = {from = '{Nr}', format = '%H:%M'}", '[fields] time: `format`: "%H:%M" has no year; name year'),
    "no year, but a day": ("due = {from = '{Nr}', format = '%d.%m.'}", '[fields] due: `format`: "%d.%m." has no year'),
    "no day": ("time = {from = '{Nr}', format = '%Y-%m %H'}", '[fields] time: `format`: "%Y-%m %H" has no day'),
    "no month": ("time = {from = '{Nr}', format = '%d %Y'}", '[fields] time: `format`: "%d %Y" has no day'),
    "no day of a week": ("time = {from = '{Nr}', format = '%Y %W'}", '[fields] time: `format`: "%Y %W" has no day'),
    "half a day": (
        "time = {from = '{Nr}', format = '%d.%m.%Y %I:%M'}",
        "does not tell morning from evening; %I needs %p",
    ),
    "minutes without hours": ("time = {from = '{Nr}', format = '%d.%m.%Y %M'}", "does not tell morning from evening"),
    "zone by name": ("time = {from = '{Nr}', format = '%Y-%m-%d %H:%M %Z'}", "%Z names a zone that is not looked up"),
    "unknown to strptime": (
        "time = {from = '{Nr}', format = '%Y-%-m-%d'}",
        '`format`: "%Y-%-m-%d" cannot be read back',
    ),
    "column without braces": (
        "sku = 'Nr2'\nlot = 'Charge'",
        'stock.toml: [fields] lot: "Charge" is a column of stock.csv; write "{Charge}"',
    ),
    "no TOML": ("reason = ", "stock.toml: is no TOML"),
}


@pytest.mark.parametrize(("line", "words"), MAPS.values(), ids=MAPS)
def test_a_map_that_is_wrong_is_named(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    map_text = CSV_MAP.replace('sku = "LÄMP"\n', "") if "sku" in line else CSV_MAP
    table = "Nr;Menge;Charge\n1;2,5;\n" if "Charge" in line else CSV
    name, sheet = _file(table.encode(), "stock.csv"), _file(f"{map_text}\n{line}\n".encode(), "stock.toml")
    assert execute(["check", name, "--map", sheet]) == 2
    assert words in capsys.readouterr().err


def test_a_table_with_a_column_for_each_place_names_it_twice() -> None:
    sheet = f"{HEAD}sku = '{{Item}}'\nlocation = 'DC1'\nquantity = '{{DC1}}'\n"
    [event] = _mapped(sheet, b"Item;DC1;DC2\nLAMP;5;7\n")
    assert (event["location"], event["quantity"]) == ("DC1", "5")


@pytest.mark.parametrize("said", ["cp1252", "latin-1", "ascii"])
def test_a_mark_and_another_encoding_contradict_each_other(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = _file(
        f'[file]\ndecimal = ","\nencoding = "{said}"{CSV_MAP.split(chr(34) + "," + chr(34))[1]}'.encode(), "m.toml"
    )
    for data, mark in ((CSV.encode("utf-8-sig"), "UTF-8"), (CSV.encode("utf-16"), "UTF-16")):
        assert execute(["check", _file(data, "stock.csv"), "--map", sheet]) == 2
        words = f'stock.csv begins with the mark of {mark}, and m.toml says encoding = "{said}"; leave encoding away'
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("said", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf_16_le"])
def test_a_mark_says_which_unicode_it_is(said: str) -> None:
    sheet = f"[file]\nencoding = '{said}'\n{HEAD}sku = '{{S}}'\n"
    for encoding in ("utf-8-sig", "utf-16"):
        assert _mapped(sheet, "S\nLÄMP\n".encode(encoding))[0]["sku"] == "LÄMP"


@pytest.mark.parametrize(
    ("column", "kind", "with_map", "without"),
    [
        ("sku", pa.float64(), "is double, and sku is a text", "is double, and sku is a text"),
        ("sku", pa.decimal128(9, 2), "is decimal128(9, 2), and sku is a text", "and sku is a text"),
        ("id", pa.float32(), "is float, and id is a text", "and id is a text"),
        ("line", pa.float64(), "is double, and line is a text", "and line is a text"),
        ("sku", pa.int64(), None, "is int64, and sku is a text: zeros in front are lost"),
        ("id", pa.uint8(), None, "is uint8, and id is a text: zeros in front are lost"),
        ("line", pa.int32(), None, None),
    ],
)
def test_numbers_in_columns_are_no_texts(
    column: str, kind: pa.DataType, with_map: str | None, without: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    table = TABLE.append_column("line", pa.array(["1", "2", "3"]))
    table = table.set_column(
        table.schema.get_field_index(column), column, pa.array([1, 2, 3]).cast(pa.int16()).cast(kind)
    )
    pa.parquet.write_table(table, name := "t.parquet")
    names = "\n".join(f"{name} = '{{{name}}}'" for name in table.column_names)
    for arguments, words in (([], without), (["--map", _file(f"[fields]\n{names}\n".encode(), "m.toml")], with_map)):
        for command in ("check", "replay", "publish"):
            if words is not None:
                assert execute([command, name, *arguments]) == 2
                assert f'tallystick: t.parquet: column "{column}" ' in (said := capsys.readouterr().err)
                assert words in said
        if words is None:
            assert execute(["check", name, *arguments]) == 0


def _mapped(sheet: str, data: bytes, name: str = "t.csv") -> list[dict[str, str]]:
    mapping = load_mapping(Path(_file(sheet.encode(), "m.toml")), fields())
    with opened(_file(data, name), mapping) as file:
        return [json.loads(line) for block in file.blocks() for line in block.data.splitlines()]


def _faults(sheet: str, data: bytes, name: str = "t.csv") -> list[str]:
    mapping = load_mapping(Path(_file(sheet.encode(), "m.toml")), fields())
    with opened(_file(data, name), mapping) as file:
        return [
            f"{file.place(block.place(index))}: {fault}"
            for block in file.blocks()
            for index, fault in block.faults.items()
        ]


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


HEAD = "[fields]\nid = '1'\nsource = 'me'\ntype = 'any'\n"


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
        ("format = '%d.%m.%y %H:%M', zone = 'UTC'", "x", 'is not written as the format "%d.%m.%y %H:%M"'),
        ("format = '%G-W%V-%u %H', zone = 'UTC'", "2026-W09-7 10", "2026-03-01T10:00:00Z"),
        ("format = '%Y/%j %I %p', zone = 'UTC'", "2026/060 10 PM", "2026-03-01T22:00:00Z"),
        ("format = '%Y%m%d%H%M%S%z'", "20260301100000+0100", "2026-03-01T10:00:00+01:00"),
    ],
)
def test_times_are_read_or_named(options: str, value: str, expected: str) -> None:
    comma = ", " if options else ""
    sheet = f"{HEAD}time = {{ from = '{{T}}'{comma}{options} }}\n"
    if expected.startswith("20"):
        assert _mapped(sheet, f"T\n{value}\n".encode())[0]["time"] == expected
        return
    [fault] = _faults(sheet, f"T\n{value}\n".encode())
    assert fault.startswith(f"t.csv:2: column T: {value!r}: ")
    assert expected in fault


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
        "source": "me",
        "type": "any",
        "quantity": "2.5",
        "sku": "LAMP",
        "capped": "0.1",
        "time": "2026-03-01T12:00:00Z",
        "due": "2026-03-01",
    }
    assert (second["id"], second["capped"], "quantity" in second) == ("r2", "5", False)
    naive = f"{HEAD}time = {{ from = '{{n}}', zone = 'Asia/Tokyo' }}\n"
    assert _mapped(naive, stream.getvalue(), "t.parquet")[0]["time"] == "2026-03-01T12:00:00+09:00"
    assert len(found := _faults(f"{HEAD}time = '{{n}}'\n", stream.getvalue(), "t.parquet")) == 2
    assert "t.parquet, row 1: column n: " in found[0]
    assert "is a time without a zone" in found[0]


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ("decimal = ',', thousands = '.'", "1.234.567,25", "1234567.25"),
        ("decimal = ',', thousands = '.'", "-1.234", "-1234"),
        ("decimal = ',', thousands = '.'", "1.234,5-", "-1234.5"),
        ("decimal = ',', thousands = '.'", "1234567,5", "1234567.5"),
        ("thousands = ' '", "12 345", "12345"),
        ("decimal = ',', thousands = '.'", "12.34", None),
        ("decimal = ',', thousands = '.'", "1.5", None),
        ("decimal = ',', thousands = '.'", "1.23.4", None),
        ("decimal = ',', thousands = '.'", ".5", None),
        ("decimal = ',', thousands = '.'", "0.125", None),
        ("decimal = ',', thousands = '.'", "1234.567", None),
        ("decimal = ',', thousands = '.'", "1,234.567", None),
        ("decimal = ',', thousands = '.'", "1.234,567.8", None),
        ("decimal = ',', thousands = '.'", "1.234.", None),
        ("thousands = ','", "1,5", None),
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
        [fault] = _faults(sheet, f"Q\n{value}\n".encode())
        assert fault.startswith("t.csv:2: column Q: ")
    else:
        assert _mapped(sheet, f"Q\n{value}\n".encode())[0]["quantity"] == expected


def test_the_first_line_that_excel_writes_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    sheet = f"{HEAD}sku = '{{S}}'\n"
    text = b"sep=|\r\nS|T;U\r\nLAMP|1;2\r\n"
    assert _mapped(sheet, text) == _mapped(f"[file]\nskip_lines = 1\n{sheet}", text)
    assert _mapped(sheet, text)[0]["sku"] == "LAMP"
    assert execute(["check", _file(text, "t.csv")]) == 2
    assert 't.csv is CSV with the columns "S", "T;U"; say with --map' in capsys.readouterr().err


@pytest.mark.parametrize(("decimal", "thousands"), [(",", "."), (".", ","), (",", " "), (".", "'"), (",", "\u202f")])
def test_numbers_in_groups_come_back_and_others_are_no_numbers(decimal: str, thousands: str) -> None:
    draw = random.Random(11)
    number = Number(decimal, thousands)
    for _ in range(500):
        exact = Decimal(draw.randrange(-(10 ** draw.randrange(1, 13)), 10**12)).scaleb(-draw.randrange(4))
        plain = f"{exact:f}"
        grouped = f"{exact:,f}".translate({ord(","): thousands, ord("."): decimal})
        assert Decimal(number.text(grouped)) == exact == Decimal(number.text(plain.replace(".", decimal)))
        if thousands in grouped:
            # One digit more or less in a group: no longer what anybody writes.
            place = grouped.rindex(thousands)
            head, tail = grouped[: place + 1], grouped[place + 1 :]
            for wrong in (f"{head}0{tail}", head + tail[1:]):
                with pytest.raises(ValueError, match="parts no group of three digits"):
                    number.text(wrong)


def test_a_broken_row_says_whose_it_is_where_that_can_be_read() -> None:
    sheet = "[fields]\nid = '{N}'\ntype = 't'\nquantity = '{Q}'\nsource = { from = '{S}', values = { A = 'wms-a' } }\n"
    mapping = load_mapping(Path(_file(sheet.encode(), "m.toml")), fields())
    with opened(_file(b"N;S;Q\n1;A;x\n2;B;x\n3;A\n", "t.csv"), mapping) as file:
        lines = [json.loads(line) for block in file.blocks() for line in block.data.splitlines()]
    assert [line.get("source") for line in lines] == ["wms-a", None, None]
    assert lines[2]["row"] == {"values": "3;A"}


def test_a_column_that_is_nearly_a_field_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    table = TABLE.append_column("tiem", pa.array(["x"] * 3)).append_column("Colour", pa.array(["x"] * 3))
    pa.parquet.write_table(table, "t.parquet")
    assert execute(["check", "t.parquet"]) == 0
    said = 'tallystick: t.parquet: the column "tiem" is no field and is not read; did you mean time?\n'
    assert capsys.readouterr().err == said


def test_a_cell_of_blanks_is_an_empty_one() -> None:
    sheet = f"{HEAD}quantity = '{{Q}}'\ntime = '{{T}}'\nsku = '{{S}}'\n"
    assert _mapped(sheet, b"Q;T;S\n  ; ;\t\n") == [{"id": "1", "source": "me", "type": "any"}]


def test_rows_that_are_no_events_are_not_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    name = _file(b"Nr;Menge\n1;x\n2;1,5\n", "stock.csv")
    assert execute(["check", name, "--map", _file(CSV_MAP.encode(), "m.toml"), "--show", "2"]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert json.loads(first)["quantity"] == "1.5"
    assert second.startswith("stock.csv:2: ")
