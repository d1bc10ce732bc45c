"""Work on exceptions with the command line, a real server and a daemon: listed, moved on, repaired, approved."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.questions import QUESTIONS
from tallystick.bus.streams import covers
from tallystick.cli.app import execute
from tallystick.cli.replenish import NOTHING
from tallystick.client import directives
from tallystick.config import Input, Output
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run
from tests.integration.daemon import ask, configure, has_reached, prove, publish, until

RECEIVED = {"id": "r1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 10}
TELEPORTED = {"id": "t1", "source": "robot", "type": "stock.teleported", "sku": "A", "location": "L", "quantity": 2}
NEGATIVE = {"id": "s1", "source": "shop", "type": "stock.sold", "sku": "A", "location": "L", "quantity": -4}
COUNTED = {"id": "c1", "source": "wms", "type": "stock.counted", "sku": "A", "location": "L", "quantity": 9_000}
TABLES = {"approvals": {"absolute": "1000"}}

Say = Callable[..., Coroutine[Any, Any, tuple[int, str]]]


@asynccontextmanager
async def at_work(
    folder: Path,
    server: EmbeddedServer,
    bus: JetStream,
    events: list[dict[str, Any]],
    tables: Mapping[str, Mapping[str, Any]] = TABLES,
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, RunReport]]]:
    """A daemon that has applied the events; what it gives stops it and proves the outputs against a plain replay."""
    config = configure(folder, server, tables)
    await publish(bus, [json.dumps(event).encode() for event in events])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))

    async def end() -> RunReport:
        stop.set()
        report = await asyncio.wait_for(running, 60)
        await prove(bus, config, report)
        return report

    try:
        await until(lambda: has_reached(bus.client, len(events)))
        yield end
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command as a person would, beside the daemon; gives its status and what it printed."""

    async def run_command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(execute, [*arguments, "--config", str(tmp_path / "tallystick.toml")])
        shown = capsys.readouterr()
        assert "…" not in shown.out, "nothing is cut off, however narrow the terminal"
        return status, shown.out + shown.err

    return run_command


async def lines(say: Say, *arguments: str) -> list[Any]:
    status, shown = await say(*arguments, "--json")
    assert status == 0, shown
    return [json.loads(line) for line in shown.splitlines()]


async def number_of(say: Say, code: str) -> str:
    (found,) = await lines(say, "exceptions", "list", "--code", code)
    return str(found["number"])


async def test_exceptions_are_listed_and_shown(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED, NEGATIVE]) as end:
        found = await lines(say, "exceptions", "list")
        assert [item["code"] for item in found] == ["unknown_type", "quantity_invalid"]
        assert [item["number"] for item in found] == [1, 2]
        assert await lines(say, "exceptions", "list", "--source", "robot", "--limit", "1") == found[:1]
        assert await lines(say, "exceptions", "list", "--state", "resolved") == []
        status, shown = await say("exceptions", "list")
        assert status == 0
        assert "unknown_type" in shown
        assert "robot/t1, A@L" in shown
        status, shown = await say("exceptions", "show", "1")
        assert status == 0
        assert '"type": "stock.teleported"' in shown
        assert "cure" in shown
        assert json.loads((await lines(say, "exceptions", "show", "1"))[0]["event"]) == TELEPORTED
        assert (await say("exceptions", "show", "9"))[0] == 2
        assert (await lines(say, "exceptions", "stats"))[0]["open"] == 2
        assert (await say("exceptions", "stats"))[0] == 0
        assert (await say("exceptions", "ack", "9"))[0] == 2
        status, words = await say("exceptions", "approve", "1")
        assert (status, "only pending_approval and mass_change" in words) == (2, True)
        await end()


async def test_exceptions_are_moved_on(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED, NEGATIVE]) as end:
        said = await lines(say, "exceptions", "ack", "1", "2", "--note", "asked")
        assert [(row["number"], row["outcome"], row["state"]) for row in said] == [
            (1, "applied", "acknowledged"),
            (2, "applied", "acknowledged"),
        ]
        (shown,) = await lines(say, "exceptions", "show", "1")
        assert shown["note"] == "asked"
        assert (await lines(say, "exceptions", "resolve", "1"))[0]["state"] == "resolved"
        assert (await lines(say, "exceptions", "discard", "2", "--note", "a test"))[0]["state"] == "discarded"
        assert await lines(say, "exceptions", "list") == []
        status, words = await say("exceptions", "ack", "1", "--operator", "stranger")
        assert status == 1
        assert "refused" in words
        (refused,) = await lines(say, "exceptions", "list", "--source", "stranger")
        assert refused["code"] == "not_owner"
        await end()


async def test_a_repair_is_tried_and_then_made(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, NEGATIVE]) as end:
        number = await number_of(say, "quantity_invalid")
        (tried,) = await lines(say, "exceptions", "repair", number, "--set", "quantity=4", "--dry-run")
        assert [row["outcome"] for row in tried["outcomes"]] == ["applied"]
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 10
        status, shown = await say("exceptions", "repair", number, "--set", "quantity=4", "--dry-run")
        assert status == 0
        assert "on_hand 10 → 6" in shown
        status, shown = await say("exceptions", "repair", number, "--set", "id=s2")
        assert status == 2
        assert "id was s1" in shown
        (made,) = await lines(say, "exceptions", "repair", number, "--set", "quantity=4")
        assert (made["outcome"], made["state"]) == ("applied", "resolved")
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 6
        await end()


