"""Every way in against a server that asks for it, and every way to be turned away: said in one line, tried again."""

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nkeys
import pytest
import trustme

from tallystick.bus import connection, link
from tallystick.bus.connection import closed_for_good, connect
from tallystick.bus.jetstream import JetStream
from tallystick.bus.patient_client import PatientClient
from tallystick.bus.ways_in import WaysIn
from tallystick.config import Nats, load
from tallystick.daemon.run import run
from tallystick.errors import BusError
from tests.integration.daemon import ask, has_reached, publish, write_config
from tests.integration.daemon import until as until_true
from tests.integration.servers import ConfiguredServer, claims, credentials, key_pair

pytestmark = pytest.mark.slow

PASSWORD, TOKEN = "canary-password", "canary-token"


@contextlib.asynccontextmanager
async def connected(settings: Nats) -> AsyncIterator[PatientClient]:
    client = await connect(settings)
    try:
        yield client
    finally:
        await client.close()


def secret(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in another process)
            await asyncio.sleep(0.02)


async def refused(settings: Nats, reason: str) -> str:
    """The line with which a connection is not to be had."""
    with pytest.raises(BusError, match=reason) as raised:
        await connect(replace(settings, connect_timeout_s=2))
    assert "\n" not in str(raised.value)
    return str(raised.value)


# Who


async def test_user_and_password_come_from_the_file_or_the_environment(tmp_path: Path) -> None:
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"user": "daemon", "password": PASSWORD}}) as server:
        held = secret(tmp_path, "password", PASSWORD + "\n")
        config = tmp_path / "tallystick.toml"
        config.write_text(f'[nats]\nurl = "{server.url}"\nuser = "daemon"\npassword_file = "password"\n')
        bare = Nats(url=server.url)
        environment = {"TALLYSTICK_NATS_USER": "daemon", "TALLYSTICK_NATS_PASSWORD": PASSWORD}
        for settings in (
            load(config, {}).nats,
            load(None, environment | {"TALLYSTICK_NATS_URL": server.url}).nats,
            replace(bare, user="daemon", password=PASSWORD),
            replace(bare, user="daemon", password_file=held),
            replace(bare, url=server.url.replace("//", f"//daemon:{PASSWORD}@")),
        ):
            async with connected(settings) as client:
                await client.flush(5)
                assert PASSWORD not in repr(settings)
        for wrong in (bare, replace(bare, user="daemon", password="canary-wrong"), replace(bare, token=TOKEN)):
            text = await refused(wrong, "Authorization Violation; set user and password, token, nkey seed or")
            assert "canary" not in text


async def test_a_token_lets_in(tmp_path: Path) -> None:
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"token": TOKEN}}) as server:
        bare = Nats(url=server.url)
        held = secret(tmp_path, "token", TOKEN + "\n")
        for settings in (replace(bare, token=TOKEN), replace(bare, token_file=held)):
            async with connected(settings) as client:
                await client.flush(5)
        await refused(replace(bare, token="canary-wrong"), "Authorization Violation")


async def test_a_plain_nkey_lets_in(tmp_path: Path) -> None:
    user, other = key_pair(nkeys.PREFIX_BYTE_USER), key_pair(nkeys.PREFIX_BYTE_USER)
    users = {"users": [{"nkey": user.public_key.decode()}]}
    with ConfiguredServer(tmp_path / "nats", {"authorization": users}) as server:
        held = secret(tmp_path, "seed", user.seed + b"\n")
        settings = Nats(url=server.url, nkey_seed_file=held)
        async with connected(settings) as client:
            await client.flush(5)
            # Another key is taken up with the next attempt.
            held.write_bytes(other.seed)
            server.reload(authorization={"users": [{"nkey": other.public_key.decode()}]})
            await until(lambda: client.stats["reconnects"] > 0)
            await client.flush(5)
        held.write_bytes(user.seed)
        await refused(settings, "Authorization Violation")
        held.write_text("canary-no-seed")
        assert "canary" not in await refused(
            settings, r"seed: no seed of a user \(SU…\) in it; set nats.nkey_seed_file"
        )


