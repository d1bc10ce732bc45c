"""Plain Python: what a careful script does with the same lines, `dict`, `set` and orjson.

It forgets duplicates and keeps balances. It checks no field, detects no conflict, knows no effective time (a count
simply overwrites), rounds nothing only because the workload has whole quantities, and survives no crash.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

from benches.meter import Meter
from benches.peers.balances import balance_hash
from benches.process import Row

POSTINGS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    # Accounts by number: on_hand 0, reserved 1, allocated 2, picked 3, in_transit 4, quarantine 5.
    "stock.reserved": ((1, 1),),
    "stock.unreserved": ((1, -1),),
    "stock.allocated": ((1, -1), (2, 1)),
    "stock.picked": ((0, -1), (3, 1), (2, -1)),
    "stock.shipped": ((3, -1),),
    "stock.received": ((0, 1),),
    "stock.sold": ((0, -1),),
    "stock.adjusted": ((0, 1),),
    "stock.returned": ((5, 1),),
    "transfer.dispatched": ((0, -1),),
    "transfer.received": ((4, -1), (0, 1)),
    "stock.counted": (),
}


class PlainLedger:
    """Balances by position, and the keys seen."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], list[int]] = {}
        self.events = 0
        self.duplicates = 0
        self._seen: set[tuple[str, str]] = set()

    def apply(self, lines: Iterable[bytes]) -> None:
        """Takes in JSON lines."""
        seen, accounts_of = self._seen, self._accounts
        for line in lines:
            self.events += 1
            event = orjson.loads(line)
            postings = POSTINGS.get(event["type"])
            quantity = event["quantity"]
            if postings is None or not isinstance(quantity, int) or quantity == 0:
                continue
            key = (event["source"], event["id"])
            if key in seen:
                self.duplicates += 1
                continue
            seen.add(key)
            accounts = accounts_of(event["sku"], event["location"])
            for account, sign in postings:
                accounts[account] += sign * quantity
            if event["type"] == "stock.counted":
                accounts[0] = quantity
            elif "to_location" in event:
                accounts_of(event["sku"], event["to_location"])[4] += quantity

    def _accounts(self, sku: str, location: str) -> list[int]:
        accounts = self.balances.get((sku, location))
        if accounts is None:
            accounts = self.balances[sku, location] = [0] * 6
        return accounts

    @property
    def hash(self) -> str:
        """Of the balances."""
        return balance_hash((sku, location, *accounts) for (sku, location), accounts in self.balances.items())


def measure(path: str) -> Row:
    """Takes in the whole file's lines, from memory."""
    data = Path(path).read_bytes()
    ledger = PlainLedger()
    with Meter() as meter:
        ledger.apply(data.splitlines())
    return {
        **meter.figures(ledger.events),
        "positions": len(ledger.balances),
        "duplicates": ledger.duplicates,
        "balance_hash": ledger.hash,
    }
