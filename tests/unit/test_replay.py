"""Replay: the outputs of the contract, byte by byte, on small files."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tallystick.errors import UsageError
from tallystick.files.replay import replay, total_bytes


def _event(number: int, kind: str, quantity: object, **more: object) -> dict[str, Any]:
    event = {"id": f"e{number}", "source": "wms", "type": f"stock.{kind}", "sku": "A", "location": "DC1"}
    return event | {"time": f"2026-01-05T08:00:{number:02}Z", "quantity": quantity} | more


def _write(path: Path, *events: dict[str, Any] | bytes) -> Path:
    lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_balances_and_outcomes(tmp_path: Path) -> None:
    first = _write(
        tmp_path / "first.ndjson",
        _event(1, "received", "10.5"),
        b"",
        _event(2, "reserved", 2, lot="L1", sku="B"),
        b"no event",
        _event(1, "received", 10.5),
    )
    second = _write(
        tmp_path / "second.ndjson", _event(3, "sold", 0), b'{"id":', _event(4, "sold", 1.25, owner="O", sku="B")
    )
    balances, outcomes = tmp_path / "balances.ndjson", tmp_path / "outcomes.ndjson"
    replayed = replay([first, second], balances=balances, outcomes=outcomes)
    assert _lines(outcomes) == [
        {"n": 1, "source": "wms", "id": "e1", "outcome": "applied"},
        {"n": 2, "source": "wms", "id": "e2", "outcome": "applied"},
        {"n": 3, "source": None, "id": None, "outcome": "malformed"},
        {"n": 4, "source": "wms", "id": "e1", "outcome": "duplicate"},
        {"n": 5, "source": "wms", "id": "e3", "outcome": "quantity_invalid"},
        {"n": 6, "source": None, "id": None, "outcome": "malformed"},
        {"n": 7, "source": "wms", "id": "e4", "outcome": "applied"},
    ]
    zero = dict.fromkeys(("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged"), 0)
    assert _lines(balances) == [
        {"sku": "A", "location": "DC1", **zero, "on_hand": 10.5, "on_hand_atp": 10.5, "atp": 10.5},
        {"sku": "B", "location": "DC1", "owner": "O", **zero, "on_hand": -1.25, "on_hand_atp": -1.25, "atp": -1.25},
        {"sku": "B", "location": "DC1", "lot": "L1", **zero, "reserved": 2, "on_hand_atp": -2, "atp": -2},
    ]
    assert replayed.as_dict() == {
        "events": 7,
        "outcomes": {"applied": 3, "duplicate": 1, "malformed": 2, "quantity_invalid": 1},
        "positions": 3,
        "state_hash": replayed.engine.state_hash(),
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "balances.ndjson",
        "first.ndjson",
        "outcomes.ndjson",
        "second.ndjson",
    ]


def test_the_work_list_is_written_at_the_end(tmp_path: Path) -> None:
    lines = [_event(number, "nothing", 1) for number in range(1, 41)]
    path = _write(tmp_path / "events.ndjson", *lines, _event(41, "received", "0.10"), _event(41, "received", 7))
    replay([path], exceptions=tmp_path / "work.ndjson")
    found = _lines(tmp_path / "work.ndjson")
    assert [item["number"] for item in found] == list(range(1, 42))
    assert [item["code"] for item in found] == ["unknown_type"] * 40 + ["conflict"]
    assert found[40]["fields"] == ["quantity"]
    assert json.loads(found[0]["event"]) == lines[0]


def test_any_order_with_any_duplicates_gives_one_state(tmp_path: Path, rng: random.Random) -> None:
    kinds = ["received", "sold", "counted", "reserved", "picked"]
    events = [
        _event(number % 60, rng.choice(kinds), rng.randint(1, 9), id=str(number), sku=rng.choice("ABC"))
        for number in range(60)
    ]
    hashes = set()
    for order in range(50):
        shuffled = rng.sample(events, len(events)) + rng.choices(events, k=20)
        rng.shuffle(shuffled)
        replayed = replay([_write(tmp_path / f"{order}.ndjson", *shuffled)], reference=True)
        assert replayed.difference is None
        hashes.add(replayed.engine.state_hash())
    assert len(hashes) == 1


def test_one_long_line_harms_no_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "long.ndjson"
    with path.open("wb") as file:
        file.write(json.dumps(_event(1, "received", 1)).encode() + b'\n{"id":"')
        for _ in range(30):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + json.dumps(_event(2, "received", 1)).encode())
    replayed = replay([path], reference=True)
    assert replayed.as_dict()["outcomes"] == {"applied": 2, "too_large": 1}
    assert replayed.difference is None


def test_arrow_files_and_streams_beside_lines(tmp_path: Path) -> None:
    events = [_event(number, "received", number) for number in range(1, 7)]
    lines = replay([_write(tmp_path / "all.ndjson", *events)], outcomes=tmp_path / "expected")
    first = _write(tmp_path / "first.ndjson", *events[:2])
    stream, file = tmp_path / "stream.arrow", tmp_path / "file.arrow"
    pl.DataFrame(events[2:4]).write_ipc_stream(stream)
    pl.DataFrame(events[4:]).write_ipc(file)
    seen: list[tuple[int, int]] = []
    mixed = replay([first, stream, file], outcomes=tmp_path / "found", on_progress=lambda *at: seen.append(at))
    assert mixed.as_dict() == lines.as_dict()
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()
    assert seen[-1] == (total_bytes([first, stream, file]), 6)
    with pytest.raises(UsageError, match=r"file\.arrow: holds columns, which the reference does not read"):
        replay([file], reference=True)
    stream.write_bytes(stream.read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"stream\.arrow: columns: the Arrow stream ends within a message"):
        replay([stream])


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    balances = tmp_path / "balances.ndjson"
    replayed = replay([_write(tmp_path / "empty.ndjson")], balances=balances)
    assert (replayed.events, replayed.as_dict()["outcomes"]) == (0, {})
    assert balances.read_bytes() == b""


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.ndjson", *(_event(number, "received", 1) for number in range(9)))
    seen: list[tuple[int, int]] = []
    replay([path, path], on_progress=lambda bytes_read, events: seen.append((bytes_read, events)))
    assert seen[-1] == (total_bytes([path, path]), 18)
    assert total_bytes([path, "-"]) is None


@pytest.mark.parametrize(
    ("names", "outputs", "message"),
    [
        (["missing.ndjson"], {}, "missing.ndjson: No such file"),
        (["."], {}, "Is a directory"),
        (["good.ndjson"], {"balances": "nowhere/out"}, "nowhere does not exist; create it"),
        (["good.ndjson"], {"outcomes": "."}, "is a folder; name a file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, names: list[str], outputs: dict[str, str], message: str) -> None:
    _write(tmp_path / "good.ndjson", _event(1, "received", 1))
    paths = {name: tmp_path / output for name, output in outputs.items()}
    with pytest.raises(UsageError, match=message):
        replay([tmp_path / name for name in names], **paths)  # type: ignore[arg-type]


def test_an_interrupted_replay_leaves_no_output(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.ndjson", _event(1, "received", 1))

    def interrupt(_bytes: int, _events: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay([path], outcomes=tmp_path / "outcomes.ndjson", on_progress=interrupt)
    assert [found.name for found in tmp_path.iterdir()] == ["events.ndjson"]


@pytest.mark.slow
def test_outcomes_are_final_and_in_order_although_events_were_held(tmp_path: Path) -> None:
    rng = random.Random(7)
    numbers = list(range(1, 30_001))
    # No event comes more than a few thousand places late, so some wait over several blocks.
    numbers.sort(key=lambda number: number + rng.randrange(3_000))
    lost = set(rng.sample(range(100, 29_000), 5))
    lines = [
        json.dumps({"id": str(n), "source": "wms", "type": "stock.received", "sku": f"S{n % 7}", "location": "L"})[:-1]
        + f', "quantity": 1, "sequence": {n}, "note": "{"x" * 60}"}}'
        for n in numbers
        if n not in lost
    ]
    events, outcomes = tmp_path / "events.ndjson", tmp_path / "outcomes.ndjson"
    events.write_text("\n".join(lines))
    config = '[sources.wms]\norder = "source"\nheld_max = 100000\n'
    replayed = replay([events], config=config, outcomes=outcomes, reference=False)
    found = [json.loads(line) for line in outcomes.read_text().splitlines()]
    assert [row["n"] for row in found] == list(range(1, len(lines) + 1))
    assert [row["id"] for row in found] == [str(n) for n in numbers if n not in lost]
    assert {row["outcome"] for row in found} == {"applied"}
    assert replayed.engine.outcome_totals() == {"applied": len(lines)}
