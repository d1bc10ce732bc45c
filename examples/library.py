"""Tallystick as a library: apply events, ask for stock, read exceptions, save and restore. It needs no bus.

Run it: `python examples/library.py`
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

from tallystick import Engine, Outcome, to_decimal

# Negative stock is refused here instead of flagged; one shop keeps a safety stock of two.
CONFIG = """
[engine]
negative_stock = "refuse"

[[safety_stock.rules]]
location = "SHOP-7"
quantity = "2"
"""


def event(number: int, kind: str, location: str, quantity: Decimal | int) -> dict[str, object]:
    """One event in the compact form."""
    fields = {"id": f"e{number}", "source": "wms", "type": f"stock.{kind}", "sku": "LAMP", "location": location}
    return fields | {"quantity": quantity}


def main() -> None:
    """Shows one thing after the other."""
    engine = Engine(CONFIG)

    # A batch is a list of messages: dicts, or JSON as bytes or text. The log's next sequence and its time, now, are
    # found by themselves; to tell the same log again, pass both.
    batch = engine.apply(
        [
            event(1, "received", "DC-1", Decimal("120.5")),
            event(2, "received", "SHOP-7", 10),
            event(3, "reserved", "SHOP-7", 3),
            event(3, "reserved", "SHOP-7", 3),  # sent twice
            event(4, "sold", "SHOP-7", 11),  # more than there is
        ],
        log_time=datetime.now(UTC),  # as if it were left out
    )
    print("outcomes:", batch.outcome_names)
    print("refused:", int((batch.outcomes == Outcome.NEGATIVE_STOCK).sum()))
    for exception in batch.exceptions:
        print(f"exception: {exception.code} for {exception.source}/{exception.id}: {exception.cure}")

    # One position. Quantities are decimals in units, exact.
    shop = engine.position("LAMP", "SHOP-7")
    assert shop is not None
    print("ATP at SHOP-7:", shop.atp, "of", shop.on_hand, "on hand")

    # Many at once: NumPy columns, whole thousandths. polars, pandas, pyarrow and DuckDB take them as a table.
    columns = engine.columns()
    print("on hand in all:", to_decimal(int(columns.on_hand_thousandths.sum())))

    # Safe from any thread, and the GIL is free while a batch is applied: for FastAPI, FastStream, Celery workers.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: engine.apply([event(number, "received", "DC-1", 1)]), range(5, 45)))
        stocks = list(pool.map(lambda place: engine.position("LAMP", place), ["DC-1", "SHOP-7", "NOWHERE"]))
    print("from four threads:", [str(stock.atp) if stock else None for stock in stocks])

    # Everything in one value; the restored engine goes on at the next sequence.
    restored = Engine.restore(engine.snapshot(), CONFIG)
    print("restored equals original:", restored.state_hash() == engine.state_hash(), "at sequence", restored.sequence)


if __name__ == "__main__":
    main()
