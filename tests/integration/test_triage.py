"""The morning of somebody who owns exceptions: 192 of them, the five that matter first, all decided in five commands.

And what they type wrong stays out of the log.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tests.integration.daemon import EVENTS, ask, until
from tests.integration.desk import COUNTED, NEGATIVE, RECEIVED, TELEPORTED, Say, at_work, lines, number_of

TABLES: Mapping[str, Mapping[str, Any]] = {
    "approvals": {"mass_change_percent": 30, "mass_change_positions_min": 5},
    "master": {"mode": "off"},
    "exceptions": {"teams": ["carriers"]},
}


def event(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"{kind}{number}", "source": "wms", "type": f"stock.{kind}", "location": "DC1"} | more


def morning() -> list[dict[str, Any]]:
    """A feed that counts most of a warehouse anew, four dear conflicts, and 187 small ones of two kinds before them."""
    small = [TELEPORTED | {"id": f"t{number}", "quantity": 1} for number in range(100)]
    small += [NEGATIVE | {"id": f"n{number}", "source": "scanner", "quantity": -1} for number in range(87)]
    dear = {"id": "i", "source": "erp", "type": "item.defined", "sku": "DEAR", "unit_cost": "120.50"}
    came = [event(number, "received", sku=f"S{number}", quantity=10) for number in range(10)]
    first = [event(number, "received", sku="DEAR", quantity=500, id=f"d{number}") for number in range(4)]
    again = [one | {"quantity": 400 + number} for number, one in enumerate(first)]
    counted = [event(number, "counted", sku=f"S{number}", quantity=0) for number in range(8)]
    return [*small, dear, *came, *first, *again, *counted]


async def test_192_are_decided_in_five_commands(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, morning(), TABLES) as end:
        found = await lines(say, "exceptions", "list")
        assert len(found) == 192, "a program gets all of them"
        status, shown = await say("exceptions", "list", "--limit", "3", "--json")
        assert (status, shown.count("\n"), "3 of 192 shown, worst first; see more with --limit." in shown) == (
            0,
            4,
            True,
        )
        first = [item["code"] for item in found[:5]]
        assert first == ["mass_change", *["conflict"] * 4], "the worst first, and then what is worth most"
        assert found[1]["value"] == 403 * 120.5
        kinds = await lines(say, "exceptions", "list", "--summary")
        assert [(kind["code"], kind["count"]) for kind in kinds] == [
            ("mass_change", 1),
            ("conflict", 4),
            ("unknown_type", 100),
            ("quantity_invalid", 87),
        ]
        status, shown = await say("exceptions", "list")
        assert status == 0
        assert "50 of 192 shown, worst first; see more with --limit." in shown
        # One: what the feed meant.
        assert (await say("exceptions", "deny", str(found[0]["number"]), "--as", "ana"))[0] == 0
        # Two: the second version of each was wrong.
        status, shown = await say("exceptions", "discard", "--code", "conflict", "--note", "typed twice", "--yes")
        assert (status, shown.count(" discarded."), "4 of 4 exceptions discarded." in shown) == (0, 5, True)
        # Three and four: the robot's type is known now, and what it said is counted.
        types = tmp_path / "types.toml"
        types.write_text('[types."stock.teleported"]\nalias = "stock.received"\n')
        assert (await say("policy", "apply", str(types)))[0] == 0
        status, shown = await say("exceptions", "repair", "--code", "unknown_type", "--yes")
        assert (status, "100 events sent again; 100 resolved." in shown) == (0, True)
        # Five: the scanner was on trial.
        trial = ("--source", "scanner", "--note", "on trial", "--yes")
        assert (await say("exceptions", "discard", *trial))[0] == 0
        assert await lines(say, "exceptions", "list") == []
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 100
        await end()


MISTAKES = [
    ("reserve A L 0", "quantity: 0 cannot be held"),
    ("reserve A L 1 --due tomorrow", "due: tomorrow is no day"),
    ("reserve A L 1 --due 2062-12-01", "beyond the horizon"),
    ("reserve A L 1 --ttl soon", "ttl: soon is no time"),
    ("reserve A 1 --group nowhere", "there is no group nowhere"),
    ("reserve LAMPP L 1", "nothing was ever heard of LAMPP at L"),
    ("post shop/none", "shop/none is no reservation"),
    ("void shop/none", "shop/none is no reservation"),
    ("void r1", "is no key of a reservation"),
    ("change shop/none --quantity 0", "quantity: 0 cannot be held"),
    ("change shop/none --ttl 2h", "shop/none is no reservation"),
    ("exceptions ack 99", "there is no exception 99"),
    ("exceptions approve 1", "only pending_approval and mass_change"),
    ("exceptions ack", "give the numbers of exceptions, or options"),
    ("exceptions ack 1 --code late", "options such as --code that say which, not both"),
    ("exceptions ack 1x", "NUMBER: 1x is no whole number"),
    ("exceptions ack 0", "NUMBER: 0 is too small; give 1 or more"),
    ("exceptions list --timeout-s soon", "--timeout-s: soon is no number"),
    ("exceptions list --sort size", "--sort: 'size' is not one of"),
    ("exceptions show 1 2", "unexpected argument 2"),
    ("exceptions repair 1 --code late", "--code for all of one kind, not both"),
    ("exceptions repair 1 2", "repair takes one NUMBER at a time"),
    ("exceptions repair 1 --set locaton=X", "locaton is no field of an event; did you mean location?"),
    ("exceptions repair 1 --set time=2026-12-01", "time: 2026-12-01 is no time with a zone; give 2026-12-01T08:00:00Z"),
    ("exceptions repair 1 --set due=soon", "due: soon is no day; give 2026-12-01, or 2026-12-01T08:00:00Z"),
    ("exceptions repair 1 --operator nobody", 'there is no "nobody"; there are operator'),
    ("exceptions repair 1 --note " + "x" * 57, "--note has more than 56 bytes"),
    ("exceptions ack 1 --operator nobody", 'there is no "nobody"; there are operator'),
    ("exceptions resolve --code unknown_typ --yes", "did you mean unknown_type?"),
    ("exceptions resolve --severity critcal --yes", "did you mean critical?"),
    ("exceptions resolve --source robo --yes", "did you mean robot?"),
    ("exceptions resolve --code late --yes", "there is nothing to resolve with code late"),
    ("exceptions resolve --code unknown_type", "say --yes"),
    ("exceptions assign 1 finanse", "did you mean finance?"),
    ("exceptions repair --code negative_stock --yes", "does not go away when the same event comes again"),
    ("exceptions repair 1 --set id=other", "id was t1 and may not become other"),
    ("exceptions list --code unknown_typ", "did you mean unknown_type?"),
    ("exceptions list --team carrier", "did you mean carriers?"),
    ("exceptions list --severity bad", "there are critical, error, warning, info"),
    ("exceptions list --sku AA", "--sku: no exception names SKU AA; did you mean A?"),
    ("exceptions list --since yesterday", "neither a duration nor a time"),
    ("policy end-shadow --operator nobody", None),
]


async def test_what_is_typed_wrong_stays_out_of_the_log(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED], TABLES) as end:
        for command, words in MISTAKES:
            status, shown = await say(*command.split())
            if words is not None:
                assert (status, words in shown) == (2, True), f"{command}: {status} {shown}"
        info = await bus.stream(EVENTS)
        assert info is not None
        assert info.last_sequence == 2
        assert [item["code"] for item in await lines(say, "exceptions", "list", "--state", "all")] == ["unknown_type"]
        await end()


async def test_what_the_ledger_knows_is_no_mistake(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    known = RECEIVED | {"id": "r2", "sku": "A2", "source": "robot2"}
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED, known], TABLES) as end:
        assert await say("exceptions", "list", "--sku", "A2") == (0, "No exceptions are unresolved with sku A2.\n")
        assert (await say("exceptions", "list", "--source", "robot2"))[0] == 0
        assert await lines(say, "exceptions", "list", "--sku", "A2") == []
        status, words = await say("exceptions", "list", "--location", "L2")
        assert status == 0 or "no exception names location L2; did you mean L?" in words
        await end()


async def test_a_reservation_that_has_ended_is_said_to_have(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        for name in ("r1", "r2"):
            assert (await say("reserve", "A", "L", "2", "--id", name))[0] == 0
        assert (await say("post", "operator/r1"))[0] == 0
        assert (await say("void", "operator/r2"))[0] == 0
        assert await say("post", "operator/r1") == (0, "operator/r1 was posted already; nothing changed.\n")
        assert await say("void", "operator/r2") == (0, "operator/r2 was voided already; nothing changed.\n")
        status, words = await say("void", "operator/r1")
        assert (status, "was posted already; nothing changed" in words) == (1, True)
        assert (await say("reserve", "A", "L", "2", "--id", "r1"))[0] == 0, "the same id again gets the same answer"
        assert await lines(say, "exceptions", "list", "--state", "all") == []
        await end()


async def test_who_did_what_is_told(tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, TELEPORTED, TELEPORTED], TABLES) as end:
        assert (await say("exceptions", "ack", "1", "--as", "ana", "--note", "asked them"))[0] == 0
        status, words = await say("exceptions", "ack", "1", "--as", "bo")
        assert (status, "Exception 1 was acknowledged already, by ana at 20" in words) == (0, True)
        status, words = await say("exceptions", "assign", "1", "carriers", "--as", "ana")
        assert (status, words) == (0, "Exception 1 assigned to carriers.\n")
        assert len(await lines(say, "exceptions", "list", "--team", "carriers")) == 1
        assert (await say("exceptions", "resolve", "1", "--as", "bo"))[0] == 0
        status, words = await say("exceptions", "ack", "1", "--as", "ana")
        assert (status, "Exception 1 was resolved already, by bo at 20" in words) == (1, True)

        # The stream is told a moment after the daemon has applied it.
        async def is_told() -> bool:
            return len(await lines(say, "exceptions", "history", "1")) == 4

        await until(is_told)
        deeds = await lines(say, "exceptions", "history", "1")
        assert [(deed["what"], deed.get("who"), deed.get("operator")) for deed in deeds] == [
            ("raised", None, None),
            ("acknowledged", "ana", "operator"),
            ("assigned", "ana", "operator"),
            ("resolved", "bo", "operator"),
        ]
        assert (deeds[0]["count"], deeds[1]["note"], deeds[2]["team"]) == (2, "asked them", "carriers")
        assert "ana (operator)" in (await say("exceptions", "history", "1"))[1]
        assert (await say("exceptions", "history", "7"))[0] == 2
        await end()


async def test_nothing_is_sent_that_would_be_refused_again(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    good = NEGATIVE | {"id": "good", "quantity": 2, "type": "stock.soldd"}
    async with at_work(tmp_path, server, bus, [RECEIVED, NEGATIVE, TELEPORTED, good]) as end:
        status, words = await say("exceptions", "repair", "1")
        assert (status, "not sent, because it would be refused again as quantity_invalid" in words) == (1, True)
        status, words = await say("exceptions", "repair", "1", "--set", "quantity=-5")
        assert (status, "not sent" in words) == (1, True)
        types = tmp_path / "types.toml"
        types.write_text('[types."stock.soldd"]\nalias = "stock.sold"\n')
        assert (await say("policy", "apply", str(types)))[0] == 0
        status, words = await say("exceptions", "repair", "--code", "unknown_type", "--yes")
        assert status == 1
        assert "1 event sent again; 1 resolved." in words
        assert "1 not sent: 1 would be refused again as unknown_type" in " ".join(words.split())
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 8
        info = await bus.stream(EVENTS)
        assert info is not None
        assert info.last_sequence == 7, "the change of types, who repairs, and the one event"
        await end()


@pytest.mark.parametrize("columns", ["80", "200"])
async def test_numbers_stand_before_and_after(
    tmp_path: Path,
    server: EmbeddedServer,
    bus: JetStream,
    say: Say,
    columns: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    sold = RECEIVED | {"id": "s2", "type": "stock.sold", "quantity": 15}
    log = [RECEIVED, sold, sold | {"quantity": 16}, COUNTED]
    async with at_work(tmp_path, server, bus, log) as end:
        shown = {}
        for code in ("negative_stock", "conflict", "pending_approval"):
            shown[code] = " ".join((await say("exceptions", "show", await number_of(say, code)))[1].split())
        assert "Stock fell to −5 (sold 15, had 10)." in shown["negative_stock"]
        assert "On hand: 10 → −5 (−15)" in shown["negative_stock"]
        assert "Id s2 was already used: quantity was 15, is now 16." in shown["conflict"]
        assert "quantity: 15 at first → 16 under the same id" in shown["conflict"]
        number = await number_of(say, "pending_approval")
        assert "On hand: −5 → 9,000 (+9,005)" in shown["pending_approval"]
        assert f"tallystick exceptions approve {number}" in shown["pending_approval"]
        assert f"tallystick exceptions deny {number}" in shown["pending_approval"]
        listed = (await say("exceptions", "list"))[1]
        assert max(map(len, listed.splitlines())) <= int(columns)
        assert json.loads(json.dumps(await lines(say, "exceptions", "show", number)))[0]["after"] == 9_000
        await end()
