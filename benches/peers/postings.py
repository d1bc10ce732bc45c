"""Postings: a batch of JSON lines as rows for a database; what the client side of every SQL peer has to do.

Repetitions within the batch are dropped here, those of earlier batches by the database.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import orjson

from benches.peers.plain_python import POSTINGS

PostingRow = tuple[str, str, str, int, int, int, int, int, int]
"""Key, sku, location, and what is added to each of the six accounts."""


def posting_rows(lines: Iterable[bytes]) -> list[PostingRow]:
    """The rows of a batch: one per event, two for a transfer that leaves."""
    rows: dict[tuple[str, str], PostingRow] = {}
    for line in lines:
        event = orjson.loads(line)
        postings, quantity = POSTINGS.get(event["type"]), event["quantity"]
        if postings is None or not isinstance(quantity, int) or quantity == 0:
            continue
        key = f"{event['source']} {event['id']}"
        if (key, "") in rows:
            continue
        deltas = [0] * 6
        for account, sign in postings:
            deltas[account] += sign * quantity
        rows[key, ""] = (key, event["sku"], event["location"], *deltas)
        if "to_location" in event:
            rows[key, "to"] = (key, event["sku"], event["to_location"], 0, 0, 0, 0, quantity, 0)
    return list(rows.values())


def batches(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Cuts lines into lists of `size`."""
    rest = iter(lines)
    while batch := list(islice(rest, size)):
        yield batch