def jwt_server(folder: Path) -> tuple[ConfiguredServer, nkeys.KeyPair]:
    """A server that trusts an operator, with one account that has JetStream; and the account's key."""
    operator, account = key_pair(nkeys.PREFIX_BYTE_OPERATOR), key_pair(nkeys.PREFIX_BYTE_ACCOUNT)
    name = operator.public_key.decode()
    system = key_pair(nkeys.PREFIX_BYTE_ACCOUNT)
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1}
    stores = {"leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    whole = {"type": "account", "limits": limits | stores}
    return ConfiguredServer(
        folder,
        {
            "operator": claims(name, operator, "O", {"type": "operator"}),
            "system_account": system.public_key.decode(),
            "resolver": "MEMORY",
            "resolver_preload": {
                account.public_key.decode(): claims(account.public_key.decode(), operator, "A", whole),
                system.public_key.decode(): claims(
                    system.public_key.decode(), operator, "SYS", {"type": "account", "limits": limits}
                ),
            },
        },
    ), account


def user_file(folder: Path, account: nkeys.KeyPair, expires: int | None = None) -> Path:
    user = key_pair(nkeys.PREFIX_BYTE_USER)
    allowed = {"type": "user", "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}}
    token = claims(user.public_key.decode(), account, "U", allowed, expires)
    return secret(folder, "user.creds", credentials(token, user))


async def test_credentials_let_in_until_they_expire_and_again_once_they_are_renewed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, account = jwt_server(tmp_path / "nats")
    with server:
        held = user_file(tmp_path, account, int(time.time()) + 4)
        settings = Nats(url=server.url, credentials=held)
        async with connected(settings) as client:
            await client.flush(5)
            await until(lambda: client.link.state == "reconnecting")
            await until(lambda: client.link._attempts >= 2)  # with what has expired
            user_file(tmp_path, account)
            await until(lambda: client.link.state == "connected")
            await client.flush(5)
        assert caplog.text.lower().count("user authentication expired") == 1
        held.write_text("canary-nothing")
        assert "canary" not in await refused(settings, "user.creds: no user's JWT and seed in it")
        held.unlink()
        await refused(settings, "user.creds: no such file or directory; set nats.credentials")


# TLS


class Authority:
    """A certificate authority and the files that it made."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.ca = folder, trustme.CA()
        self.path = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.path))

    def issue(self, name: str, *identities: str, **how: Any) -> tuple[Path, Path]:
        made = self.ca.issue_cert(*identities, **how)
        key, chain = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        made.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return chain, key


def tls(files: tuple[Path, Path], **more: Any) -> dict[str, Any]:
    return {"cert_file": str(files[0]), "key_file": str(files[1]), "timeout": 10, **more}


async def test_the_server_is_verified_with_its_name(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    with ConfiguredServer(tmp_path / "nats", {"tls": tls(ours.issue("server", "127.0.0.1"))}) as server:
        settings = Nats(url=server.url, tls_ca=ours.path)
        for url in (server.url, server.url.replace("nats://", "tls://")):
            async with connected(replace(settings, url=url)) as client:
                await client.flush(5)
        cure = "; check tls_ca, tls_certificate, tls_key and the name in nats.url"
        await refused(replace(settings, tls_ca=others.path), f"certificate verify failed: unable to get .*{cure}")
        await refused(replace(settings, tls_ca=None), "certificate verify failed")
        await refused(
            replace(settings, url=server.url.replace("127.0.0.1", "localhost")),
            "ostname mismatch, certificate is not valid for 'localhost'",
        )
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        expired = ours.issue("expired", "127.0.0.1", not_after=past)
        server.reload(tls=tls(expired))
        server.restart()
        await refused(settings, "certificate has expired")


async def test_nothing_is_said_in_clear_where_tls_is_asked_for(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    with ConfiguredServer(tmp_path / "nats") as server:
        for settings in (
            Nats(url=server.url, tls_ca=ours.path),
            Nats(url=server.url.replace("nats://", "tls://"), user="a", password=PASSWORD),
        ):
            await refused(settings, r"the server offers no TLS, and \[nats\] asks for it")


async def test_a_client_certificate_lets_in(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    asking = tls(ours.issue("server", "127.0.0.1"), ca_file=str(ours.path), verify=True)
    with ConfiguredServer(tmp_path / "nats", {"tls": asking}) as server:
        certificate, key = ours.issue("client", "daemon@example.org")
        settings = Nats(url=server.url, tls_ca=ours.path, tls_certificate=certificate, tls_key=key)
        async with connected(settings) as client:
            await client.flush(5)
        await refused(replace(settings, tls_certificate=None, tls_key=None), "no connection to .* within 2 s: .*; ")
        foreign = others.issue("client", "daemon@example.org")
        await refused(replace(settings, tls_certificate=foreign[0], tls_key=foreign[1]), "within 2 s: ")
        await refused(replace(settings, tls_key=foreign[1]), "TLS files of .nats. cannot be used: .*mismatch")
        await refused(replace(settings, tls_ca=tmp_path / "absent"), "TLS files .* cannot be used: No such file")


# What becomes of a connection that is up


async def test_a_rotated_password_is_said_once_and_taken_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"user": "daemon", "password": PASSWORD}}) as server:
        held = secret(tmp_path, "password", PASSWORD)
        async with connected(Nats(url=server.url, user="daemon", password_file=held)) as client:
            server.reload(authorization={"user": "daemon", "password": "canary-new"})
            await until(lambda: client.link.state == "reconnecting" and client.link._attempts >= 3)
            assert client.link.facts()["reason"] == "Authorization Violation"
            assert not client.link.is_given_up
            held.unlink()
            await until(lambda: "no such file" in (client.link.reason or ""))
            secret(tmp_path, "password", "canary-new")
            await until(lambda: client.link.state == "connected")
            await client.flush(5)
        told = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
        assert told[0].startswith(f"connection to {server.url} lost: ")
        assert told[-1] == f"connected again to {server.url}"
        assert len(told) == 4, told
        assert told[1] == f"no connection to {server.url}: Authorization Violation; trying again"
        assert f"{held}: no such file or directory; set nats.password_file; trying again" in told[2]
        assert "canary" not in caplog.text


async def test_a_certificate_of_a_new_authority_is_believed_once_its_file_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    with ConfiguredServer(tmp_path / "nats", {"tls": tls(old.issue("server", "127.0.0.1"))}) as server:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(old.path.read_bytes())
        async with connected(Nats(url=server.url, tls_ca=trusted)) as client:
            server.reload(tls=tls(new.issue("server", "127.0.0.1")))
            server.restart()
            await until(lambda: "certificate verify failed" in (client.link.reason or ""))
            assert client.link.state == "reconnecting"
            trusted.write_bytes(new.path.read_bytes())
            await until(lambda: client.link.state == "connected")
            await client.flush(5)
    assert caplog.text.count("certificate verify failed") == 1


async def test_a_full_server_is_asked_again_more_and_more_slowly_and_never_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "REFUSED_FOR_S", 0.0)
    with ConfiguredServer(tmp_path / "nats") as server:
        async with connected(Nats(url=server.url)) as first, connected(Nats(url=server.url)) as second:
            server.reload(max_connections=1)
            # The server ends one of them, and takes no other.
            await until(lambda: "reconnecting" in {first.link.state, second.link.state})
            out = first if first.link.state == "reconnecting" else second
            await until(lambda: out.link._attempts >= 4)
            assert out.link.reason == "maximum connections exceeded"
            assert 1 <= out.link.wait_s <= 4
            server.reload(max_connections=10)
            await until(lambda: out.link.state == "connected")
            await out.flush(5)
        server.reload(max_connections=1)
        async with connected(Nats(url=server.url)):
            await refused(Nats(url=server.url), "maximum connections exceeded; raise max_connections")


async def test_who_stays_refused_is_given_up_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (link, connection):
        monkeypatch.setattr(module, "REFUSED_FOR_S", 1.0)
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"user": "daemon", "password": PASSWORD}}) as server:
        async with connected(Nats(url=server.url, user="daemon", password=PASSWORD)) as client:
            server.reload(authorization={"user": "daemon", "password": "canary-new"})
            await until(lambda: client.is_closed)
            assert str(closed_for_good(client)) == (
                "the server has refused this client for 1 s: Authorization Violation; set user and password, token, "
                "credentials or TLS files in [nats], then start again: nothing is lost"
            )


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_daemon_outlives_a_rotated_password_or_ends_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    if not comes_back:
        for module in (link, connection):
            monkeypatch.setattr(module, "REFUSED_FOR_S", 1.0)
    held = secret(tmp_path, "password", PASSWORD)
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"user": "daemon", "password": PASSWORD}}) as server:
        way = {"user": "daemon", "password_file": str(held)}
        config = load(write_config(tmp_path, server.url, {"nats": way}), {})
        stop = asyncio.Event()
        daemon = asyncio.create_task(run(config, stop=stop))
        async with connected(config.nats) as client:
            await until_true(lambda: has_reached(client, 0))
        server.reload(authorization={"user": "daemon", "password": "canary-new"})
        if not comes_back:
            with pytest.raises(BusError, match=r"the server has refused this client for 1 s: Authorization Violation"):
                await asyncio.wait_for(daemon, 60)
            return
        await asyncio.sleep(1)  # so that it is refused for a while
        secret(tmp_path, "password", "canary-new")
        async with connected(config.nats) as client:
            await publish(JetStream(client), [b'{"id":"1"}'])
            await until_true(lambda: has_reached(client, 1))
            assert (await ask(client, {}, "status"))["connection"]["state"] == "connected"
        stop.set()
        assert (await asyncio.wait_for(daemon, 60)).sequence == 1


def test_waits_grow_with_jitter_and_begin_anew(rng: Any) -> None:
    told = link.Link("here")
    told.note_connected()
    told.note_lost("gone")
    waits = []
    for _ in range(12):
        told.note_failure(ConnectionRefusedError("nobody there"))
        waits.append(told.wait_s)
    assert 0.125 <= waits[0] <= 0.5
    assert 1.0 <= min(waits[5:]) <= max(waits[5:]) <= link.WAIT_AWAY_S
    assert len(set(waits)) == len(waits)
    told.note_failure(RuntimeError("maximum connections exceeded"))
    assert link.WAIT_REFUSED_S / 2 <= told.wait_s <= link.WAIT_REFUSED_S
    told.note_connected()
    told.note_lost("again, at once")
    assert told.wait_s > link.WAIT_AWAY_S  # A connection that holds for no time at all is none.


def test_files_that_others_can_read_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = secret(tmp_path, "password", PASSWORD)
    ways = WaysIn(Nats(user="daemon", password_file=held))
    assert ways.options()["password"] == PASSWORD
    assert caplog.text == ""
    held.chmod(0o644)
    for _ in range(3):
        ways.options()
    assert caplog.text.count(f"{held} can be read by others (mode 644); chmod 600 {held}") == 1
    held.write_text("two\nlines")
    with pytest.raises(BusError, match=r"not one line; set nats\.password_file"):
        ways.options()
