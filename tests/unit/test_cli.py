"""The command line: what it prints, its exit statuses, and that no failure is ever a traceback."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.cli.app import execute

EVENT = (
    '{"id":"1","source":"wms","type":"stock.received","sku":"A","location":"DC1",'
    '"quantity":5,"time":"2026-01-05T08:00:00Z"}\n'
)
COMMANDS = (
    *(
        "demo",
        "run",
        "replay",
        "publish",
        "check",
        "schema",
        "atp",
        "reserve",
        "post",
        "void",
        "reservations",
        "exceptions",
        "trace",
    ),
    *("trail", "sources", "replenish", "policy", "config", "version"),
)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text(EVENT)
    return path


def _in_process(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments], input=stdin, capture_output=True, check=False, cwd=cwd
    )


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)
    assert "Exit status" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, ""),
        (["tally"], 2, "No such command 'tally'"),
        (["replay"], 2, "Missing argument 'FILE"),
        (["replay", "missing.ndjson"], 2, "missing.ndjson: No such file or directory"),
        (["replay", "missing.ndjson", "--config", "missing.toml"], 2, "missing.toml: No such file"),
        (["publish", "x", "--window", "0"], 2, "--window"),
        (["publish", "x", "--server", "nats://127.0.0.1:1"], 2, "x: No such file or directory"),
        (["publish", "-", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["check", "x"], 2, "x: No such file or directory"),
        (["schema", "--format", "xml"], 2, "--format"),
        (["atp", "A", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["atp", "A", "L", "--group", "G"], 2, "give a LOCATION or --group, not both"),
        (["atp", "A", "--quantity", "many"], 2, "'many' is no quantity"),
        (["atp", "A", "--horizon", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["reserve", "A", "3"], 2, "give SKU LOCATION QUANTITY, or SKU QUANTITY --group GROUP"),
        (["reserve", "A", "L", "3", "--group", "G"], 2, "give SKU LOCATION QUANTITY, or SKU QUANTITY --group GROUP"),
        (["reserve", "A", "L", "0.0001"], 2, "more than 3 fraction digits"),
        (["reserve", "A", "L", "1", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["post", "r1"], 2, "r1 is no key of a reservation; give SOURCE/ID"),
        (["void", "shop/r1", "shop/r2", "--quantity", "1"], 2, "--quantity is for one reservation"),
        (["reservations", "--limit", "0"], 2, "--limit"),
        (["config", "check", "--config", "missing.toml"], 2, "missing.toml"),
        (["run", "--config", "missing.toml"], 2, "missing.toml"),
        (["demo", "--kills", "-1"], 2, "--kills"),
        (["exceptions", "list", "--state", "shut"], 2, "--state"),
        (["exceptions", "list", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["exceptions", "show", "0"], 2, "NUMBER"),
        (["exceptions", "ack", "1", "--note", "x" * 65], 2, "more than 64 bytes"),
        (["exceptions", "discard", "1"], 2, "--note"),
        (["exceptions", "repair"], 2, "give the NUMBER of an exception"),
        (["exceptions", "repair", "1", "--code", "loop"], 2, "give the NUMBER of an exception"),
        (["exceptions", "repair", "--code", "loop", "--set", "a=b"], 2, "--set and --file are for one"),
        (["exceptions", "repair", "1", "--type", "x"], 2, "--source, --type and the like go with --code"),
        (["trace", "c", "--since", "soon"], 2, "--since soon is no duration"),
        (["trail", "A"], 2, "LOCATION"),
        (["policy", "apply", "missing.toml"], 2, "missing.toml"),
        (["sources", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["replenish", "--limit", "0"], 2, "--limit"),
        (["replenish", "--server", "nats://127.0.0.1:1"], 3, "127.0.0.1:1"),
    ],
)
def test_failures_are_one_line(
    arguments: list[str],
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYSTICK_NATS_CONNECT_TIMEOUT_S", "0.5")
    assert execute(arguments) == status
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") <= 1
    assert "Traceback" not in said


def test_replay_in_json(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(events), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["events"], summary["outcomes"], summary["positions"]) == (1, {"applied": 1}, 1)
    assert len(summary["state_hash"]) == 32


def test_replay_for_people_beside_the_reference(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(events), "--reference"]) == 0
    shown = capsys.readouterr().out
    assert "1 event in" in shown
    assert "The reference agrees" in shown


def test_replay_from_standard_input(tmp_path: Path) -> None:
    done = _in_process("replay", "-", "--json", "--balances", "out.ndjson", stdin=EVENT.encode(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 1
    assert json.loads((tmp_path / "out.ndjson").read_bytes())["on_hand"] == 5


def test_a_reader_that_goes_away_is_no_traceback(events: Path) -> None:
    command = (
        f"{sys.executable} -m tallystick config show | true; {sys.executable} -m tallystick replay {events} | true"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_config_check_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tallystick.toml"
    path.write_text('[nats]\ntoken = "s3cret"\n\n[engine]\nnegative_stock = "refuse"\n')
    assert execute(["config", "check", "--config", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is valid.\n"
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        assert execute([*arguments, "--config", str(path)]) == 0
        shown = capsys.readouterr().out
        assert "s3cret" not in shown
        assert "negative_stock" in shown


def test_a_typo_in_the_configuration_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tallystick.toml"
    path.write_text("[snapshots]\n\nintervall_s = 5\n")
    assert execute(["config", "check", "--config", str(path)]) == 2
    assert f'{path}:3: [snapshots] has no key "intervall_s"; did you mean "interval_s"?' in capsys.readouterr().err


@pytest.mark.parametrize("command", [["-h"], ["atp", "-h"], ["exceptions", "list", "-h"]])
def test_help_has_a_short_name(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(command) == 0
    short = capsys.readouterr().out
    assert execute([*command[:-1], "--help"]) == 0
    assert capsys.readouterr().out == short


def test_the_version_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert re.fullmatch(r"tallystick \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_shells_complete_commands() -> None:
    asked = {"_TALLYSTICK_COMPLETE": "complete_bash", "COMP_WORDS": "tallystick rep", "COMP_CWORD": "1"}
    command = [str(Path(sys.executable).with_name("tallystick"))]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert {"replay", "replenish"} <= set(done.stdout.split()), done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["version"]) == 0
    assert "snapshot format" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["replay", "x"], 2)])
def test_without_the_extra_there_is_a_hint(arguments: list[str], status: int) -> None:
    code = "import sys; sys.modules['typer'] = None; from tallystick.cli import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "pip install 'tallystick[cli]'" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
