"""Due: what happens of itself is told in advance, so that a tick can bring it about where nobody speaks."""

import json
from typing import Any

import pytest

from tallystick import Engine

NOW_NS = 1_772_352_000_000_000_000
SECOND_NS = 10**9


def event(**members: Any) -> bytes:
    return json.dumps(
        {"id": "1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L"} | members
    ).encode()


def tick(number: int) -> bytes:
    return json.dumps({"id": f"t{number}", "source": "tallystick", "type": "tick"}).encode()


@pytest.mark.parametrize(
    ("tables", "said", "due_s", "code"),
    [
        # The second of a source's numbers came, and the first one not: it is given up after a minute.
        (
            '[sources.wms]\norder = "source"\ngap_wait = "60s"\n',
            event(quantity=1, sequence=2),
            60,
            "sequence_gap",
        ),
        # A source that says nothing more is behind after a minute, whether somebody else speaks or not.
        ('[sources.wms]\nalert_lag = "60s"\n', event(quantity=1, time="2026-03-01T08:00:00Z"), 60, "source_lag"),
    ],
)
def test_what_waits_in_silence_has_its_time(tables: str, said: bytes, due_s: int, code: str) -> None:
    engine = Engine(tables)
    batch = engine.apply([said], 1, NOW_NS)
    assert code not in {record.code for record in batch.exceptions}
    due_ns = engine.next_due_ns
    assert due_ns is not None
    assert 0 <= due_ns - NOW_NS - due_s * SECOND_NS <= 1
    assert code not in {record.code for record in engine.apply([tick(1)], 2, due_ns - 1).exceptions}
    assert engine.next_due_ns == due_ns
    assert code in {record.code for record in engine.apply([tick(2)], 3, due_ns).exceptions}
    # It rings once; then it is work, which escalates after a day.
    assert engine.next_due_ns == due_ns + 86_400 * SECOND_NS
    day_later_ns = due_ns + 86_400 * SECOND_NS
    engine.apply([tick(3)], 4, day_later_ns)
    # A tick after a day of silence is not believed alone; the next one is due at once.
    assert engine.log_time_ns == due_ns + 3_600 * SECOND_NS
    assert engine.next_due_ns == day_later_ns
    engine.apply([tick(4)], 5, day_later_ns + 1)
    assert engine.next_due_ns is None
