"""The demo: its workloads say what they must come to, its proof can fail, and the whole of it holds when killed."""

import io
import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from tallystick.demo.faults import open_faults, order_of, print_faults, with_faults
from tallystick.demo.journey import CASE_UNITS, ENGINE_CONFIG, journey
from tallystick.demo.order import TOLD_TWICE, print_order, told
from tallystick.demo.order import check as order_check
from tallystick.demo.peak import CANONICAL, ORDERS, Shape, peak
from tallystick.demo.proof import SCALE, Check, ledger_frame, positions_different, prove
from tallystick.demo.run import Options, run_demo
from tallystick.demo.workload import Workload
from tallystick.errors import OperationError
from tallystick.files.replay import replay

pytestmark = pytest.mark.slow


def _checks(workload: Workload, *, reference: bool = True) -> list[Check]:
    """Replays the workload without a bus and holds the ledger against its expectation."""
    replayed = replay([workload.path], config=workload.engine_config, reference=reference)
    assert replayed.difference is None
    assert replayed.events == workload.events
    return prove(workload, ledger_frame(replayed.engine), replayed.engine.outcome_totals())


def _sales(folder: Path) -> Path:
    """A few sales in the form of the real data: one position without any unit, one sold twice, one of many units."""
    path = folder / "transactions.parquet"
    rows = [(1, 10, 7, 3), (1, 11, 7, 0), (2, 10, 7, 9), (3, 10, 8, 12), (4, 12, 8, 0), (4, 13, 8, 25)]
    pl.DataFrame(
        {
            "transaction_timestamp": [f"2017-01-0{1 + index} 11:53:26" for index in range(len(rows))],
            "basket_id": [row[0] for row in rows],
            "product_id": [row[1] for row in rows],
            "store_id": [row[2] for row in rows],
            "quantity": [row[3] for row in rows],
            "week": [1] * len(rows),
        }
    ).with_columns(pl.col("transaction_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S")).write_parquet(path)
    return path


def test_journey_makes_events_of_sales(tmp_path: Path) -> None:
    workload = journey(_sales(tmp_path), tmp_path, seed=1, small=False)
    assert (workload.accepted, workload.refused) == (3 + 4, {"quantity_invalid": 2})
    expected = dict(
        zip(*workload.expected.select(pl.concat_str("sku", "location", separator="@"), "on_hand"), strict=True)
    )
    assert expected == {"10@7": 0, "11@7": None, "10@8": 0, "12@8": None, "13@8": 3 * CASE_UNITS - 25}
    assert (
        b'"id":"4:13","source":"store-8","type":"stock.sold","time":"2017-01-06T11:53:26Z"'
        in workload.path.read_bytes()
    )
    assert all(check.holds for check in _checks(workload))


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    files = [peak(tmp_path, events=2_000, seed=seed).path.read_bytes() for seed in (5, 5, 6)]
    assert files[0] == files[1] != files[2]


SHAPES = (CANONICAL, ORDERS, Shape(counts=False, documents="none"))


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.documents for shape in SHAPES])
def test_peak_comes_to_what_its_group_by_says(tmp_path: Path, shape: Shape) -> None:
    workload = peak(tmp_path, events=20_000, seed=3, shape=shape)
    assert workload.duplicates > 500
    assert sum(workload.refused.values()) > 0
    # The reference computes all lines of a SKU anew with every event, so it is shown the first few only.
    assert [check for check in _checks(workload, reference=False) if not check.holds] == []
    assert [check for check in _checks(peak(tmp_path, events=800, seed=3, shape=shape)) if not check.holds] == []


def test_the_steps_of_an_order_name_one_line(tmp_path: Path) -> None:
    lines = peak(tmp_path, events=20_000, seed=3, shape=ORDERS).path.read_text().splitlines()
    steps: dict[tuple[str, int], Counter[str]] = {}
    for event in (json.loads(line) for line in lines if '"document"' in line):
        steps.setdefault((event["document"], event["line"]), Counter())[event["type"]] += 1
    lives = Counter(tuple(sorted(kinds)) for kinds in steps.values())
    assert lives["stock.allocated", "stock.picked", "stock.reserved", "stock.shipped"] > 500
    assert lives["stock.reserved", "stock.unreserved"] > 500
    assert {document.partition("-")[0] for document, _ in steps} == {"SO", "PO", "TO", "TI", "RMA"}
    assert not any("stock.counted" in line or "stock.adjusted" in line for line in lines if '"document"' in line)


