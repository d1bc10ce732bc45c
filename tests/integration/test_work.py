"""Work on exceptions with the command line, a real server and a daemon: listed, moved on, repaired, approved."""

import json
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.questions import QUESTIONS
from tallystick.bus.streams import covers
from tallystick.cli.replenish import NOTHING
from tallystick.client import directives
from tallystick.config import Input, Output
from tests.integration.daemon import ask, configure, has_reached, publish, until
from tests.integration.desk import COUNTED, NEGATIVE, RECEIVED, TELEPORTED, Say, at_work, lines, number_of


async def test_exceptions_are_listed_and_shown(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED, NEGATIVE]) as end:
        found = await lines(say, "exceptions", "list")
        assert [item["code"] for item in found] == ["quantity_invalid", "unknown_type"], "as bad, and about more"
        assert [item["number"] for item in found] == [2, 1]
        assert await lines(say, "exceptions", "list", "--source", "robot", "--limit", "1") == found[1:]
        assert await lines(say, "exceptions", "list", "--sort", "age") == found[::-1]
        assert await lines(say, "exceptions", "list", "--state", "resolved") == []
        status, shown = await say("exceptions", "list")
        assert status == 0
        assert "unknown_type" in shown
        assert "robot/t1, A@L" in shown
        status, shown = await say("exceptions", "show", "1")
        assert status == 0
        assert '"type": "stock.teleported"' in shown
        assert "What to do: Add the type to [types]" in shown
        assert "tallystick exceptions repair 1 --set type=TYPE" in " ".join(shown.split())
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
        assert (status, 'there is no "stranger"' in words) == (2, True)
        assert len(await lines(say, "exceptions", "list", "--state", "all")) == 2, "nothing of it is in the log"
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
        status, words = await say("exceptions", "repair", "--code", "unknown_type", "--type", "stock.beamed", "--yes")
        assert (status, "nothing was sent: 1 would be refused again as unknown_type" in words) == (1, True)
        assert (await say("policy", "apply", str(types)))[0] == 0
        choice = ("--code", "unknown_type", "--source", "robot", "--type", "stock.teleported")
        (tried,) = await lines(say, "exceptions", "repair", *choice, "--dry-run")
        assert tried == {"count": 150, "outcome": "applied", "sent": True}
        status, shown = await say("exceptions", "repair", *choice)
        assert (status, "to send 150 events again, say --yes" in shown) == (2, True), "nobody can be asked here"
        (made,) = await lines(say, "exceptions", "repair", *choice, "--yes")
        assert made == {"sent": 150, "left_out": 0, "resolved": 150, "unresolved": 0}
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
        done = {"approve": "approved", "deny": "denied"}
        thing = {"approve": "the count was posted", "deny": "the count was dropped"}
        assert said["message"] == f"Exception {number} {done[decision]}; {thing[decision]}."
        status, words = await say("exceptions", decision, number, "--note", "again")
        assert (status, f"was {done[decision]} already" in words) == (0, True), "it is as was asked"
        (other,) = set(done) - {decision}
        status, words = await say("exceptions", other, number)
        assert (status, f"was {done[decision]} already" in words) == (1, True), "it is decided once"
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
        report = await lines(say, "policy", "report")
        assert [(row["source"], row["shadow_role"], row["count"]) for row in report] == [("wms", "observer", 1)]
        assert "observer" in (await say("policy", "report"))[1]
        assert (await say("policy", "end-shadow", "--note", "seen enough"))[0] == 0
        assert "No policy is on trial" in (await say("policy", "report"))[1]
        assert await say("policy", "end-shadow") == (0, "No policy is on trial; nothing changed.\n")
        status, words = await say("policy", "apply", str(ownership), "--operator", "stranger")
        assert (status, 'there is no "stranger"' in words) == (2, True)
        sources = await lines(say, "sources", "wms")
        assert [(row["source"], row["events"]) for row in sources] == [("wms", 2)]
        assert "2 of 2 not registered" in (await say("sources"))[1]
        assert [row["quantity"] for row in await lines(say, "trail", "A", "L")] == [10, 10]
        assert (await say("trail", "A", "L"))[1].count("+10") == 2
        assert "on" in (await say("atp", "A"))[1]
        assert "no stock was ever seen" in (await say("trail", "B", "L"))[1]
        await end()


async def test_a_trail_knows_what_was_repaired(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    """Of what came twice under one key, the trail names what counted: not what was refused before it."""
    wrong = RECEIVED | {"id": "typo", "quantity": "5,000"}
    taken_back = RECEIVED | {"id": "minus", "quantity": -4, "time": "2026-01-01T00:00:00Z"}
    async with at_work(tmp_path, server, bus, [RECEIVED, wrong, taken_back]) as end:
        assert (await say("exceptions", "repair", "1", "--set", "quantity=5000", "--yes"))[0] == 0
        assert (await say("exceptions", "repair", "2", "--set", "quantity=7", "--set", "time=", "--yes"))[0] == 0
        void = {"id": "v", "source": "wms", "type": "event.voided", "target": {"id": "minus"}}
        await publish(bus, [json.dumps(void).encode(), json.dumps(RECEIVED | {"id": "typo", "quantity": 6}).encode()])
        await until(lambda: has_reached(bus.client, 9))
        rows = await lines(say, "trail", "A", "L")
        told = sorted((row["id"], row["quantity"], row["balance"], row["sequence"], row["voided_by"]) for row in rows)
        assert told == [("minus", 7, 5010, 7, "wms/v"), ("r1", 10, 10, 1, None), ("typo", 5000, 5010, 5, None)]
        assert "not found" not in (await say("trail", "A", "L"))[1]
        await end()


async def test_what_is_to_be_ordered(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        assert await say("replenish") == (0, NOTHING + "\n")
        rules = tmp_path / "rules.toml"
        rules.write_text('[[replenish]]\nlocations = ["L"]\npoint = 12\ntarget = "40.5"\n')
        assert (await say("policy", "apply", str(rules)))[0] == 0
        found = await lines(say, "replenish")
        assert [(signal["sku"], signal["quantity"]) for signal in found] == [("A", 30.5)]
        assert "30.5" in (await say("replenish", "--location", "L"))[1]
        assert await lines(say, "replenish", "--sku", "B") == []
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
