"""Balances: what every peer must arrive at, as one hash; positions where nothing is left count as absent."""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

ACCOUNTS: Final = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine")


def balance_hash(rows: Iterable[tuple[Any, ...]]) -> str:
    """BLAKE2b over the sorted rows (sku, location, then the six accounts in whole units), 32 hex digits."""
    lines = sorted(",".join(map(str, row)) for row in rows if any(row[2:]))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
