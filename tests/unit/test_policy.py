"""Policy: which tables of a file can change while the daemon runs."""

from pathlib import Path

import pytest

from tallystick.client.policy import changes
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
