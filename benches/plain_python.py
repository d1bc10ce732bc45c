"""Plain Python: what a careful script does with the same lines, `dict`, `set` and orjson.

It forgets duplicates and keeps balances. It checks no field, detects no conflict, knows no effective time (a count
simply overwrites), rounds nothing only because the workload has whole quantities, and survives no crash.
"""

from pathlib import Path
from typing import Any, Final

import orjson

from benches.meter import Meter

_POSTINGS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
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


def measure(path: Path) -> dict[str, Any]:
    """Takes in the whole file's lines, from memory."""
    data = path.read_bytes()
    balances: dict[tuple[str, str], list[int]] = {}
    with Meter() as meter:
        events, duplicates = _apply(data, balances)
    return {**meter.figures(events), "positions": len(balances), "duplicates": duplicates}


def _apply(data: bytes, balances: dict[tuple[str, str], list[int]]) -> tuple[int, int]:
    seen: set[tuple[str, str]] = set()
    events = duplicates = 0
    for line in data.splitlines():
        events += 1
        event = orjson.loads(line)
        postings = _POSTINGS.get(event["type"])
        quantity = event["quantity"]
        if postings is None or not isinstance(quantity, int) or quantity == 0:
            continue
        key = (event["source"], event["id"])
        if key in seen:
            duplicates += 1
            continue
        seen.add(key)
        accounts = _accounts(balances, event["sku"], event["location"])
        for account, sign in postings:
            accounts[account] += sign * quantity
        if event["type"] == "stock.counted":
            accounts[0] = quantity
        elif "to_location" in event:
            _accounts(balances, event["sku"], event["to_location"])[4] += quantity
    return events, duplicates


def _accounts(balances: dict[tuple[str, str], list[int]], sku: str, location: str) -> list[int]:
    accounts = balances.get((sku, location))
    if accounts is None:
        accounts = balances[sku, location] = [0] * 6
    return accounts
