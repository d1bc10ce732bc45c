"""Reads the tables of `tests/scenarios`, which Rust reads too. The format stands in the README there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

SCENARIOS: Final = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario with the defaults of its file."""

    place: str
    defaults: dict[str, Any]
    log_time: str
    config: str
    steps: list[dict[str, Any]]
    balances: list[dict[str, Any]]
    books: dict[str, Decimal] | None
    open: list[str] | None
    has_twin: bool
    """Whether the reference knows of what it is about."""


def load(path: Path) -> Any:
    """A table with its numbers as they are written."""
    return json.loads(path.read_bytes(), parse_float=Decimal)


def scenarios() -> Iterator[Scenario]:
    """All scenarios of all files."""
    for path in sorted(SCENARIOS.glob("*.json")):
        table = load(path)
        for row in table["scenarios"]:
            yield Scenario(
                place=f"{path.stem}: {row['name']}",
                defaults=table["defaults"],
                log_time=table["log_time"],
                config=row.get("config", ""),
                steps=row["steps"],
                balances=row["balances"],
                books=row.get("books"),
                open=row.get("open"),
                has_twin=row.get("only") != "engine",
            )


def text_bytes(text: str | list[Any] | dict[str, Any]) -> bytes:
    """The bytes that a table means by a text, or by a list of parts."""
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, list):
        return b"".join(text_bytes(part) for part in text)
    if "hex" in text:
        return bytes.fromhex(text["hex"])
    repeated: str = text["repeat"]
    return repeated.encode() * int(text["times"])


def messages(scenario: Scenario, step: dict[str, Any], number: int) -> list[bytes]:
    """The messages of a step, numbered from 1."""
    if "text" in step:
        return [text_bytes(step["text"])]
    fields = {"id": str(number)} | scenario.defaults | step["event"]
    members = {name: json.dumps(value, ensure_ascii=False, default=float) for name, value in fields.items()}
    members |= step.get("json", {})
    kept = (f'"{name}":{text}' for name, text in members.items() if name not in step.get("without", []))
    template = "{" + ",".join(kept) + "}"
    repeat = step.get("repeat")
    if repeat is None:
        return [template.encode()]
    return [template.replace("{n}", str(n).zfill(len(str(repeat)))).encode() for n in range(1, repeat + 1)]
