"""Redis: a server of its own on loopback, Lua, 500 events per call, pipelined, append-only file synced every second.

The client decodes and sends what each event adds. The script looks up all keys in one command, adds up in Lua what is
fresh, and reads and writes the touched accounts in one command each; all of that is one atomic step.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from benches.meter import Meter, other_process
from benches.peers.balances import balance_hash
from benches.peers.postings import batches, posting_rows
from benches.process import Row

BATCH_EVENTS: Final = 500
CALLS_AHEAD: Final = 8
"""Calls on their way: the client decodes the next ones while the server works on these."""
_APPLY: Final = """
local keys, postings = unpack(cjson.decode(ARGV[1]))
if #keys == 0 then return 0 end
local known = redis.call('SMISMEMBER', KEYS[1], unpack(keys))
local fresh = {}
for at, key in ipairs(keys) do
  if known[at] == 0 then fresh[#fresh + 1] = key end
end
if #fresh == 0 then return 0 end
local sums, fields = {}, {}
for at = 1, #postings, 3 do
  if known[postings[at]] == 0 then
    local field = postings[at + 1]
    if sums[field] == nil then
      sums[field] = 0
      fields[#fields + 1] = field
    end
    sums[field] = sums[field] + postings[at + 2]
  end
end
if #fields > 0 then
  local balances, changed = redis.call('HMGET', KEYS[2], unpack(fields)), {}
  for at, field in ipairs(fields) do
    changed[#changed + 1] = field
    changed[#changed + 1] = string.format('%.0f', (tonumber(balances[at]) or 0) + sums[field])
  end
  redis.call('HSET', KEYS[2], unpack(changed))
end
redis.call('SADD', KEYS[1], unpack(fresh))
return #fresh
"""
"""Its argument is what `_payload` makes. A number in Lua is exact to 2^53; so are these."""
_START_TIMEOUT_S: Final = 20.0


def missing() -> str | None:
    """Why it cannot be measured here; None if it can."""
    found = shutil.which("redis-server")
    return None if found else "no redis-server is installed (Debian: apt install redis-server)"


def measure(path: str) -> Row:
    """Takes in the whole file's lines, from memory. CPU and memory are the client's; the server's stand beside them."""
    from redis import Connection

    lines = Path(path).read_bytes().splitlines()
    with _server() as (port, pid):
        connection = Connection(host="127.0.0.1", port=port)
        connection.connect()
        script = _call(connection, "SCRIPT", "LOAD", _APPLY)
        cpu_before, _ = other_process(pid)
        with Meter() as meter:
            under_way = 0
            for batch in batches(lines, BATCH_EVENTS):
                connection.send_command("EVALSHA", script, 2, "seen", "balances", _payload(batch))
                under_way += 1
                if under_way == CALLS_AHEAD:
                    connection.read_response()
                    under_way -= 1
            for _ in range(under_way):
                connection.read_response()
        cpu_after, rss_kib = other_process(pid)
        balances = _balances(_call(connection, "HGETALL", "balances"))
        version = dict(line.split(":", 1) for line in _text(_call(connection, "INFO", "server")).split() if ":" in line)
        connection.disconnect()
    return {
        **meter.figures(len(lines)),
        "server_cpu_ns_per_event": round((cpu_after - cpu_before) / len(lines) * 1e9, 1),
        "server_rss_mib_peak": round(rss_kib / 1024, 1),
        "balance_hash": balance_hash(balances),
        "version": version["redis_version"],
    }


def _payload(lines: list[bytes]) -> bytes:
    """A batch as JSON: its keys, and its postings as a flat list of key number (from 1), account and what it adds."""
    numbers: dict[str, int] = {}
    postings: list[int | str] = []
    for key, sku, location, *deltas in posting_rows(lines):
        number = numbers.setdefault(key, len(numbers) + 1)
        for account, delta in enumerate(deltas):
            if delta:
                postings += (number, f"{sku} {location} {account}", delta)
    return orjson.dumps((list(numbers), postings))


def _balances(answer: Any) -> list[tuple[Any, ...]]:
    """The rows of the hash; it comes as a mapping or as a flat list, by the version of the protocol."""
    pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
    accounts: dict[tuple[str, str], list[int]] = {}
    for field, value in pairs:
        sku, location, account = _text(field).split(" ")
        accounts.setdefault((sku, location), [0] * 6)[int(account)] = int(value)
    return [(*names, *values) for names, values in accounts.items()]


def _call(connection: Any, *command: str) -> Any:
    connection.send_command(*command)
    return connection.read_response()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _server() -> Iterator[tuple[int, int]]:
    """Runs a server until the end of the context. Gives its port on loopback and its process id."""
    program = shutil.which("redis-server")
    assert program is not None, missing()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        port = _free_port()
        settings = Path(folder) / "redis.conf"
        settings.write_text(
            f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nappendonly yes\nappendfsync everysec\nsave ""\n', "utf-8"
        )
        server = subprocess.Popen([program, settings], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            _wait_until_ready(port, server)
            yield port, server.pid
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
