"""Probes and metrics over HTTP, of a real daemon: true from the start on, closed to strangers, never in the way."""

import asyncio
import contextlib
import http.client
import json
import random
import resource
import shutil
import socket
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.http.app import BEGINS, Probes
from tallystick.http.bounded import CONNECTIONS_MAX
from tallystick.http.gate import HEADER_BYTES_MAX
from tests.integration import probes
from tests.integration.daemon import has_reached, publish, random_messages, until, write_config
from tests.integration.test_crash import said, start
from tests.integration.test_disk import started
from tests.unit.test_metrics import Looked

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-this-test"
ALL = "0.0.0.0"  # noqa: S104 (who may listen there is what is tried)


def configured(folder: Path, url: str, port: int, **http: Any) -> Path:
    listen = f"{http.pop('host', '127.0.0.1')}:{port}"
    tables = {"snapshots": {"interval_s": 0.3}, "http": {"listen": listen, **http}}
    return write_config(folder, url, tables)


async def refused(path: Path) -> tuple[int, str]:
    """Exit status and words of a daemon that does not start."""
    daemon = start(path)
    status = await asyncio.to_thread(daemon.wait, 60)
    return status, said(path.parent, daemon)


async def test_it_answers_while_it_waits_for_the_server_and_once_it_is_ready(tmp_path: Path) -> None:
    nats_port, port = probes.free_port(), probes.free_port()
    path = configured(tmp_path, f"nats://127.0.0.1:{nats_port}", port)
    path.write_text(path.read_text().replace("[nats]\n", "[nats]\nconnect_timeout_s = 60\n"))
    with started(path):
        reply = await probes.until_ready(port, is_ready=False)
        assert "it begins" in reply.text
        assert (await probes.ask(port, "/livez")).text == "alive\n"
        told = await probes.ask(port, "/readyz", {"Accept": "application/json"})
        assert told.json()["state"] == "beginning"
        assert await probes.value(port, "tallystick_ready") == 0
        with EmbeddedServer(tmp_path / "nats", port=nats_port, sync="1m"):
            assert (await probes.until_ready(port)).text == "ready\n"
            assert (await probes.ask(port, "/readyz", {"Accept": "application/json"})).json() == {
                "state": "running", "ready": True, "not_ready": [],
            }  # fmt: skip


async def test_a_daemon_that_is_told_to_stop_while_it_begins_says_so() -> None:
    from starlette.requests import Request

    accept = (b"accept", b"application/json")
    told = {}
    for is_stopping in (False, True):
        reply = await Probes(Looked(None, None, is_stopping=is_stopping)).ready(
            Request({"type": "http", "headers": [accept]})
        )
        told[is_stopping] = (reply.status_code, json.loads(bytes(reply.body)))
    assert told[False] == (503, {"state": "beginning", "ready": False, "not_ready": [BEGINS]})
    assert told[True] == (503, {"state": "stopping", "ready": False, "not_ready": ["it is stopping"]})


