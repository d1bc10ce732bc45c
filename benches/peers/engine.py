"""Engine: Tallystick itself on the peers' job, in blocks of 1,000 events and in large ones, without durability."""

from pathlib import Path

from benches.meter import Meter
from benches.peers.balances import ACCOUNTS, balance_hash
from benches.peers.postings import batches
from benches.process import Row
from tallystick import SCALE, Engine


def measure(path: str, config: str, batch_events: int) -> Row:
    """Takes in the whole file's lines, from memory, `batch_events` per call."""
    lines = Path(path).read_bytes().splitlines(keepends=True)
    blocks = [b"".join(batch) for batch in batches(lines, batch_events)]
    # The first call of a process imports NumPy; that is no work on events.
    Engine(config).apply(blocks[0], 1, event_times=True)
    engine, events = Engine(config), 0
    with Meter() as meter:
        for block in blocks:
            events += len(engine.apply(block, events + 1, event_times=True))
    columns = engine.columns()
    accounts = [(getattr(columns, f"{name}_thousandths") // SCALE).tolist() for name in ACCOUNTS]
    balances = zip(columns.sku, columns.location, *accounts, strict=True)
    return {
        **meter.figures(events),
        "duplicates": engine.outcome_totals().get("duplicate", 0),
        "balance_hash": balance_hash(balances),
        "state_hash": engine.state_hash(),
    }
