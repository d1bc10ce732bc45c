"""Policy: which tables of a file can change while the daemon runs."""

from pathlib import Path
from typing import Any

import pytest

from tallystick.cli import policy as policy_command
from tallystick.client.policy import LOOK_BACK_MESSAGES, Difference, changes, difference
from tallystick.errors import ConfigurationError

OWNERSHIP = '[ownership]\ndefault = "observer"\n[[ownership.rules]]\nsources = ["wms-*"]\nrole = "owner"\n'
APPROVALS = '[approvals]\nabsolute = "5"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_tables_of_a_file(tmp_path: Path) -> None:
    assert changes(write(tmp_path, OWNERSHIP + APPROVALS)).keys() == {"ownership", "approvals"}
    assert changes(write(tmp_path, OWNERSHIP), shadow=True)["ownership"]["default"] == "observer"


@pytest.mark.parametrize(
    ("name", "entry"), [("shipping", 'from = "on_hand"\n'), ("replenish", "point = 10\ntarget = 40\n")]
)
def test_tables_of_which_there_are_several_can_change(tmp_path: Path, name: str, entry: str) -> None:
    found = changes(write(tmp_path, f'[[{name}]]\n{entry}[[{name}]]\nlocations = ["L"]\n{entry}'))
    assert [len(entries) for entries in found.values()] == [2]


@pytest.mark.parametrize(
    ("text", "shadow", "words"),
    [
        ("", False, "holds no table"),
        (APPROVALS + '[engine]\nnegative_stock = "allow"\n', False, r"\[engine\] cannot change"),
        (APPROVALS + '[nats]\nname = "x"\n', False, r"\[nats\] cannot change"),
        (APPROVALS, True, r"only \[ownership\] can be tried"),
        (OWNERSHIP + APPROVALS, True, "leave the other tables out"),
        ("[approvals]\nabsolute = 'many'\n", False, r"policy\.toml:\d: .*many"),
        ("[aprovals]\n", False, "did you mean"),
    ],
)
def test_files_that_do_not_do(tmp_path: Path, text: str, shadow: bool, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        changes(write(tmp_path, text), shadow=shadow)


SOURCES = {"wms": {"max_age": "1d", "team": "dock"}, "erp": {}, "shop": {"order": "sequence"}}


@pytest.mark.parametrize(
    ("after", "removed", "changed", "added"),
    [
        ({"sources": SOURCES}, [], [], []),
        ({"sources": SOURCES | {"new.one": {}}}, [], [], ['sources."new.one"']),
        ({"sources": {"late": {}}}, ["sources.wms", "sources.erp", "sources.shop"], [], ["sources.late"]),
        ({"sources": SOURCES | {"wms": {"max_age": "2d"}}}, ["sources.wms.team"], ["sources.wms.max_age"], []),
        ({"approvals": {"absolute": 5}}, [], [], ["approvals.absolute"]),
        ({"shipping": [{"from": "on_hand"}, {"from": "picked", "sources": ["a"]}]}, [], [], ["1 of 2 in shipping"]),
        ({"shipping": [{"from": "picked"}]}, ["1 of 1 in shipping"], [], ["1 of 1 in shipping"]),
        ({"ownership": {"rules": [2, 1]}}, [], ["ownership.rules"], []),
        ({"ownership": {"rules": [1]}}, ["1 of 2 in ownership.rules"], [], []),
        ({"replenish": [{"point": 1}]}, [], [], ["1 of 1 in replenish"]),
    ],
)
def test_what_a_change_removes_is_named(
    after: dict[str, Any], removed: list[str], changed: list[str], added: list[str]
) -> None:
    before = {"sources": SOURCES, "shipping": [{"from": "on_hand"}], "ownership": {"rules": [1, 2]}}
    assert difference(before, after) == Difference(removed, changed, added)


def test_how_far_the_log_is_looked_through_is_said_once() -> None:
    assert policy_command.LOOK_BACK_MESSAGES == LOOK_BACK_MESSAGES