async def test_all_of_a_kind_are_sent_again(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    many = [TELEPORTED | {"id": f"t{number}"} for number in range(150)]
    other = TELEPORTED | {"id": "o", "type": "stock.beamed"}
    async with at_work(tmp_path, server, bus, [*many, other]) as end:
        types = tmp_path / "types.toml"
        types.write_text('[types."stock.teleported"]\nalias = "stock.received"\n')
        assert (await say("exceptions", "repair", "--code", "negative_stock"))[0] == 2
        (still,) = await lines(say, "exceptions", "repair", "--code", "unknown_type", "--type", "stock.beamed")
        assert still == {"sent": 1, "left_out": 0, "unresolved": 1}
        assert (await say("policy", "apply", str(types)))[0] == 0
        choice = ("--code", "unknown_type", "--source", "robot", "--type", "stock.teleported")
        status, shown = await say("exceptions", "repair", *choice, "--dry-run")
        assert (status, "150 events would be sent again" in shown) == (0, True)
        (made,) = await lines(say, "exceptions", "repair", *choice)
        assert made == {"sent": 150, "left_out": 0, "unresolved": 0}
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 300
        assert [item["id"] for item in await lines(say, "exceptions", "list")] == ["o"]
        await end()


@pytest.mark.parametrize(("decision", "on_hand"), [("approve", 9_000), ("deny", 10)])
async def test_what_waits_is_decided(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say, decision: str, on_hand: int
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, COUNTED]) as end:
        number = await number_of(say, "pending_approval")
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 10
        (said,) = await lines(say, "exceptions", decision, number)
        assert said["state"] == "resolved"
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == on_hand
        status, words = await say("exceptions", decision, number, "--note", "again")
        assert (status, "resolved already" in words) == (2, True), "it is decided once"
        again = directives.deny(int(number), directive_id="late")
        await publish(bus, [again])
        await until(lambda: has_reached(bus.client, 4))
        (refused,) = await lines(say, "exceptions", "list", "--source", "operator")
        assert (refused["code"], refused["id"]) == ("unknown_reference", "late")
        await end()


async def test_policies_sources_and_trails(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        ownership = tmp_path / "ownership.toml"
        ownership.write_text('[ownership]\n[[ownership.rules]]\nsources = ["wms"]\nrole = "observer"\n')
        assert (await say("policy", "apply", str(ownership), "--shadow"))[0] == 0
        await publish(bus, [json.dumps(RECEIVED | {"id": "r2"}).encode()])
        await until(lambda: has_reached(bus.client, 3))
        (report,) = await lines(say, "policy", "report")
        assert [(row["source"], row["shadow_role"], row["count"]) for row in report["rows"]] == [("wms", "observer", 1)]
        assert "observer" in (await say("policy", "report"))[1]
        assert (await say("policy", "end-shadow", "--note", "seen enough"))[0] == 0
        assert "No policy is on trial" in (await say("policy", "report"))[1]
        status, words = await say("policy", "apply", str(ownership), "--operator", "stranger")
        assert (status, "not_owner" in words) == (1, True)
        (sources,) = await lines(say, "sources", "wms")
        assert [(row["source"], row["events"]) for row in sources] == [("wms", 2)]
        assert "3 of 3 not registered" in (await say("sources"))[1]
        (trail,) = await lines(say, "trail", "A", "L")
        assert [row["quantity"] for row in trail["movements"]] == [10, 10]
        assert (await say("trail", "A", "L"))[1].count("+10") == 2
        assert "on" in (await say("atp", "A"))[1]
        assert "no stock was ever seen" in (await say("trail", "B", "L"))[1]
        await end()


async def test_what_is_to_be_ordered(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        assert await say("replenish") == (0, NOTHING + "\n")
        rules = tmp_path / "rules.toml"
        rules.write_text('[[replenish]]\nlocations = ["L"]\npoint = 12\ntarget = "40.5"\n')
        assert (await say("policy", "apply", str(rules)))[0] == 0
        (found,) = await lines(say, "replenish")
        assert [(signal["sku"], signal["quantity"]) for signal in found["signals"]] == [("A", 30.5)]
        assert "30.5" in (await say("replenish", "--location", "L"))[1]
        assert (await lines(say, "replenish", "--sku", "B"))[0]["total"] == 0
        assert await lines(say, "exceptions", "list") == [], "a signal is no exception"
        await end()


async def test_without_a_daemon_there_is_one_line(tmp_path: Path, server: EmbeddedServer, say: Say) -> None:
    configure(tmp_path, server)
    status, words = await say("exceptions", "list")
    assert status == 3
    assert "no daemon answers" in words


async def test_bad_questions_are_answered_with_a_cure(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]):
        reply = await bus.client.request("tallystick.exceptions.list", b'{"limit": 1000}', 5)
        assert reply.headers is not None
        assert reply.headers["Nats-Service-Error-Code"] == "400"
        assert "from 1 to 500" in reply.headers["Nats-Service-Error"]
        reply = await bus.client.request("tallystick.exceptions.list", b'{"teams": "it"}', 5)
        assert reply.headers is not None
        assert "unknown field 'teams'" in reply.headers["Nats-Service-Error"]


def test_no_question_is_taken_for_an_output() -> None:
    outputs = {Output().availability_subject, Output().exceptions_subject}
    assert outputs.isdisjoint(question.subject for question in QUESTIONS)
    assert not any(covers(taken, question.subject) for taken in Input().subjects for question in QUESTIONS)