@pytest.mark.parametrize(
    ("ledger", "different"),
    [
        ({"A": 1_000, "C": 0}, 0),
        ({"A": 1_001, "C": 0}, 1),
        ({"C": 0}, 1),
        ({"A": 1_000, "B": 0, "C": 0}, 1),
        ({"A": 1_000, "C": 0, "D": 0}, 1),
        ({}, 2),
    ],
    ids=["equal", "another balance", "missing", "must not be there", "unheard of", "empty"],
)
def test_the_proof_finds_each_kind_of_difference(ledger: dict[str, int], different: int) -> None:
    expected = pl.DataFrame({"sku": ["A", "B", "C"], "location": ["X"] * 3, "on_hand": [1, None, 0]})
    schema = {"sku": pl.String, "location": pl.String, "on_hand": pl.Int64}
    found = pl.DataFrame(
        {"sku": list(ledger), "location": ["X"] * len(ledger), "on_hand": list(ledger.values())}, schema=schema
    )
    assert positions_different(found, expected).height == different


def test_the_proof_finds_outcomes_that_must_not_be(tmp_path: Path) -> None:
    workload = peak(tmp_path, events=1_000, seed=1)
    outcomes = {"applied": workload.accepted - 1, "duplicate": workload.duplicates, "overflow": 1, **workload.refused}
    wrong = [check.what for check in prove(workload, _as_ledger(workload.expected), outcomes) if not check.holds]
    assert wrong == ["events applied, or absorbed by a count", "refused as overflow"]


def _as_ledger(expected: pl.DataFrame) -> pl.DataFrame:
    return expected.with_columns(pl.exclude("sku", "location") * 1_000)


def test_the_whole_demo_holds_when_the_daemon_is_killed(tmp_path: Path) -> None:
    options = Options(tmp_path / "demo", small=True, kills=20, seed=7)
    outcome = run_demo(options, Console(quiet=True))
    assert [check for check in outcome.checks if not check.holds] == []
    assert outcome.picture is not None
    assert outcome.picture.read_bytes().startswith(b"\x89PNG")


def test_faults_have_known_effects(tmp_path: Path) -> None:
    plain = journey(_sales(tmp_path), tmp_path, seed=1, small=False)
    workload = with_faults(plain, seed=1)
    assert workload.expected.height == plain.expected.height + 7
    assert workload.duplicates == plain.duplicates + 1 + TOLD_TWICE
    assert len(workload.path.read_bytes().splitlines()) == workload.events
    replayed = replay([workload.path], config=workload.engine_config)
    checks = prove(workload, ledger_frame(replayed.engine), replayed.engine.outcome_totals())
    assert [check for check in checks if not check.holds] == []
    codes = Counter(item.code for item in open_faults(replayed.engine))
    # The gap was closed by the late event, the receipt was taken back: neither waits for anybody.
    assert codes == {"late": 1, "unknown_type": 1, "quantity_invalid": 2, "pending_approval": 1}
    shown = Console(record=True, quiet=True, width=200)
    print_faults(shown, replayed.engine, tmp_path / "tallystick.toml")
    assert order_check(replayed.engine, order_of(1), workload.engine_config).holds


@pytest.mark.parametrize("seed", range(20))
def test_the_order_claims_its_units_once_in_whatever_order_it_is_told(seed: int) -> None:
    order = order_of(seed)
    received, ordered = order.events[0]["quantity"], order.events[1]["quantity"]
    assert order.on_hand == received - ordered
    assert list(order.coming) != sorted(order.coming)
    assert Counter(Counter(order.coming).values()) == {1: len(order.events) - TOLD_TWICE, 2: TOLD_TWICE}
    coming = [order.events[number] for number in order.coming]
    ends = []
    for events in (order.events, coming):
        found = told(events, order, ENGINE_CONFIG)
        # From the first word about the order on, its units are promised to nobody else, and once.
        assert {figures["on_hand_atp"] for _, figures in found} <= {received * SCALE, order.on_hand * SCALE}
        assert found[-1][1]["on_hand_atp"] == order.on_hand * SCALE
        assert {outcome for outcome, _ in found} <= {"applied", "absorbed", "duplicate", "held"}
        ends.append(found[-1][1])
    assert ends[0] == ends[1]


def test_the_figures_of_the_order_are_shown_as_they_came() -> None:
    shown = Console(file=io.StringIO(), record=True, width=200)
    print_order(shown, order_of(1), ENGINE_CONFIG)
    text = shown.export_text()
    assert text.count("\n") > len(order_of(1).coming)
    assert "stock.shipped" in text
    assert "all of it once and in order" in text


def test_the_demo_with_faults_is_proven_too(tmp_path: Path) -> None:
    options = Options(tmp_path / "demo", workload="peak", small=True, faults=True)
    outcome = run_demo(options, Console(quiet=True))
    assert [check for check in outcome.checks if not check.holds] == []


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OperationError, match="is not empty and not from an earlier demo"):
        run_demo(Options(tmp_path), Console(quiet=True))
    assert (tmp_path / "thesis.txt").exists()
