"""PostgreSQL: a server of its own on a socket in a temporary folder, set-based upserts of 1,000 events per statement.

Durable as it comes (fsync and synchronous_commit on). The programs are those of the system's package.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benches.meter import Meter
from benches.peers.balances import ACCOUNTS, balance_hash
from benches.peers.postings import batches, posting_rows
from benches.process import Row

BATCH_EVENTS: Final = 1_000
_PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Where Debian keeps them, by version, off the PATH."""
_SCHEMA: Final = f"""
CREATE TABLE seen (key text PRIMARY KEY);
CREATE TABLE balance (sku text, location text, {" bigint, ".join(ACCOUNTS)} bigint, PRIMARY KEY (sku, location));
"""
_APPLY: Final = f"""
WITH batch AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], {", ".join(["%s::bigint[]"] * len(ACCOUNTS))})
  AS rows (key, sku, location, {", ".join(ACCOUNTS)})
), fresh AS (INSERT INTO seen SELECT DISTINCT key FROM batch ON CONFLICT DO NOTHING RETURNING key)
INSERT INTO balance
SELECT sku, location, {", ".join(f"sum({name})" for name in ACCOUNTS)} FROM batch JOIN fresh USING (key)
GROUP BY sku, location
ON CONFLICT (sku, location) DO UPDATE SET {", ".join(f"{name} = balance.{name} + excluded.{name}" for name in ACCOUNTS)}
"""  # noqa: S608 (names of our own)


def missing() -> str | None:
    """Why it cannot be measured here; None if it can."""
    return None if _program("initdb") else "no PostgreSQL server is installed (Debian: apt install postgresql)"


def measure(path: str) -> Row:
    """Takes in the whole file's lines, from memory. CPU and memory are the client's alone."""
    import psycopg

    lines = Path(path).read_bytes().splitlines()
    with _server() as folder, psycopg.connect(host=folder, user="bench", dbname="postgres", autocommit=True) as client:
        client.execute(_SCHEMA)
        with Meter() as meter:
            for batch in batches(lines, BATCH_EVENTS):
                columns = [list(column) for column in zip(*posting_rows(batch), strict=True)]
                client.execute(_APPLY, columns)
        balances = client.execute(f"SELECT sku, location, {', '.join(ACCOUNTS)} FROM balance").fetchall()  # noqa: S608
        version = str(client.info.server_version // 10_000)
    return {**meter.figures(len(lines)), "balance_hash": balance_hash(balances), "version": version}


def _program(name: str) -> str | None:
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


@contextmanager
def _server() -> Iterator[str]:
    """Runs a server until the end of the context. Gives the folder of its socket; no port is opened."""
    # It refuses to run as root; the package brings a user for that case.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        initdb, postgres = _program("initdb"), _program("postgres")
        assert initdb is not None, missing()
        assert postgres is not None, missing()
        subprocess.run(
            [initdb, "--pgdata", data, "--username", "bench", "--auth", "trust", "--locale", "C",
             "--encoding", "UTF8"],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        server = subprocess.Popen([postgres, "-D", data, *settings], user=user, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            _wait_until_ready(folder, server)
            yield folder
        finally:
            server.terminate()
            server.wait()


def _wait_until_ready(folder: str, server: "subprocess.Popen[bytes]") -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host=folder, user="bench", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
