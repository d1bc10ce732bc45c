"""A whole life under deploy/nats/permissions.conf: it permits what daemon, systems and operator need, and no more."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus import questions, requests
from tallystick.bus.connection import connect
from tallystick.bus.jetstream import JetStream
from tallystick.bus.patient_client import PatientClient
from tallystick.bus.streams import covers, ensure_input
from tallystick.cli.app import execute
from tallystick.cli.doctor import verdict
from tallystick.client.client import Client
from tallystick.client.producer import GIVE_UP_AFTER_S
from tallystick.config import Nats, load
from tallystick.daemon.run import run
from tallystick.doctor.examine import examine
from tallystick.doctor.finding import Finding
from tallystick.errors import BusError
from tests.integration.daemon import EVENTS, ask, has_reached, until, write_config
from tests.integration.servers import ConfiguredServer

pytestmark = pytest.mark.slow

PERMISSIONS = Path(__file__).parents[2] / "deploy" / "nats" / "permissions.conf"
USERS = ("daemon", "wms", "erp", "operator")
BOUND = {"source_subject": "tallystick.events.{source}"}
SERVICE = {
    *(questions.ATP_SUBJECT, questions.STATUS_SUBJECT, questions.PROMISE_SUBJECT),
    *(question.subject for question in questions.QUESTIONS),
    *(kind.subject for kind in requests.REQUEST_KINDS),
}


class GuardedServer(ConfiguredServer):
    """A server that includes the permissions as an operator would."""

    def _write(self) -> None:
        super()._write()
        lines = [f"{name}: {json.dumps(value)}" for name, value in json.loads(self._settings_file.read_text()).items()]
        (self.folder / "permissions.conf").write_text(PERMISSIONS.read_text())
        self._settings_file.write_text("\n".join([*lines, 'include "./permissions.conf"', ""]))


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedServer]:
    for user in USERS:
        monkeypatch.setenv(f"TALLYSTICK_{user.upper()}_PASSWORD", f"secret-of-{user}")
    with GuardedServer(tmp_path / "nats") as server:
        yield server


def nats(server: GuardedServer, user: str) -> dict[str, str]:
    return {"url": server.url, "user": user, "password": f"secret-of-{user}", "inbox_prefix": f"_INBOX_{user}"}


@contextlib.asynccontextmanager
async def client_of(server: GuardedServer, user: str) -> AsyncIterator[PatientClient]:
    client = await connect(Nats(**nats(server, user)))  # type: ignore[arg-type]  # all of these are texts
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def of_daemon(server: ConfiguredServer) -> AsyncIterator[PatientClient]:
    client = await connect(Nats(url=server.url, user="daemon", password="secret"))
    try:
        yield client
    finally:
        await client.close()


def permitted(user: str, what: str) -> set[str]:
    """The subjects that the file permits a user to publish or to subscribe to."""
    block = PERMISSIONS.read_text().partition(f"user = {user}\n")[2].partition(f"{what} = [")[2].partition("]")[0]
    return set(re.findall(r'"([^"]+)"', block))


def test_the_file_permits_the_services_subjects_as_the_code_has_them() -> None:
    heard = {subject for subject in permitted("daemon", "subscribe") if not subject.startswith(("$", "_"))}
    assert heard == SERVICE
    assert permitted("operator", "publish") >= SERVICE
    assert not (permitted("wms", "publish") | permitted("erp", "publish")) & SERVICE


def event(number: int, **changes: object) -> str:
    made = {"id": f"e{number}", "source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1"}
    return json.dumps(made | {"quantity": 5, "correlationid": "order-1"} | changes)


async def test_daemon_systems_and_operator_live_under_it(
    guarded: GuardedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    configs = {}
    for user in USERS:
        (tmp_path / user).mkdir()
        configs[user] = write_config(
            tmp_path / user, guarded.url, {"nats": nats(guarded, user), "input": {"tick_after_s": 0.1}, "engine": BOUND}
        )
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join([*map(event, range(3)), event(3, quantity=-1), event(4, type="no.such"), ""]))
    life = [
        (0, "atp LAMP"),
        (0, "atp LAMP DC1 --at 2030-01-01 --explain"),
        (0, "reserve LAMP DC1 2 --ttl 1s --id hold-1 --source shop"),
        (0, "reserve LAMP DC1 2 --ttl 1h --id hold-2 --source shop"),
        (0, "change shop/hold-2 --quantity 3"),
        (0, "post shop/hold-2 --quantity 1"),
        (1, "void shop/hold-2"),  # Its post gave the rest back.
        (0, "reservations"),
        (0, "claims"),
        (0, "replenish"),
        (0, "exceptions list"),
        (0, "exceptions show 1"),
        (0, "exceptions stats"),
        (0, "exceptions ack 1"),
        (0, "exceptions repair 1 --set quantity=1 --dry-run"),
        (0, "exceptions repair 1 --set quantity=1"),
        (0, "trail LAMP DC1"),
        (0, "trace order-1"),
        (0, "sources"),
        (0, "policy report"),
        (0, "reserve LAMP DC1 1 --ttl 1s --id hold-3 --source shop"),  # The last message: only a tick ends it.
    ]
    for commands in (life, life[:2]):  # The second life begins with a snapshot, and streams that are there.
        stop = asyncio.Event()
        daemon = asyncio.create_task(run(load(configs["daemon"], {}), stop=stop))
        async with client_of(guarded, "operator") as operator:
            await until(lambda: has_reached(operator, 0))
            publish = ["publish", str(events), "--force", "--config", str(configs["wms"])]
            assert await asyncio.to_thread(execute, publish) == 0, capfd.readouterr().err
            info = await JetStream(operator).stream(EVENTS)
            assert info is not None
            await until(partial(has_reached, operator, info.last_sequence))
            for status, command in commands:
                arguments = [*command.split(), "--config", str(configs["operator"])]
                assert await asyncio.to_thread(execute, arguments) == status, (command, capfd.readouterr())
            if commands is life:
                await until(lambda: has_ticked(operator))
        stop.set()
        await asyncio.wait_for(daemon, 60)
    said = capfd.readouterr()
    assert "permissions violation" not in caplog.text.lower()
    assert "secret-of" not in caplog.text + said.out + said.err


async def test_no_system_can_speak_as_another(
    guarded: GuardedServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, guarded.url, {"nats": nats(guarded, "daemon"), "engine": BOUND})
    (tmp_path / "wms").mkdir()
    as_wms = write_config(tmp_path / "wms", guarded.url, {"nats": nats(guarded, "wms"), "engine": BOUND})
    stop = asyncio.Event()
    daemon = asyncio.create_task(run(load(config, {}), stop=stop))
    async with (
        client_of(guarded, "operator") as operator,
        client_of(guarded, "wms") as wms,
        client_of(guarded, "erp") as erp,
        Client(config=as_wms, timeout_s=5) as commanding,
    ):
        await until(lambda: has_reached(operator, 0))
        forged = event(1, source="erp", quantity=1_000).encode()
        # On its subject, the server denies it, so that it is not even in the log.
        await wms.publish("tallystick.events.erp", forged)
        await wms.publish("tallystick.events", forged)
        await wms.flush(10)
        await until(lambda: has_denied(wms, {"tallystick.events.erp", "tallystick.events"}))
        # In the body, the engine does.
        await wms.request("tallystick.events.wms", forged, 10)
        stored = await erp.request("tallystick.events.erp", event(1, source="erp", quantity=2).encode(), 10)
        last = int(json.loads(stored.data)["seq"])
        assert last == 2
        await until(partial(has_reached, operator, last))
        status = await ask(operator, {}, "status")
        assert status["outcomes"] == {"applied": 1, "not_owner": 1}
        [item] = (await ask(operator, {}, "exceptions.list"))["items"]
        assert (item["code"], item["cause"]) == (
            "foreign_subject",
            'Source "erp" was sent on the subject of "wms".',
        )
        # By the configuration of all, a command goes where it must; as another one it is denied.
        with pytest.raises(BusError, match=r"the server denies this user tallystick\.events\.erp"):
            await commanding.put(forged)
        # Nor does an operator say it for them by mistake: it would count then.
        (tmp_path / "operator").mkdir()
        as_operator = write_config(
            tmp_path / "operator", guarded.url, {"nats": nats(guarded, "operator"), "engine": BOUND}
        )
        command = ["exceptions", "repair", "1", "--config", str(as_operator)]
        assert await asyncio.to_thread(execute, command) == 2
        assert "exception 1 came on another source's subject" in capfd.readouterr().err
        assert (await ask(operator, {}, "status"))["sequence"] == last
    stop.set()
    await asyncio.wait_for(daemon, 60)
    assert "secret-of" not in capfd.readouterr().err


async def has_denied(client: PatientClient, subjects: set[str]) -> bool:
    return set(client.link.denied) == subjects


async def has_ticked(client: PatientClient) -> bool:
    return int((await ask(client, {}, "status"))["ticks"]) > 0


async def examined(path: Path) -> list[Finding]:
    return [finding async for finding in examine(path)]


def of_check(found: list[Finding], check: str) -> list[Finding]:
    return [finding for finding in found if finding.check == check]


async def test_the_doctor_sees_a_daemon_that_runs_and_says_what_it_is_not_told(
    guarded: GuardedServer, tmp_path: Path
) -> None:
    configs = {}
    for user in USERS:
        (tmp_path / user).mkdir()
        configs[user] = write_config(tmp_path / user, guarded.url, {"nats": nats(guarded, user), "engine": BOUND})
        configs[user].chmod(0o600)
    stop = asyncio.Event()
    daemon = asyncio.create_task(run(load(configs["daemon"], {}), stop=stop))
    async with client_of(guarded, "operator") as operator:
        await until(partial(has_reached, operator, 0))
        found = await examined(configs["daemon"])
        assert {one.check for one in found if one.state != "ok"} == {"sync"}, found
        assert "running: 0 messages applied" in of_check(found, "daemon")[0].text
        assert verdict(found) == "Nothing to mend; not looked at: sync."
        # As the operator the same, but that is not who the daemon is.
        found = await examined(configs["operator"])
        assert [one.check for one in found if one.state == "fail"] == ["credentials"], found
        assert "run this as the daemon's user" in (of_check(found, "credentials")[0].cure or "")
        assert "running: 0 messages applied" in of_check(found, "daemon")[0].text
        # A user that is told nothing: nothing is well, and nothing is to be started again.
        found = await examined(configs["wms"])
        assert {one.check for one in found if one.state == "skip"} >= {"credentials", "clock", "jetstream", "daemon"}
        assert not [one for one in of_check(found, "daemon") if one.state != "skip"], found
        assert all("the server denies this user" in one.text for one in of_check(found, "daemon"))
        assert "All is well" not in verdict(found)
    stop.set()
    await asyncio.wait_for(daemon, 60)


FOREIGN = (
    *(f"$JS.API.STREAM.{verb}.{EVENTS}" for verb in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE", "SNAPSHOT", "RESTORE")),
    *("$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.NAMES", "$JS.API.INFO", "$JS.API.STREAM.INFO.OTHER"),
    *("$JS.API.CONSUMER.CREATE.OTHER.c", f"$JS.API.CONSUMER.LIST.{EVENTS}", "$JS.ACK.x", "$SYS.REQ.SERVER.PING"),
    *("_INBOX_daemon.x", "_INBOX.x", "anything", "tallystick", "tallystick.other"),
)


@pytest.mark.parametrize("user", USERS)
async def test_nothing_else_is_permitted(guarded: GuardedServer, user: str) -> None:
    everything = {subject for other in USERS for what in ("publish", "subscribe") for subject in permitted(other, what)}
    concrete = {re.sub(r"[*>]$", "x", subject) for subject in everything} | set(FOREIGN)
    for what in ("publish", "subscribe"):
        allowed = permitted(user, what)
        ours = {subject for subject in concrete if any(subject == one or matches(one, subject) for one in allowed)}
        if what == "subscribe":
            concrete |= {">", "tallystick.>", "_INBOX.>", "_INBOX_daemon.*", "_INBOX_operator.>", "_INBOX_wms.>"}
            concrete -= {f"_INBOX_{user}.>", f"_INBOX_{user}.*"}
        async with client_of(guarded, user) as client:
            for subject in concrete:
                if what == "publish":
                    await client.publish(subject, b"")
                else:
                    await client.subscribe(subject)
            await client.flush(10)
            async with asyncio.timeout(30):
                denied = {subject.lower() for subject in concrete - ours}
                while set(client.link.denied) != denied:
                    assert set(client.link.denied) <= denied, set(client.link.denied) - denied
                    await asyncio.sleep(0.05)


def matches(pattern: str, subject: str) -> bool:
    return pattern[-1] in "*>" and subject[-1] not in "*>" and covers(pattern, subject)


@pytest.mark.parametrize("count", [1, 50])
async def test_a_file_for_a_denied_subject_ends_at_once_with_its_cure(
    guarded: GuardedServer, tmp_path: Path, capfd: pytest.CaptureFixture[str], count: int
) -> None:
    config = write_config(tmp_path, guarded.url, {"nats": nats(guarded, "wms"), "engine": BOUND})
    async with client_of(guarded, "daemon") as daemon:
        await ensure_input(JetStream(daemon), load(config, {}).input)
    ours = [event(number) for number in range(count)]
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join([*ours, event(count, source="erp"), *ours, ""]))
    command = ["publish", str(events), "--config", str(config)]
    status = await asyncio.wait_for(asyncio.to_thread(execute, command), GIVE_UP_AFTER_S / 2)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("tallystick: ")]
    assert status == 1
    found = re.search(r":(\d+): the server denies this user tallystick.events.erp; permit it .* --from-line \1$", line)
    assert found is not None, line
    assert int(found[1]) <= count + 1, "what was confirmed meanwhile need not be sent again"


async def test_a_permission_that_reading_needs_ends_the_daemon_when_it_is_taken_away(tmp_path: Path) -> None:
    def users(*denied: str) -> dict[str, Any]:
        may = {"publish": {"allow": [">"], "deny": list(denied)}, "subscribe": ">"}
        return {"users": [{"user": "daemon", "password": "secret", "permissions": may}]}

    with ConfiguredServer(tmp_path / "nats", {"authorization": users("nothing")}) as server:
        path = write_config(tmp_path, server.url, {"nats": {"user": "daemon", "password": "secret"}})
        daemon = asyncio.create_task(run(load(path, {})))
        async with of_daemon(server) as client:
            await until(partial(has_reached, client, 0))
        server.reload(
            authorization=users(f"$JS.API.CONSUMER.CREATE.{EVENTS}.*", f"$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.*")
        )
        with pytest.raises(BusError, match=rf"the server denies this user \$JS.API.CONSUMER.CREATE.{EVENTS}"):
            await asyncio.wait_for(daemon, 60)


async def test_what_is_denied_is_said_at_once(guarded: GuardedServer) -> None:
    async with client_of(guarded, "wms") as client:
        with pytest.raises(BusError, match=r"the server denies this user \$JS.API.STREAM.INFO.OTHER; permit it there"):
            await JetStream(client).stream("OTHER")
