"""SQLite: WAL with its default durability for it (synchronous NORMAL), 1,000 events per transaction, set-based."""

import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from benches.meter import Meter
from benches.peers.balances import ACCOUNTS, balance_hash
from benches.peers.postings import batches, posting_rows
from benches.process import Row

BATCH_EVENTS: Final = 1_000
_COLUMNS: Final = ", ".join(ACCOUNTS)
_SCHEMA: Final = f"""
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE balance (sku TEXT, location TEXT, {" INTEGER, ".join(ACCOUNTS)} INTEGER, PRIMARY KEY (sku, location))
WITHOUT ROWID;
CREATE TEMP TABLE batch (key TEXT, sku TEXT, location TEXT, {" INTEGER, ".join(ACCOUNTS)} INTEGER);
"""
_APPLY: Final = f"""
INSERT INTO balance
SELECT sku, location, {", ".join(f"sum({name})" for name in ACCOUNTS)} FROM batch
WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.key = batch.key) GROUP BY sku, location
ON CONFLICT DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in ACCOUNTS)}
"""  # noqa: S608 (names of our own)


def measure(path: str) -> Row:
    """Takes in the whole file's lines, from memory, into a database on disk."""
    lines = Path(path).read_bytes().splitlines()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "peer.db", isolation_level=None)
        database.executescript(_SCHEMA)
        with Meter() as meter:
            for batch in batches(lines, BATCH_EVENTS):
                rows = posting_rows(batch)
                database.execute("BEGIN")
                database.executemany("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                database.execute(_APPLY)
                database.execute("INSERT OR IGNORE INTO seen SELECT key FROM batch")
                database.execute("DELETE FROM batch")
                database.execute("COMMIT")
        balances = database.execute(f"SELECT sku, location, {_COLUMNS} FROM balance").fetchall()  # noqa: S608
        database.close()
    return {**meter.figures(len(lines)), "balance_hash": balance_hash(balances), "version": sqlite3.sqlite_version}
