"""DuckDB: it reads the NDJSON by itself, 50,000 events per transaction, into a database on disk, one thread."""

import tempfile
from pathlib import Path
from typing import Final

from benches.meter import Meter
from benches.peers.balances import ACCOUNTS, balance_hash
from benches.peers.plain_python import POSTINGS
from benches.peers.postings import batches
from benches.process import Row

BATCH_EVENTS: Final = 50_000
_FIELDS: Final = ("id", "source", "type", "sku", "location", "to_location", "quantity")
_SCHEMA: Final = f"""
CREATE TABLE seen (key VARCHAR PRIMARY KEY);
CREATE TABLE balance (sku VARCHAR, location VARCHAR, {" BIGINT, ".join(ACCOUNTS)} BIGINT, PRIMARY KEY (sku, location));
"""
_FRESH: Final = f"""
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT DISTINCT ON (key) * FROM (
  SELECT source || ' ' || id AS key, type, sku, location, to_location, TRY_CAST(quantity AS BIGINT) AS q
  FROM read_ndjson(?, columns = {{{", ".join(f"{name}: 'VARCHAR'" for name in _FIELDS)}}})
) lines
WHERE q IS NOT NULL AND q <> 0 AND type IN ({", ".join(f"'{name}'" for name in POSTINGS)})
AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.key = lines.key)
"""  # noqa: S608 (names of our own)


def _account(number: int) -> str:
    """What one event adds to an account, as a CASE over the types."""
    cases = [f"WHEN '{kind}' THEN {sign} * q" for kind, legs in POSTINGS.items() for at, sign in legs if at == number]
    return f"CASE type {' '.join(cases)} ELSE 0 END" if cases else "0"


_APPLY: Final = f"""
INSERT INTO balance SELECT sku, location, {", ".join(f"sum({name})" for name in ACCOUNTS)} FROM (
  SELECT sku, location, {", ".join(f"{_account(at)} AS {name}" for at, name in enumerate(ACCOUNTS))} FROM fresh
  UNION ALL SELECT sku, to_location, 0, 0, 0, 0, q, 0 FROM fresh WHERE to_location IS NOT NULL
) GROUP BY ALL
ON CONFLICT DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in ACCOUNTS)}
"""  # noqa: S608 (names of our own)


def measure(path: str) -> Row:
    """Takes in the file, cut into files of a batch each before the clock starts."""
    import duckdb

    lines = Path(path).read_bytes().splitlines(keepends=True)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        parts = []
        for number, batch in enumerate(batches(lines, BATCH_EVENTS)):
            parts.append(Path(folder) / f"{number}.ndjson")
            parts[-1].write_bytes(b"".join(batch))
        database = duckdb.connect(str(Path(folder) / "peer.duckdb"), config={"threads": 1})
        database.execute(_SCHEMA)
        with Meter() as meter:
            for part in parts:
                database.execute("BEGIN")
                database.execute(_FRESH, [str(part)])
                database.execute(_APPLY)
                database.execute("INSERT INTO seen SELECT key FROM fresh")
                database.execute("COMMIT")
        balances = database.execute(f"SELECT sku, location, {', '.join(ACCOUNTS)} FROM balance").fetchall()  # noqa: S608
        database.close()
    return {**meter.figures(len(lines)), "balance_hash": balance_hash(balances), "version": duckdb.__version__}
