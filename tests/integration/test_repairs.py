"""Repairs beside a daemon: who made them and why, what harm is asked about, and the way back from a mistake."""

import json
from pathlib import Path

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tests.integration.daemon import EVENTS, ask, publish, until
from tests.integration.desk import NEGATIVE, RECEIVED, TELEPORTED, Say, at_work, lines, number_of


async def told(say: Say, number: int, deeds: int) -> list[tuple[str, str | None, str | None]]:
    """What history says, once the stream was told; that is a moment after the daemon has applied it."""

    async def is_told() -> bool:
        return len(await lines(say, "exceptions", "history", str(number))) == deeds

    await until(is_told)
    found = await lines(say, "exceptions", "history", str(number))
    return [(deed["what"], deed.get("who"), deed.get("note")) for deed in found]


async def test_the_history_names_who_repaired_and_why(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    many = [TELEPORTED | {"id": f"t{number}"} for number in range(70)]
    async with at_work(tmp_path, server, bus, [RECEIVED, NEGATIVE, *many]) as end:
        one = ("exceptions", "repair", "1", "--set", "quantity=4", "--as", "ana", "--note", "a minus too many")
        assert (await say(*one, "--dry-run"))[0] == 0
        assert await say(*one) == (0, "Sent as message 74: counted. Exception 1 is resolved.\n")
        assert (await told(say, 1, 3))[1:] == [
            ("acknowledged", "ana", "repair: a minus too many"),
            ("resolved", None, None),
        ]
        types = tmp_path / "types.toml"
        types.write_text('[types."stock.teleported"]\nalias = "stock.received"\n')
        assert (await say("policy", "apply", str(types)))[0] == 0
        assert (await say("exceptions", "repair", "--code", "unknown_type", "--as", "bo", "--yes"))[0] == 0
        for number in (2, 71):
            assert (await told(say, number, 3))[1] == ("acknowledged", "bo", "repair")
        assert await lines(say, "exceptions", "list", "--state", "all", "--source", "operator") == []
        await end()


async def test_a_harmful_repair_is_asked_about(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    unknown = [RECEIVED | {"id": f"s{n}", "type": "stock.gone", "sku": f"B{n}", "quantity": 1} for n in range(2)]
    async with at_work(tmp_path, server, bus, [RECEIVED, NEGATIVE, *unknown]) as end:
        harmful = ("exceptions", "repair", "1", "--set", "quantity=9999")
        status, words = await say(*harmful)
        why = "it would raise negative_stock (stock fell to -9989 (sold 9999, had 10)), say --yes"
        assert (status, why in words) == (2, True)
        info = await bus.stream(EVENTS)
        assert info is not None
        assert info.last_sequence == 4, "nobody could be asked, and nothing was sent"
        (made,) = await lines(say, *harmful, "--yes")
        (raised,) = made["raised"]
        assert (raised["code"], raised["number"]) == ("negative_stock", int(await number_of(say, "negative_stock")))

        again = json.dumps(NEGATIVE | {"id": "s2"}).encode()
        await publish(bus, [again])

        async def is_raised() -> bool:
            return bool(await lines(say, "exceptions", "list", "--code", "quantity_invalid"))

        await until(is_raised)
        number = await number_of(say, "quantity_invalid")
        status, words = await say("exceptions", "repair", number, "--set", "quantity=1")
        assert (status, "to send it, though A@L would fall from -9989 to -9990, say --yes" in words) == (2, True)

        types = tmp_path / "types.toml"
        types.write_text('[types."stock.gone"]\nalias = "stock.sold"\n')
        assert (await say("policy", "apply", str(types)))[0] == 0
        all_of_them = ("exceptions", "repair", "--code", "unknown_type")
        status, words = await say(*all_of_them)
        assert "They would raise negative_stock (2)." in words
        assert (status, "to send 2 events again, which raises negative_stock (2), say --yes" in words) == (2, True)
        status, words = await say("exceptions", "repair", "3", "--yes")
        assert (status, "It raised negative_stock (exception 6). Stock fell to −1" in words) == (0, True)
        await end()


async def test_what_was_discarded_by_mistake_can_be_counted(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED, NEGATIVE, TELEPORTED]) as end:
        assert (await say("exceptions", "discard", "1", "2", "--note", "a test"))[0] == 0
        status, words = await say("exceptions", "resolve", "1")
        cure = "nothing changed. It is not opened again; to count its event after all: tallystick exceptions repair 1"
        assert (status, cure in words) == (1, True)
        status, words = await say("exceptions", "show", "1")
        assert ("What to do" in words, "It is not opened again; to count" in " ".join(words.split())) == (False, True)
        status, words = await say("exceptions", "repair", "1", "--set", "quantity=4")
        assert (status, words.endswith("counted. Exception 1 is discarded.\n")) == (0, True)
        assert (await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 6
        status, words = await say("exceptions", "repair", "1", "--set", "quantity=4")
        assert (status, "Exception 1 was discarded already" in words) == (1, True), "it is counted once"
        # What was published again under its id counts as well.
        await publish(bus, [json.dumps(TELEPORTED | {"type": "stock.received"}).encode()])

        async def is_counted() -> bool:
            return bool((await ask(bus.client, {"sku": "A"}))["positions"][0]["on_hand"] == 8)

        await until(is_counted)
        assert await lines(say, "exceptions", "list", "--state", "all", "--source", "operator") == []
        await end()


async def test_an_event_that_could_not_be_read_is_settled_by_hand(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    async with at_work(tmp_path, server, bus, [RECEIVED]) as end:
        await publish(bus, [b'{"id": "r2", "source":'])
        fixed = tmp_path / "fix.json"
        fixed.write_text(json.dumps(RECEIVED | {"id": "r2"}))

        async def is_raised() -> bool:
            return bool(await lines(say, "exceptions", "list"))

        await until(is_raised)
        status, words = await say("exceptions", "repair", "1", "--file", str(fixed))
        assert status == 0
        assert "counted. Exception 1 is acknowledged.\n" in words
        assert "If it was this one: tallystick exceptions resolve 1\n" in words
        await end()