async def test_metrics_are_what_the_daemon_did(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    port = probes.free_port()
    messages = random_messages(rng, 200)
    await publish(bus, messages)
    with started(configured(tmp_path, server.url, port)):
        await until(partial(has_reached, bus.client, 200))

        async def is_saved() -> bool:
            found = await probes.scrape(port)
            noted = found["tallystick_applied_to_published_seconds_count"][()]
            return (found["tallystick_snapshot_sequence"][()], noted) == (200, 200)

        await until(is_saved)
        found = await probes.scrape(port)
        status = json.loads((await bus.client.request("tallystick.status", b"", 5)).data)
        totals = found["tallystick_events_total"]
        outcomes = {dict(labels)["outcome"]: count for labels, count in totals.items() if count}
        assert outcomes == status["outcomes"]
        for name in ("stream", "applied", "published"):
            assert found[f"tallystick_{name}_sequence"] == {(): 200}
        by_source = found["tallystick_source_events_total"]
        assert {dict(labels)["source"] for labels in by_source} == {"wms", "erp", "oms"}
        assert found["tallystick_log_to_applied_seconds_count"] == {(): 200}
        assert found["tallystick_applied_to_published_seconds_count"] == {(): 200}
        assert sum(found["tallystick_exceptions"].values()) > 0
        assert found["tallystick_snapshot_bytes"][()] > 1_000
        assert found["tallystick_process_resident_memory_bytes"][()] > 1 << 20
        reply = await probes.ask(port, "/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
        assert reply.headers["content-type"].startswith("application/openmetrics-text")
        assert reply.text.endswith("# EOF\n")
    with started(configured(tmp_path, server.url, port)):
        await until(partial(has_reached, bus.client, 200))
        again = await probes.scrape(port)
        # Its own process counted nothing, and what it restored is no work of it.
        assert sum(again["tallystick_events_total"].values()) == 0
        assert sum(again["tallystick_source_events_total"].values()) == 0
        assert again["tallystick_positions"] == found["tallystick_positions"]


async def test_what_is_blocked_is_not_ready_and_has_a_metric(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    port = probes.free_port()
    with started(configured(tmp_path, server.url, port)) as daemon:
        await probes.until_ready(port)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await publish(bus, [b'{"id":"1","source":"wms","type":"stock.received","sku":"a","location":"b","quantity":1}'])
        reply = await probes.until_ready(port, is_ready=False)
        assert reply.text.startswith("snapshots: ")
        found = await probes.scrape(port)
        assert found["tallystick_ready"] == {(): 0}
        assert list(found["tallystick_blocked_seconds"]) == [(("what", "snapshots"),)]
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await probes.until_ready(port)
        assert "tallystick_blocked_seconds" not in await probes.scrape(port)


async def test_a_server_that_goes_away_makes_it_unready_and_counts_a_reconnect(tmp_path: Path) -> None:
    port = probes.free_port()
    with EmbeddedServer(tmp_path / "nats", sync="1m") as server, started(configured(tmp_path, server.url, port)):
        await probes.until_ready(port)
        server.kill()
        assert "the server is away" in (await probes.until_ready(port, is_ready=False)).text
        assert (await probes.ask(port, "/livez")).status == 200
        assert await probes.value(port, "tallystick_connected") == 0
        server.start()
        await probes.until_ready(port)
        assert await probes.value(port, "tallystick_reconnects_total") >= 1


@pytest.mark.parametrize("way", ["token", "token_file"])
async def test_without_the_token_nobody_learns_anything(tmp_path: Path, server: EmbeddedServer, way: str) -> None:
    port = probes.free_port()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    given = {"token": TOKEN} if way == "token" else {"token_file": "token"}
    with started(configured(tmp_path, server.url, port, host=ALL, **given)) as daemon:

        async def listens() -> bool:
            with contextlib.suppress(OSError):
                return (await probes.ask(port, "/livez")).status == 401
            return False

        await until(listens)
        bad = ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"]
        for path in ("/livez", "/readyz", "/metrics", "/nothing"):
            for value in bad:
                reply = await asyncio.to_thread(probes.get, port, path, {"Authorization": value})
                assert (reply.status, reply.text) == (401, "a bearer token is needed\n")
        for scheme in ("Bearer", "bearer"):
            reply = await probes.ask(port, "/metrics", {"Authorization": f"{scheme} {TOKEN}"})
            assert reply.status == 200
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, 20) == 0
        assert TOKEN not in said(tmp_path, daemon)


def certificates(folder: Path) -> None:
    """A certificate for 127.0.0.1 with its key, and another for clients, each of an authority of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not installed")
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
            check=True, capture_output=True,
        )  # fmt: skip


async def test_tls_keeps_others_out_and_asks_clients_for_their_certificate(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    port = probes.free_port()
    certificates(tmp_path)
    tls = {"tls_certificate": "server.crt", "tls_key": "server.key", "tls_client_ca": "client.crt"}
    stranger = ssl.create_default_context(cafile=tmp_path / "server.crt")
    known = ssl.create_default_context(cafile=tmp_path / "server.crt")
    known.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    with started(configured(tmp_path, server.url, port, host=ALL, **tls)):

        async def is_ready() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return (await asyncio.to_thread(partial(probes.get, port, "/readyz", context=known))).status == 200
            return False

        await until(is_ready)
        with pytest.raises((OSError, http.client.HTTPException)):
            probes.get(port, "/readyz", context=stranger)
        with pytest.raises((OSError, http.client.HTTPException)):
            probes.get(port, "/readyz")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"host": ALL}, "can be reached from elsewhere"),
        ({"token_file": "nowhere"}, "nowhere: No such file"),
        ({"token_file": "empty"}, "16 to 256 visible characters"),
        ({"tls_certificate": "empty", "tls_key": "empty"}, "TLS files of [http] cannot be used"),
    ],
)
async def test_it_does_not_start_without_what_would_protect_it(
    tmp_path: Path, server: EmbeddedServer, given: dict[str, Any], word: str
) -> None:
    (tmp_path / "empty").touch()
    status, words = await refused(configured(tmp_path, server.url, probes.free_port(), **given))
    assert status == 2
    assert word in words.splitlines()[-1]


async def test_a_busy_port_is_one_line_and_exit_status_2(tmp_path: Path, server: EmbeddedServer) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        status, words = await refused(configured(tmp_path, server.url, port))
    assert status == 2
    line = json.loads(words.splitlines()[-1])
    assert line["message"].startswith(f"http.listen = 127.0.0.1:{port}: address already in use; ")
    assert (line["level"], line["exit"]) == ("error", 2)


async def test_a_stop_does_not_wait_for_those_who_ask(tmp_path: Path, server: EmbeddedServer) -> None:
    port = probes.free_port()
    with started(configured(tmp_path, server.url, port)) as daemon, contextlib.ExitStack() as stack:
        await probes.until_ready(port)
        for _ in range(10):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            idle.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        # One that asks again and again, and never reads.
        for _ in range(5):
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        await asyncio.sleep(0.2)
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, 5) == 0, said(tmp_path, daemon)


async def test_who_sends_too_much_too_slowly_or_too_often_harms_nobody(tmp_path: Path, server: EmbeddedServer) -> None:
    port = probes.free_port()
    with started(configured(tmp_path, server.url, port)) as daemon, contextlib.ExitStack() as stack:
        await probes.until_ready(port)
        assert probes.get(port, "/metrics", method="POST", body=b"x" * 100).status == 413
        assert probes.get(port, "/metrics", method="POST").status == 405
        assert probes.get(port, "/nothing").status == 404
        large = probes.get(port, "/livez", {"X-Large": "x" * (2 * HEADER_BYTES_MAX)})
        assert large.status == 431
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        crowd = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(3 * CONNECTIONS_MAX)
        ]
        assert await asyncio.to_thread(slow.recv, 1_000) == b"", "it was waited for and given up"
        for one in crowd:
            one.close()
        assert (await probes.until_ready(port)).status == 200
        assert daemon.poll() is None


async def test_idle_connections_keep_no_probe_out(tmp_path: Path, server: EmbeddedServer) -> None:
    port = probes.free_port()
    with started(configured(tmp_path, server.url, port)), contextlib.ExitStack() as stack:
        await probes.until_ready(port)
        for number in range(4 * CONNECTIONS_MAX):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            if number % 3 == 1:
                idle.sendall(b"GET /livez HTTP/1.1\r\n")
            elif number % 3 == 2:
                idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"200 OK" in await asyncio.to_thread(idle.recv, 1_000), "it is kept for the next one"
            if number >= CONNECTIONS_MAX and not number % 8:
                for path in ("/livez", "/readyz"):
                    reply = await probes.ask(port, path)
                    assert reply.status == 200, (number, reply.text)


async def test_what_is_not_used_is_not_imported(tmp_path: Path, server: EmbeddedServer) -> None:
    path = write_config(tmp_path, server.url)
    script = f"""
import asyncio, pathlib, sys
from tallystick.config import load
from tallystick.daemon.run import run
from tallystick.http.server import serving
config = load(pathlib.Path({str(path)!r}), {{}})
asyncio.run(run(config, until_idle=True, beside=[lambda pipeline: serving(config.http, pipeline)]))
print([name for name in ("uvicorn", "starlette", "prometheus_client") if name in sys.modules])
"""
    done = await asyncio.to_thread(
        partial(subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    )
    assert done.stdout == "[]\n", done.stderr
