"""Hostile input through the library: one answer for each element, the neighbours applied, and no error of Python's."""

import json
import random
from typing import Any

import pytest

from tallystick import OUTCOMES, Engine, Reference
from tests.tables import SCENARIOS, load, text_bytes

pytestmark = pytest.mark.slow

NOW_NS = 1_772_366_400_000_000_000
APPLIED, MALFORMED, TOO_LARGE = OUTCOMES["applied"], OUTCOMES["malformed"], OUTCOMES["too_large"]
VALUES: dict[str, list[tuple[str, Any]]] = load(SCENARIOS / "json" / "values.json")


def _event(identifier: str, more: bytes = b"") -> bytes:
    event = {"id": identifier, "source": "wms", "type": "stock.received", "sku": "A", "location": "DC1", "quantity": 1}
    return json.dumps(event).encode()[:-1] + more + b"}"


def _outcomes(message: bytes) -> list[int]:
    """Applies one message to a fresh engine and its twin, which must agree."""
    engine, reference = Engine(), Reference()
    outcomes: list[int] = engine.apply([message], 1, NOW_NS).outcomes.tolist()
    assert [OUTCOMES[name] for name in reference.apply([message], 1, NOW_NS)] == outcomes
    assert engine.state_hash() == reference.state_hash()
    return outcomes


@pytest.mark.parametrize(("kind", "expected"), [("valid", APPLIED), ("invalid", MALFORMED)])
def test_unknown_fields_hold_any_json_and_nothing_else(kind: str, expected: int) -> None:
    for name, text in VALUES[kind]:
        value = text_bytes(text)
        middle = _event("x", b',"x":' + value)
        assert _outcomes(middle) == [expected], name
        if b"\n" not in value:
            message = b"\n".join([_event("a"), middle, _event("b")])
            assert _outcomes(message) == [APPLIED, expected, APPLIED], f"{name}, between neighbours"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", [MALFORMED]),
        (b"[" * 10_000_000, [MALFORMED]),
        (b'{"a":' * 2_000_000, [TOO_LARGE]),
        (b"{" + b"\n{" * 1_000, [MALFORMED] * 1_001),
        (_event("x", b',"x":"' + b"x" * 100_000_000 + b'"'), [TOO_LARGE]),
        (_event("a") + b"\n" + b"x" * 100_000_000 + b"\n" + _event("b"), [APPLIED, TOO_LARGE, APPLIED]),
        (
            b"[" + _event("a") + b',{"x":"' + b"\\" * 1_000_000 + b'"},' + _event("b") + b"]",
            [APPLIED, TOO_LARGE, APPLIED],
        ),
        (bytes(1_000), [MALFORMED]),
        (b"\xff" * 1_000, [MALFORMED]),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else "",
)
def test_large_and_broken_messages(message: bytes, expected: list[int]) -> None:
    assert _outcomes(message) == expected


def test_torn_and_flipped_messages(rng: random.Random) -> None:
    events = [_event(str(number), rng.choice([b"", b',"lot":"L"', b',"x":{"y":[1,"\\u00e9"]}'])) for number in range(5)]
    forms = [b"[" + b",".join(events) + b"]", b"\n".join(events), events[0]]
    for _ in range(5_000):
        message = bytearray(rng.choice(forms))
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(message))
            if rng.random() < 0.3:
                del message[place:]
                break
            message[place] = rng.choice(b'{}[]":,\\ \n0e-x\x00\x80\xff')
        _outcomes(bytes(message))


def test_noise_is_refused_and_counted(rng: random.Random) -> None:
    engine = Engine()
    messages = [rng.randbytes(rng.randrange(200)) for _ in range(5_000)]
    batch = engine.apply(messages, 1, NOW_NS)
    assert sum(engine.outcome_totals().values()) == len(batch) == len(batch.exceptions) >= len(messages)
    assert len(engine) == 0


@pytest.mark.parametrize("wrong", ["text", 5, [5], ["text"], [None], {"a": 1}])
def test_what_is_no_message_is_a_type_error(wrong: Any) -> None:
    engine = Engine()
    with pytest.raises(TypeError):
        engine.apply(wrong, 1, NOW_NS)
    assert engine.apply([_event("a")], 1, NOW_NS).outcomes.tolist() == [APPLIED]
