"""The library: batches in, columns and records out, from any thread."""

import json
import random
import threading
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from tallystick import (
    OUTCOMES,
    SCALE,
    ConfigError,
    Engine,
    Reference,
    SequenceError,
    SnapshotError,
    TallystickError,
    exact_json,
    to_decimal,
)

NOW_NS = 1_767_600_000_000_000_000


def _event(number: int, kind: str = "stock.received", quantity: object = 1, **more: Any) -> bytes:
    event = {"id": f"e{number}", "source": "wms", "type": kind, "sku": "A", "location": "DC1", "quantity": quantity}
    return json.dumps(event | more).encode()


@given(st.integers(-(10**18), 10**18))
def test_to_decimal_is_exact(thousandths: int) -> None:
    assert to_decimal(thousandths) * SCALE == thousandths
    assert str(to_decimal(thousandths)) == format(Decimal(thousandths).scaleb(-3).normalize(), "f")


def test_a_batch_tells_places_outcomes_and_changes() -> None:
    engine = Engine()
    batch = engine.apply([_event(1, quantity=5), b"[%s,%s]" % (_event(1, quantity=5), b"{}")], 10, NOW_NS)
    assert len(batch) == 3
    assert (batch.sequences.tolist(), batch.indices.tolist()) == ([10, 11, 11], [0, 0, 1])
    assert batch.outcomes.tolist() == [OUTCOMES[name] for name in ("applied", "duplicate", "malformed")]
    assert {name: count for name, count in batch.counts.items() if count} == {
        "applied": 1,
        "duplicate": 1,
        "malformed": 1,
    }
    assert batch.availability is not None
    assert (batch.availability.sku, batch.availability.atp_thousandths.tolist()) == (["A"], [5 * SCALE])
    (exception,) = batch.exceptions
    assert (exception.code, exception.sequence, exception.index, exception.event) == ("malformed", 11, 1, b"{}")
    assert exception.cure
    assert engine.sequence == 11


def test_buffers_of_all_kinds_mean_the_same() -> None:
    lines = b"\n".join(_event(number) for number in range(5))
    hashes = set()
    for buffer in (lines, bytearray(lines), memoryview(lines), lines.split(b"\n")):
        engine = Engine()
        assert len(engine.apply(buffer, 1, NOW_NS)) == 5
        hashes.add(engine.state_hash())
    assert len(hashes) == 1


def test_times_per_message() -> None:
    engine = Engine()
    times = np.array([NOW_NS, NOW_NS + 1], dtype=np.int64)
    engine.apply([_event(1), _event(2)], 1, times)
    assert engine.log_time_ns == NOW_NS + 1


def test_positions_one_many_all_and_by_sku() -> None:
    engine = Engine('[safety_stock]\ndefault = "1"\n')
    engine.apply(
        [_event(1, quantity="2.5"), _event(2, location="DC2", lot="L", quantity=7), _event(3, sku="B", quantity=1)],
        1,
        NOW_NS,
    )
    position = engine.position("A", "DC1")
    assert position is not None
    figures = (position.on_hand, position.safety_stock, position.atp, position.on_hand_thousandths, position.version)
    assert figures == (Decimal("2.5"), Decimal(1), Decimal("1.5"), 2_500, 1)
    assert {type(figure) for figure in figures} == {Decimal, int}
    found = engine.positions([("A", "DC1"), ("A", "DC2", "L", None), ("A", "DC2"), ("Z", "DC1")])
    assert [one.on_hand if one else None for one in found] == [Decimal("2.5"), 7, None, None]
    assert {one.location for one in engine.positions_of("A")} == {"DC1", "DC2"}
    columns = engine.columns()
    assert len(columns) == len(engine) == 3
    assert columns.on_hand_thousandths.dtype == np.int64
    assert columns.on_hand_thousandths.sum() == 10_500
    assert engine.columns(1, 2).sku == columns.sku[1:2]


def test_a_position_is_fit_for_an_answer_of_a_web_service() -> None:
    engine = Engine('[safety_stock]\ndefault = "1"\n')
    engine.apply([_event(1, quantity="5.1", lot="L")])
    [position] = engine.positions_of("A")
    fields = position.as_dict()
    assert (fields["on_hand"], fields["atp"], fields["lot"]) == (Decimal("5.1"), Decimal("5.1"), "L")
    assert "owner" not in fields
    assert exact_json.loads(exact_json.dumps(fields)) == fields
    # As FastAPI writes it: pydantic's encoder, which its answers go through.
    assert json.loads(to_json(fields)) == json.loads(json.dumps(fields, default=str))
    for name, value in fields.items():
        raw = getattr(position, f"{name}_thousandths", None)
        assert raw is None or (type(value) is Decimal and value * SCALE == raw), name
    assert sum(isinstance(value, Decimal) for value in fields.values()) == 13


