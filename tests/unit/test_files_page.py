"""The worked examples of docs/files.md, run as they stand there."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.app import execute
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "files.md").read_text()


def _section(heading: str, language: str) -> str:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


def _balances(name: str, *arguments: str) -> dict[str, Any]:
    assert execute(["check", name, *arguments]) == 0
    assert execute(["publish", name, "--dry-run", *arguments]) == 0
    assert execute(["replay", name, "--balances", "out.ndjson", *arguments]) == 0
    rows = [json.loads(line, parse_float=Decimal) for line in Path("out.ndjson").read_text().splitlines()]
    return {row["sku"]: row["on_hand"] for row in rows}


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("A WMS export: semicolons, decimal comma, local times", {"0815": 1247, "0816": 11}),
        ("A movement list of an ERP: signed quantities", {"LAMP": 40, "BULB": -2}),
    ],
)
def test_examples_of_csv(
    heading: str, expected: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("export.csv").write_text(_section(heading, "csv"))
    Path("map.toml").write_text(_section(heading, "toml"))
    assert _balances("export.csv", "--map", "map.toml") == expected


def test_example_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(_section("Parquet, from polars or pyarrow", "python"), {})  # noqa: S102 (the page's own example)
    assert _balances("sales.parquet") == {"0815": -2, "0816": -1}


def test_the_map_that_explains_all_keys_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, table = tmp_path / "m.toml", tmp_path / "t.csv"
    sheet.write_text(_section("The map", "toml"))
    table.write_bytes(b"Report\nMarch\nOrder;Line;Kind;Item;Site;Qty;Day;Hour\n7;1;GI;LAMP;;-1500;01.03.2026;10:00\n")
    assert execute(["check", str(table), "--map", str(sheet)]) == 0
    assert "1  stock.sold  erp" in capsys.readouterr().out
