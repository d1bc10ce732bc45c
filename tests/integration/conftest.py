"""The command line beside a daemon."""

import asyncio
from pathlib import Path

import pytest

from tallystick.cli.app import execute
from tests.integration.desk import Say


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
