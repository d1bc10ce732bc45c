"""Replenishment: the example of `docs/replenish.md` as the engine and its twin tell it, and how signals are shown."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from tallystick import OUTCOMES, Engine, Reference
from tallystick.bus.questions import REPLENISH
from tallystick.cli import replenish, tables
from tallystick.daemon.answers import answer
from tests.unit.test_order_to_cash import message
from tests.unit.test_scenarios import nanoseconds

PAGE: Final = (Path(__file__).parents[2] / "docs" / "replenish.md").read_text()
RULE: Final = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]
SAMPLE: Final = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0])
ROWS: Final = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d\d-\d\d \d\d:\d\d \|", line)
]
NOW_NS: Final = 1_772_352_000_000_000_000


def told(engine: Engine) -> list[dict[str, Any]]:
    """The signals that went out since they were asked for last."""
    entries = [entry for _, batch in engine.flush("S").exceptions for entry in json.loads(batch)]
    return [entry for entry in entries if entry["type"] == SAMPLE["type"]]


def test_the_example_is_what_happens() -> None:
    assert len(ROWS) == 8
    engine, reference = Engine(RULE), Reference(RULE)
    for sequence, (time, source, text, available, demand, point, target, signal) in enumerate(ROWS, 1):
        instant = f"2026-{time.replace(' ', 'T')}:00Z"
        sent = json.dumps({"id": str(sequence), "source": source, "time": instant} | message(text)).encode()
        batch = engine.apply([sent], sequence, nanoseconds(instant))
        assert batch.outcomes.tolist() == [OUTCOMES["applied"]], text
        reference.apply([sent], sequence, nanoseconds(instant))
        due = f"2026-03-{int(time[3:5]) + 3:02}"
        question = {"sku": "LAMP", "location": "DC1", "due": due, "mode": "look_ahead"}
        assert json.loads(engine.promise_json(json.dumps(question).encode()))["answers"][0]["available"] == int(
            available
        )
        # Of no signal there is no figure to compare: the page's own arithmetic has to hold.
        assert (int(point) * 10, int(target) * 10) == (int(demand) * 5, int(demand) * 20)
        stands = engine.replenishment()
        assert stands == reference.replenishment()
        state, _, quantity = signal.partition(": ")
        assert [found["quantity"] for found in stands] == ([int(quantity)] if state == "open" else [])
        for entry in told(engine):
            data = entry["data"]
            assert (data["state"], data["quantity"]) == (state, int(quantity))
            figures = [data["available"], data["recent_demand"]["quantity"], data["reorder_point"], data["target"]]
            assert figures == [int(available), int(demand), int(point), int(target)]
            if state == "open":
                assert entry | {"id": "…", "source": "/tallystick/…"} == SAMPLE
                assert stands == [data]
    assert [row[-1].partition(":")[0] for row in ROWS if row[-1]] == ["open", "open", "closed"]


def received(sku: str, location: str, owner: str = "") -> bytes:
    event = {"id": f"{sku}{location}{owner}", "source": "wms", "type": "stock.received", "quantity": 2.5}
    return json.dumps(event | {"sku": sku, "location": location} | ({"owner": owner} if owner else {})).encode()


def ask(engine: Engine, members: dict[str, Any], bytes_max: int = 1 << 20) -> Any:
    found = answer(engine, REPLENISH, members, bytes_max)
    assert len(found) <= bytes_max
    return json.loads(found)


def test_an_answer_has_what_was_asked_for_and_fits_into_a_message() -> None:
    engine = Engine("[[replenish]]\npoint = 10\ntarget = 40\n")
    engine.apply([received("B", "L"), *(received(f"A{n:03}", "L") for n in range(200)), received("B", "K")], 1, NOW_NS)
    engine.apply([received("B", "M", "guest")], 203, NOW_NS)
    whole = ask(engine, {"limit": 1_000})
    assert (whole["sequence"], whole["total"], len(whole["signals"])) == (203, 202, 202)
    assert whole["signals"] == engine.replenishment()
    found = ask(engine, {"sku": "B"})
    assert [(signal["location"], signal["quantity"]) for signal in found["signals"]] == [("K", 37.5), ("L", 37.5)]
    assert ask(engine, {"sku": "B", "location": "M"}) == {"sequence": 203, "total": 0, "signals": []}
    for limit in (1, 3, 201, 202):
        assert ask(engine, {"limit": limit}) == whole | {"signals": whole["signals"][:limit]}, "the first by name"
    cut = ask(engine, {"limit": 1_000}, 10_000)
    assert cut["total"] == 202
    assert 20 < len(cut["signals"]) < 60


def test_signals_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    other = SAMPLE["data"] | {"sku": "[red]", "quantity": 1_250.5, "log_time": "2026-03-07T09:00:00.123456789Z"}
    tables.show(replenish.table([SAMPLE["data"], other]))
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert ["SKU", "location", "missing", "available", "point", "target", "since"] in rows
    assert ["LAMP", "DC1", "94", "26", "30", "120", "2026-03-07T09:00:00Z"] in rows
    assert ["[red]", "DC1", "1,250.5", "26", "30", "120", "2026-03-07T09:00:00Z"] in rows
    assert all(len(line) <= 80 for line in shown.splitlines())
