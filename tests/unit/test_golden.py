"""What goes out is what went out: digests of all that scenarios and workloads tell, taken once and kept.

Words for people (cause, cure) are left out: they may become better. `python -m tests.unit.test_golden` writes the
digests of what is new. One that is there is changed by hand alone, with a line in the CHANGELOG.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from benches.workloads import SHAPES
from tallystick import Engine
from tallystick.demo.peak import peak
from tallystick.files.replay import replay
from tests.tables import Scenario, scenarios
from tests.unit.test_scenarios import KEY, applied

FOLDER: Final = Path(__file__).parents[1] / "golden"
EVENTS: Final = 20_000
WORDS: Final = {"cause", "cure"}


@cache
def golden(name: str) -> Any:
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def digest(parts: Iterator[bytes]) -> str:
    whole = hashlib.blake2b(digest_size=8)
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def without_words(message: bytes) -> bytes:
    """A message, or a line of the exceptions file, without what it says in words."""

    def stripped(value: Any) -> Any:
        if isinstance(value, list):
            return [stripped(each) for each in value]
        if isinstance(value, dict):
            return {name: stripped(each) for name, each in value.items() if name not in WORDS}
        return value

    return json.dumps(stripped(json.loads(message))).encode()


def as_it_was_named(message: bytes) -> bytes:
    """A message of exceptions under the name that an item's number had when the digests were taken."""
    told = json.loads(message)
    for event in told:
        if event["type"].startswith("tallystick.exception"):
            event["data"] = {"exception" if name == "number" else name: each for name, each in event["data"].items()}
    return json.dumps(told).encode()


def told_in(scenario: Scenario) -> Iterator[bytes]:
    """All that a scenario lets out: answers, availability and exceptions, step by step."""
    engine = Engine(scenario.config, key=KEY)
    for batches in applied(scenario, engine):
        for batch in batches:
            yield batch.outcomes.tobytes()
            for reply, body in batch.answers:
                yield reply.encode() + body
        flush = engine.flush("EVENTS")
        for name, body in flush.availability:
            yield name.encode() + body
        for name, body in flush.exceptions:
            yield name.encode() + without_words(as_it_was_named(body))
    yield engine.state_hash().encode()


def told_of(name: str, folder: Path) -> dict[str, str]:
    """What a workload comes to: its state hash, and the files that `replay` writes of it."""
    made = peak(folder, events=EVENTS, seed=1, shape=SHAPES[name], name=name)
    balances, outcomes, exceptions = (folder / f"{name}.{kind}" for kind in ("balances", "outcomes", "exceptions"))
    replayed = replay(
        [made.path], config=made.engine_config, balances=balances, outcomes=outcomes, exceptions=exceptions
    )
    return {
        "events": digest(iter([made.path.read_bytes()])),
        "state_hash": replayed.engine.state_hash(),
        "balances": digest(iter([balances.read_bytes()])),
        "outcomes": digest(iter([outcomes.read_bytes()])),
        "exceptions": digest(map(without_words, exceptions.read_bytes().splitlines())),
    }


@pytest.mark.parametrize("scenario", list(scenarios()), ids=lambda scenario: scenario.place)
def test_a_scenario_tells_what_it_told(scenario: Scenario) -> None:
    known = golden("scenarios").get(scenario.place)
    assert known is not None, "it is new: look at it, then python -m tests.unit.test_golden"
    assert digest(told_in(scenario)) == known


@pytest.mark.parametrize("name", SHAPES)
def test_a_workload_comes_to_what_it_came_to(name: str, tmp_path: Path) -> None:
    assert told_of(name, tmp_path) == golden("workloads")[name]


def test_words_are_left_out_and_nothing_else() -> None:
    message = b'{"data": [{"cause": "a", "code": "late"}], "cure": "b", "id": "1"}'
    assert without_words(message) == b'{"data": [{"code": "late"}], "id": "1"}'


def write() -> None:
    """Adds what is not known yet."""
    import tempfile

    FOLDER.mkdir(exist_ok=True)
    known = golden("scenarios")
    new = {each.place: digest(told_in(each)) for each in scenarios() if each.place not in known}
    with tempfile.TemporaryDirectory() as folder:
        shapes = {name: told_of(name, Path(folder)) for name in SHAPES if name not in golden("workloads")}
    for name, told in (("scenarios", known | new), ("workloads", golden("workloads") | shapes)):
        text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
