"""Bytewax: a stateful step per position that gets its events by the batch, one worker, no recovery store.

A repetition falls on the same position, so each position remembers its own keys; that spares a second exchange.
"""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benches.meter import Meter
from benches.peers.balances import balance_hash
from benches.peers.postings import batches, posting_rows
from benches.process import Row

BATCH_EVENTS: Final = 10_000


def measure(path: str) -> Row:
    """Takes in the whole file's lines, from memory."""
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators import StatefulBatchLogic
    from bytewax.testing import TestingSink, TestingSource, run_main

    class Position(StatefulBatchLogic[Any, Any, Any]):
        """One position: its accounts, given out once when the input ends."""

        def __init__(self, state: Any) -> None:
            del state  # nothing is resumed here
            self._seen: set[str] = set()
            self._accounts = [0] * 6

        def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
            seen, accounts = self._seen, self._accounts
            for key, *deltas in values:
                if key not in seen:
                    seen.add(key)
                    accounts[:] = map(int.__add__, accounts, deltas)
            return [], StatefulBatchLogic.RETAIN

        def on_eof(self) -> tuple[list[Any], bool]:
            return [tuple(self._accounts)], StatefulBatchLogic.DISCARD

        def snapshot(self) -> None:
            return None

    def keyed(batch: list[bytes]) -> Iterator[tuple[str, Any]]:
        for key, sku, location, *deltas in posting_rows(batch):
            yield f"{sku} {location}", (key, *deltas)

    lines = Path(path).read_bytes().splitlines()
    found: list[tuple[str, tuple[int, ...]]] = []
    flow = Dataflow("peer")
    source = op.input("lines", flow, TestingSource(list(batches(lines, BATCH_EVENTS))))
    positions = op.flat_map("decode", source, keyed)
    op.output("balances", op.stateful_batch("position", positions, Position), TestingSink(found))
    with Meter() as meter:
        run_main(flow)  # type: ignore[no-untyped-call,unused-ignore]
    balances = ((*name.split(" "), *accounts) for name, accounts in found)
    return {**meter.figures(len(lines)), "balance_hash": balance_hash(balances), "version": version("bytewax")}
