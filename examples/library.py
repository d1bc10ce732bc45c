"""Tallystick as a library: apply events, ask for stock, read exceptions, save and restore. It needs no bus.

Run it: `python examples/library.py`
"""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tallystick import Engine, to_decimal

# Negative stock is refused here instead of flagged; one shop keeps a safety stock of two.
CONFIG = """
[engine]
negative_stock = "refuse"

[[safety_stock.rules]]
location = "SHOP-7"
quantity = "2"
"""


def event(number: int, kind: str, location: str, quantity: str, **more: str) -> bytes:
    """One event in the compact form."""
    fields = {"id": f"e{number}", "source": "wms", "type": f"stock.{kind}", "sku": "LAMP", "location": location}
    return json.dumps(fields | {"quantity": quantity} | more).encode()


def main() -> None:
    """Shows one thing after the other."""
    engine = Engine(CONFIG)
    now_ns = int(datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp()) * 1_000_000_000

    # A batch is a list of messages, or one NDJSON buffer. The log's sequence and time are inputs, so a replay agrees.
    batch = engine.apply(
        [
            event(1, "received", "DC-1", "120.5"),
            event(2, "received", "SHOP-7", "10"),
            event(3, "reserved", "SHOP-7", "3"),
            event(3, "reserved", "SHOP-7", "3"),  # sent twice
            event(4, "sold", "SHOP-7", "11"),  # more than there is
        ],
        first_sequence=1,
        log_time_ns=now_ns,
    )
    print("outcomes:", batch.counts)
    for exception in batch.exceptions:
        print(f"exception: {exception.code} for {exception.source}/{exception.id}: {exception.cure}")

    # One position. Quantities are whole thousandths, exact; to_decimal() gives units.
    shop = engine.position("LAMP", "SHOP-7")
    assert shop is not None
    print("ATP at SHOP-7:", to_decimal(shop.atp), "of", to_decimal(shop.on_hand), "on hand")

    # Many at once as NumPy columns.
    columns = engine.columns()
    print("on hand in all:", to_decimal(int(columns.on_hand.sum())))

    # Safe from any thread, and the GIL is free while a batch is applied: for FastAPI, FastStream, Celery workers.
    with ThreadPoolExecutor(4) as pool:
        stocks = list(pool.map(lambda place: engine.position("LAMP", place), ["DC-1", "SHOP-7", "NOWHERE"]))
    print("from four threads:", [to_decimal(stock.atp) if stock else None for stock in stocks])

    # Everything in one value; the restored engine goes on at the next sequence.
    restored = Engine.restore(engine.snapshot(), CONFIG)
    print("restored equals original:", restored.state_hash() == engine.state_hash(), "at sequence", restored.sequence)


if __name__ == "__main__":
    main()
