"""The client under `mypy --strict`, as users have it: the page's examples pass, answers are known, mistakes told."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KNOWN = """
from decimal import Decimal
from typing import assert_type

import tallystick
from tallystick import records
from tallystick.aio import Client


def threads(client: tallystick.Client) -> None:
    assert_type(client.atp("LAMP")["positions"][0]["atp"], int | Decimal)
    held = client.reserve([{"sku": "LAMP", "group": "north", "quantity": "2.5"}], source="shop", policy="partial")
    assert_type(held, records.Reserved)
    assert_type(client.post("shop", held["id"], 1, keep=True), records.Settled)
    assert_type(client.publish({"id": "1"}, wait=True)[0].outcome, tallystick.Outcome | None)
    assert_type(client.exceptions.list(code="late")[0], tallystick.WorkItem)
    assert_type(client.exceptions.ack(1, 2, reason="asked")[0].holds, bool)
    assert_type(client.status()["ready"], bool)


async def loop() -> None:
    async with Client("nats://a", password_file="b", user="c") as client:
        assert_type(client, Client)
        assert_type(await client.sources(), list[records.SourceReport])
        async for item in client.exceptions.each("all", source="wms"):
            assert_type(item, tallystick.WorkItem)
"""
WRONG = """
import tallystick
from tallystick.aio import Client

client = tallystick.Client()
client.reserve({"sku": "LAMP", "location": "DC1", "quantity": 1.5}, source="shop")
client.reserve({"sku": "LAMP", "location": "DC1"}, source="shop")
client.reserve({"sku": "LAMP", "quantity": 1})
client.post("shop", "r1", 0.5)
client.promise({"sku": "LAMP"}, mode="none")
client.exceptions.list(cod="late")
client.atp("LAMP")["position"]
Client().atp("LAMP")["positions"]
"""


def checked(path: Path, text: str) -> str:
    path.write_text(text)
    environment = {"MYPYPATH": str(ROOT / "python"), "PATH": ""}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(ROOT / ".mypy_cache")]
    command += ["--no-error-summary", "--follow-imports", "silent", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=path.parent)
    assert not done.stderr, done.stderr
    return done.stdout


def test_answers_are_known(tmp_path: Path) -> None:
    assert checked(tmp_path / "known.py", KNOWN) == ""


def test_mistakes_are_told(tmp_path: Path) -> None:
    found = checked(tmp_path / "wrong.py", WRONG)
    lines = {int(number) for number in re.findall(r"wrong\.py:(\d+): error", found)}
    assert lines == set(range(6, 14)), found


def test_the_examples_of_the_page_pass(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    for number, example in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)):
        assert checked(tmp_path / f"example_{number}.py", example) == ""