def test_double_entry_sums_to_zero() -> None:
    engine = Engine()
    kinds = [
        ("stock.received", 9),
        ("stock.reserved", 3),
        ("stock.picked", 2),
        ("stock.shipped", 1),
        ("stock.counted", 4),
    ]
    engine.apply([_event(number, kind, quantity) for number, (kind, quantity) in enumerate(kinds)], 1, NOW_NS)
    trial = engine.trial_balance_thousandths()
    assert trial["on_hand"] == 4_000
    assert sum(trial.values()) == 0


def test_snapshot_and_restore_continue_alike() -> None:
    engine = Engine()
    engine.apply([_event(number) for number in range(100)], 1, NOW_NS)
    engine.set_note("place", "here")
    restored = Engine.restore(engine.snapshot())
    assert (restored.sequence, restored.notes, len(restored)) == (100, {"place": "here"}, 1)
    again = [_event(5), _event(100), _event(101)]
    assert restored.apply(again, 101, NOW_NS).outcomes.tolist() == engine.apply(again, 101, NOW_NS).outcomes.tolist()
    assert restored.state_hash() == engine.state_hash()


def test_the_first_sequence_is_one() -> None:
    with pytest.raises(SequenceError, match="there is no sequence 0: the first one of a log is 1"):
        Engine().apply(b"", first_sequence=0)


def test_misuse_is_one_class_with_one_line() -> None:
    engine = Engine()
    engine.apply([_event(1)], 5, NOW_NS)
    with pytest.raises(SequenceError):
        engine.apply([_event(2)], 5, NOW_NS)
    with pytest.raises(ConfigError, match="negative_stok"):
        Engine('[engine]\nnegative_stok = "allow"\n')
    with pytest.raises(SnapshotError):
        Engine.restore(engine.snapshot()[:-1])
    for kind in (SequenceError, ConfigError, SnapshotError):
        assert issubclass(kind, TallystickError)
    position = engine.position("A", "DC1")
    assert position is not None
    assert position.on_hand == 1, "misuse leaves the engine as it was"


def test_engine_and_reference_agree(rng: random.Random) -> None:
    engine, reference = Engine(), Reference()
    kinds = ["stock.received", "stock.sold", "stock.counted", "stock.reserved", "stock.moved", "stock.unheard"]
    messages = [
        _event(rng.randrange(80), rng.choice(kinds), rng.choice([0, 1, 2.5, "3", -1]), sku=rng.choice("AB"))
        for _ in range(200)
    ]
    names = reference.apply(messages, 1, NOW_NS)
    assert [OUTCOMES[name] for name in names] == engine.apply(messages, 1, NOW_NS).outcomes.tolist()
    assert reference.balances() == engine.balance_lines()
    assert reference.state_hash() == engine.state_hash()


def test_threads_may_read_while_one_applies() -> None:
    engine = Engine()
    batches = 200
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            seen = Decimal(0)
            while not done.is_set():
                position = engine.position("A", "DC1")
                on_hand = position.on_hand if position else Decimal(0)
                # A batch is seen whole or not at all, and never taken back.
                assert on_hand % 50 == 0
                assert on_hand >= seen
                seen = on_hand
                assert len(engine.columns()) <= 1
                engine.state_hash()
        except BaseException as error:  # noqa: BLE001  # handed to the main thread
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for batch in range(batches):
        engine.apply([_event(batch * 50 + number) for number in range(50)], batch * 50 + 1, NOW_NS)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    position = engine.position("A", "DC1")
    assert position is not None
    assert position.on_hand == batches * 50


def test_writers_in_several_threads_lose_nothing() -> None:
    engine = Engine()
    threads, calls, together = 8, 60, 5
    seen: list[list[tuple[int, int]]] = []

    def write(first: int) -> None:
        mine = []
        for number in range(first, first + calls * together, together):
            batch = engine.apply([_event(one) for one in range(number, number + together)])
            now_ns = engine.log_time_ns
            assert now_ns is not None
            assert batch.counts == {"applied": together}
            mine += [(sequence, now_ns) for sequence in batch.sequences.tolist()]
        seen.append(mine)

    writers = [threading.Thread(target=write, args=(1_000 * place,)) for place in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = threads * calls * together
    assert len(seen) == threads, "no thread was refused"
    assert engine.outcome_totals() == {"applied": events}
    sequences = [sequence for mine in seen for sequence, _ in mine]
    assert sorted(sequences) == list(range(1, events + 1)), "each sequence belongs to one message"
    for mine in seen:
        assert mine == sorted(mine), "neither the sequence nor the log's time goes back"
    position = engine.position("A", "DC1")
    assert position is not None
    assert position.on_hand == engine.sequence == events
