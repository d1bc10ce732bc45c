"""Policies beside a daemon: what a change would remove is said, and asked about, before it is in the log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.client import directives
from tests.integration.daemon import EVENTS, has_reached, publish, until
from tests.integration.desk import RECEIVED, Say, at_work, lines

TABLES: Mapping[str, Mapping[str, Any]] = {
    'sources."wms"': {"team": "dock", "max_age": "7d"},
    'sources."erp"': {"team": "office"},
    "approvals": {"absolute": "1000"},
}


async def in_log(bus: JetStream) -> int:
    info = await bus.stream(EVENTS)
    assert info is not None
    return info.last_sequence


async def test_sources_are_not_forgotten_by_the_way(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    late = tmp_path / "late.toml"
    late.write_text('[sources.scanner]\nmax_age = "30d"\n')
    async with at_work(tmp_path, server, bus, [RECEIVED], TABLES) as end:
        status, words = await say("policy", "apply", str(late))
        assert status == 2
        assert "Removes sources.erp, sources.wms.\nAdds sources.scanner.\n" in words
        assert f"to apply {late}, which removes sources.erp, sources.wms, say --yes, or add to {late}" in words
        (tried,) = await lines(say, "policy", "apply", str(late), "--dry-run")
        assert (tried["sequence"], tried["removed"]) == (None, ["sources.erp", "sources.wms"])
        assert (await say("policy", "apply", str(late), "--dry-run"))[1].endswith("can be applied.\n")
        assert await in_log(bus) == 1

        whole = '[sources.wms]\nteam = "dock"\nmax_age = "7d"\n[sources.erp]\nteam = "office"\n'
        late.write_text(whole + '[sources.scanner]\nmax_age = "30d"\n')
        assert (await say("policy", "apply", str(late)))[0] == 0, "it adds one, and nobody has to be asked"
        late.write_text(whole)
        status, words = await say("policy", "apply", str(late))
        assert (status, "which removes sources.scanner, say" in words) == (2, True), "as the log has it by now"
        (made,) = await lines(say, "policy", "apply", str(late), "--yes")
        assert (made["sequence"], made["removed"], made["added"]) == (3, ["sources.scanner"], [])
        status, words = await say("policy", "apply", str(late))
        assert (status, "It changes nothing." in words) == (0, True)
        await end()


async def test_only_changes_that_were_applied_are_in_force(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say
) -> None:
    changes = [
        directives.configure('[approvals]\nabsolute = "7"\npercent = 5\n'),
        directives.configure({"approvals": {}}, source="stranger"),
        directives.configure('[approvals]\nabsolute = "many"\n'),
    ]
    fewer = tmp_path / "fewer.toml"
    fewer.write_text('[approvals]\nabsolute = "7"\n')
    async with at_work(tmp_path, server, bus, [RECEIVED], TABLES) as end:
        await publish(bus, changes)
        await until(lambda: has_reached(bus.client, 4))
        status, words = await say("policy", "apply", str(fewer))
        assert (status, "Removes approvals.percent.\n" in words, "Changes" in words) == (2, True, False)
        status, words = await say("policy", "apply", str(fewer), "--last", "1")
        assert status == 2, "what was not looked at may be removed"
        assert "not known for certain: changes before message 4 of the log were not looked at; see --last." in words
        await end()


@pytest.mark.parametrize("name", ["approvals", "sources"])
async def test_what_is_not_known_is_not_taken_for_nothing(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, say: Say, name: str
) -> None:
    change = tmp_path / "change.toml"
    change.write_text({"approvals": '[approvals]\nabsolute = "7"\n', "sources": "[sources.new]\n"}[name])
    async with at_work(tmp_path, server, bus, [RECEIVED], TABLES) as end:
        path = tmp_path / "tallystick.toml"
        text = path.read_text()
        path.write_text(text.replace('"1000"', '"999"'))
        status, words = await say("policy", "apply", str(change))
        assert (status, "started with another configuration; name its file with --config" in words) == (2, True)
        assert ("Removes sources.erp, sources.wms." in words) is (name == "sources"), "the daemon knows these names"
        path.write_text(text)
        await end()
